//! The page behind a reverse proxy, as psistats-hub.conf(5) has it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::documents::examples;
use crate::hub::Hub;
use crate::master::free_port;
use support::PATIENCE;
use support::process::Process;

#[test]
#[ignore = "needs nginx and curl: tests/run"]
fn behind_nginx_whoever_has_a_token_sees_the_boards_and_each_event_as_it_happens() {
    let hub = Hub::start("amqp=no\nchasar=no\nnames=hub.example.org");
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let server = examples().into_iter().find(|example| example.starts_with("server {")).unwrap();
    // A port of the test's own, and no certificate.
    let lines = server.lines().filter(|line| !line.trim().starts_with("ssl_certificate"));
    let server = lines.collect::<Vec<_>>().join("\n");
    let server = server
        .replace("443 ssl", &format!("127.0.0.1:{port}"))
        .replace("127.0.0.1:8666", &format!("127.0.0.1:{}", hub.page));
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.path().display()))
        .concat();
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let config = folder.path().join("nginx.conf");
    fs::write(
        &config,
        format!(
            "daemon off; master_process off; {user} pid nginx.pid; error_log stderr notice; events {{}}\n\
             http {{ access_log off;\n{temporary}{server}\n}}\n"
        ),
    )
    .unwrap();
    let nginx = if fs::exists("/usr/sbin/nginx").unwrap() { "/usr/sbin/nginx" } else { "nginx" };
    let nginx = Process::start(Command::new(nginx).arg("-p").arg(folder.path()).arg("-c").arg(&config));
    nginx.wait_for_line("using the \"epoll\" event method", PATIENCE);

    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-H", "Host: hub.example.org", "-H", "Origin: https://hub.example.org"])
            .args(arguments);
        curl
    };
    let status = |arguments: &[&str]| {
        let output = curl(arguments).args(["-o", "/dev/null", "-w", "%{http_code}"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // The page itself has nothing to hide.
    assert_eq!(status(&[&url("/")]), "200");
    assert_eq!(status(&[&url("/api/v1/hosts")]), "401");
    let login = format!("Authorization: Bearer {}", hub.token("viewer"));
    hub.wait_until(|_| status(&["-H", &login, &url("/api/v1/hosts")]) == "200");
    let mut events =
        curl(&["-N", "-H", &login, &url("/api/v1/events")]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(events.stdout.take().unwrap()).lines().map(Result::unwrap);
    let names: Vec<String> = lines.filter(|line| line.starts_with("event: ")).take(3).collect();
    assert_eq!(names, ["event: snapshot", "event: changes", "event: changes"]);
    events.kill().unwrap();
    events.wait().unwrap();
}
