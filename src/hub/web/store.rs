//! The file of tokens, which the hub and `psistats-hub token` change.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::auth::{Hash, Scope, Token, Tokens};
use crate::clock::unix_ms;
use psistats_host::conf::find::contents;
use psistats_host::output::Reason;

/// The file's name in the data folder.
const NAME: &str = "tokens";

/// Most bytes of it: those of the most tokens, and comments.
const BYTES: usize = 256 * 1024;

/// From a link to its end.
pub const LINK_S: u64 = 600;

/// From a browser's login to its end. No browser keeps a cookie for longer than 400 days.
pub const PAGE_S: u64 = 400 * 86_400;

/// The file of tokens in a data folder. Each change replaces it whole, while the folder is locked.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// That of `folder`, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Its path.
    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// What it says. Without a file there are no tokens.
    ///
    /// # Errors
    /// It cannot be read, or has a line that is none.
    pub fn load(&self) -> Result<Tokens, String> {
        let path = self.path();
        let wrong = |why: &str| format!("{}: {why}", path.display());
        let bytes = match contents(&path, BYTES + 1) {
            Ok(Some((bytes, _))) if bytes.len() <= BYTES => bytes,
            Ok(_) => return Err(wrong("expected a regular file of at most 256 KiB")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Tokens::default()),
            Err(error) => return Err(wrong(&Reason(&error).to_string())),
        };
        let text = str::from_utf8(&bytes).map_err(|_| wrong("expected UTF-8"))?;
        Tokens::parse(text).map_err(|why| wrong(&why))
    }

    /// Changes it, and gives what `change` gives. The folder is made where there is none.
    ///
    /// # Errors
    /// That of `change`; or it cannot be read, locked or written, and is as it was.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Tokens) -> Result<T, String>) -> Result<T, String> {
        let failed = |error: io::Error| format!("{}: {}", self.path().display(), Reason(&error));
        let folder = open(&self.folder).map_err(failed)?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err("another command changes the tokens: try again".into());
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut tokens = self.load()?;
        let changed = change(&mut tokens)?;
        self.write(&folder, &tokens).map_err(failed)?;
        Ok(changed)
    }

    /// A new token, of which only the hash is kept.
    ///
    /// # Errors
    /// Those of [`Store::edit`], or there is one of that name.
    pub fn add(&self, name: &str, scope: Scope) -> Result<String, String> {
        let secret = secret()?;
        self.edit(|tokens| {
            let now_s = now_s();
            if tokens.iter(now_s).any(|token| token.name == name) {
                return Err(format!(
                    "{name} is there already: choose another name, or psistats-hub token remove {name}"
                ));
            }
            tokens.add(Token { name: name.to_owned(), scope, hash: Hash::of(&secret), until: None }, now_s)
        })?;
        Ok(secret)
    }

    /// A new one-time link's secret, of that scope, in place of an unused one of that name.
    ///
    /// # Errors
    /// Those of [`Store::edit`].
    pub fn link(&self, name: &str, scope: Scope) -> Result<String, String> {
        let secret = secret()?;
        self.edit(|tokens| {
            let now_s = now_s();
            tokens.retain(|token| !token.scope.is_link() || token.name != name);
            let (hash, until) = (Hash::of(&secret), Some(now_s + LINK_S));
            tokens.add(Token { name: name.to_owned(), scope, hash, until }, now_s)
        })?;
        Ok(secret)
    }

    /// Exchanges a link for a browser's login, once. None where the link is unknown, used, or has ended.
    ///
    /// # Errors
    /// Those of [`Store::edit`].
    pub fn exchange(&self, link: Hash) -> Result<Option<String>, String> {
        let secret = secret()?;
        self.edit(|tokens| {
            let now_s = now_s();
            let is_it = |token: &Token| token.scope.is_link() && token.hash.is(&link);
            let Some(Token { name, scope, .. }) = tokens.iter(now_s).find(|token| is_it(token)).cloned()
            else {
                return Ok(None);
            };
            let scope = if scope == Scope::AdminLink { Scope::AdminPage } else { Scope::Page };
            tokens.retain(|token| !is_it(token));
            let (hash, until) = (Hash::of(&secret), Some(now_s + PAGE_S));
            tokens.add(Token { name, scope, hash, until }, now_s)?;
            Ok(Some(secret))
        })
    }

    /// Forgets these logins of browsers.
    ///
    /// # Errors
    /// Those of [`Store::edit`].
    pub fn end(&self, logins: &[Hash]) -> Result<(), String> {
        self.edit(|tokens| {
            let is_one = |token: &Token| logins.iter().any(|login| token.hash.is(login));
            tokens.retain(|token| !(token.scope.is_page() && is_one(token)));
            Ok(())
        })
    }

    /// Forgets all tokens, links and logins of a name.
    ///
    /// # Errors
    /// Those of [`Store::edit`], or there is none of that name.
    pub fn remove(&self, name: &str) -> Result<usize, String> {
        self.edit(|tokens| match tokens.retain(|token| token.name != name) {
            0 => Err(format!("there is no token called {name}: psistats-hub token list shows all")),
            removed => Ok(removed),
        })
    }

    /// A whole file in place of the other: whoever reads sees one of the two, after a power cut, too.
    fn write(&self, folder: &File, tokens: &Tokens) -> io::Result<()> {
        let new = self.folder.join("tokens.new");
        // One that was left behind; nobody else writes while the folder is locked.
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let (owner, ours) = (folder.metadata()?, file.metadata()?);
        if owner.uid() != ours.uid() {
            // Root changes what the service's user reads.
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.write_all(tokens.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        folder.sync_all()
    }
}

/// The folder, made where it is missing.
fn open(folder: &Path) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    File::open(folder)
}

