//! Certificates as openssl makes them: good ones, and each kind of bad one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::project;

/// From when until when.
pub const VALID: [&str; 2] = ["20200101000000Z", "20991231235959Z"];
pub const EXPIRED: [&str; 2] = ["20200101000000Z", "20200102000000Z"];
pub const NOT_YET: [&str; 2] = ["20980101000000Z", "20991231235959Z"];

/// Keys.
pub const P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub const P384: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
pub const RSA: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

/// What a certificate of a server says, beside its subject.
pub const LOCALHOST: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1";
/// What one of a CA says.
pub const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign";

/// A folder of certificates and keys: `NAME.pem`, `NAME.key`.
pub struct Pki {
    dir: TempDir,
}

impl Default for Pki {
    /// With a CA called `ca`.
    fn default() -> Self {
        let pki = Self { dir: tempfile::tempdir_in(project::target("tmp")).unwrap() };
        pki.issue("ca", "ca", P256, VALID, CA);
        pki
    }
}

impl Pki {
    /// The certificate of that name.
    pub fn cert(&self, name: &str) -> PathBuf {
        self.dir.path().join(name).with_extension("pem")
    }

    /// The key of that name.
    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.path().join(name).with_extension("key")
    }

    /// Has `issuer`, or itself, issue a certificate of that name with a key of its own: its file.
    pub fn issue(
        &self,
        name: &str,
        issuer: &str,
        key: &[&str],
        [from, until]: [&str; 2],
        extensions: &str,
    ) -> PathBuf {
        let at = |file: &str| self.dir.path().join(file).display().to_string();
        let of = |kind: &str| at(&format!("{name}.{kind}"));
        openssl(&[&["genpkey", "-algorithm"], key, &["-out", &of("key")]].concat());
        let subject = format!("/CN={name}");
        openssl(&["req", "-new", "-key", &of("key"), "-subj", &subject, "-out", &of("csr")]);
        fs::write(of("ext"), format!("{extensions}\n")).unwrap();
        fs::write(of("db"), "").unwrap();
        let settings = format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase={}\npolicy=p\nunique_subject=no\nnew_certs_dir={}\nserial={}\n[p]\ncommonName=supplied\n",
            of("db"),
            at(""),
            of("srl"),
        );
        fs::write(of("cnf"), settings).unwrap();
        let issued = of("pem");
        let by = match issuer == name {
            true => vec!["-selfsign".to_owned()],
            false => vec!["-cert".to_owned(), at(&format!("{issuer}.pem"))],
        };
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        let key = at(&format!("{issuer}.key"));
        let config = of("cnf");
        let (request, extensions) = (of("csr"), of("ext"));
        let words = [
            "ca",
            "-batch",
            "-notext",
            "-create_serial",
            "-config",
            &config,
            "-in",
            &request,
            "-out",
            &issued,
        ];
        let validity = ["-startdate", from, "-enddate", until, "-md", "sha256", "-extfile", &extensions];
        openssl(&[&words[..], &validity, &by, &["-keyfile", &key]].concat());
        issued.into()
    }

    /// A file of several of these certificates, one behind the other.
    pub fn chain(&self, name: &str, of: &[&str]) -> PathBuf {
        let all: String = of.iter().map(|one| fs::read_to_string(self.cert(one)).unwrap()).collect();
        fs::write(self.cert(name), all).unwrap();
        self.cert(name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn openssl(words: &[&str]) {
    let output = Command::new("openssl").args(words).output().expect("openssl");
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}