/// Unix seconds.
pub fn now_s() -> u64 {
    u64::try_from(unix_ms() / 1000).unwrap_or(0)
}

/// 128 random bits, as hexadecimal digits.
fn secret() -> Result<String, String> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|error| format!("the system has no random numbers: {error}"))?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::auth::Login;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("data"));
        (folder, store)
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_has_hashes_and_no_tokens() {
        let (_folder, store) = store();
        assert_eq!(store.load().unwrap().iter(0).count(), 0);
        let token = store.add("wall", Scope::Read).unwrap();
        assert_eq!(store.load().unwrap().check(&token, Scope::Read, now_s()), Login::Granted);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&store.path()), mode(&store.folder)), (0o600, 0o700));
        let text = fs::read_to_string(store.path()).unwrap();
        assert_eq!(text, format!("wall read {}\n", Hash::of(&token)));
        assert!(store.add("wall", Scope::Admin).unwrap_err().contains("token remove wall"));
        assert_eq!(store.remove("wall"), Ok(1));
        assert!(store.remove("wall").unwrap_err().contains("no token called wall"));
        assert_eq!(fs::read_to_string(store.path()).unwrap(), "");
    }

    #[test]
    fn a_link_is_exchanged_once_and_a_newer_one_of_that_name_replaces_it() {
        let (_folder, store) = store();
        let [old, new] = [Scope::AdminLink, Scope::Link].map(|scope| store.link("anna", scope).unwrap());
        assert_eq!(store.exchange(Hash::of(&old)), Ok(None));
        let login = store.exchange(Hash::of(&new)).unwrap().unwrap();
        assert_eq!(store.exchange(Hash::of(&new)), Ok(None));
        assert_eq!(store.load().unwrap().check(&login, Scope::Page, now_s()), Login::Granted);
        assert_eq!(store.load().unwrap().check(&login, Scope::Page, now_s() + PAGE_S), Login::Unknown);
        let admin =
            store.exchange(Hash::of(&store.link("anna", Scope::AdminLink).unwrap())).unwrap().unwrap();
        assert_eq!(store.load().unwrap().check(&admin, Scope::AdminPage, now_s()), Login::Granted);
        assert_eq!(store.load().unwrap().check(&login, Scope::AdminPage, now_s()), Login::OtherScope);
        assert_eq!(store.remove("anna"), Ok(2));
    }

    #[test]
    fn a_link_that_has_ended_is_not_exchanged() {
        let (_folder, store) = store();
        let hash = Hash::of("x");
        fs::create_dir(&store.folder).unwrap();
        fs::write(store.path(), format!("anna link {hash} {}\n", now_s())).unwrap();
        assert_eq!(store.exchange(hash), Ok(None));
    }

    #[test]
    fn a_file_that_is_wrong_is_left_alone() {
        let (_folder, store) = store();
        fs::create_dir(&store.folder).unwrap();
        for content in [&b"a b c d e\n"[..], b"\xff", &[b'\n'; BYTES + 1]] {
            fs::write(store.path(), content).unwrap();
            assert!(store.load().unwrap_err().contains("tokens: "));
            assert!(store.link("anna", Scope::Link).is_err());
            assert_eq!(fs::read(store.path()).unwrap(), content);
        }
    }

    #[test]
    fn what_another_command_is_changing_is_not_changed() {
        let (_folder, store) = store();
        let other = open(&store.folder).unwrap();
        other.lock().unwrap();
        assert!(store.link("anna", Scope::Link).unwrap_err().contains("try again"));
        drop(other);
        // What was left behind by a command that was killed is in nobody's way.
        fs::write(store.folder.join("tokens.new"), "x").unwrap();
        store.link("anna", Scope::Link).unwrap();
    }
}
