//! Who may log in at the hub as a process: by tokens, by a link, from boards; and what SIGHUP takes over of that.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::namespace::enter_one_with_small_buffers;
use support::process::Process;

/// An address of the machine that is not loopback.
const BEYOND: &str = "192.0.2.1:8666";
const LOCAL: &str = "127.0.0.1:8666";

/// A hub at its usual ports, at all addresses of a network of this thread's own.
struct Hub {
    process: Process,
    folder: TempDir,
}

impl Hub {
    /// With `more` in its section.
    fn start(more: &str) -> Self {
        enter_one_with_small_buffers();
        let added = Command::new("ip").args(["address", "add", "192.0.2.1/24", "dev", "lo"]).status();
        assert!(added.unwrap().success());
        let folder = tempfile::tempdir().unwrap();
        let hub = Self { process: Process::start(&mut Command::new("true")), folder };
        hub.write("self=no", more);
        hub.started(&[])
    }

    fn started(mut self, environment: &[(&str, &str)]) -> Self {
        self.process = Process::start(self.command(&[]).envs(environment.iter().copied()));
        self.process.wait_for_line("psistats-hub 0.", PATIENCE);
        self
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn write(&self, own: &str, more: &str) {
        let data = if more.contains("data=") { String::new() } else { format!("data={}\n", self.data()) };
        let text = format!("[hub]\nlisten=*:8666\namqp=*:5672\nchasar=no\n{own}\n{data}{more}\n");
        std::fs::write(self.folder.path().join("hub.conf"), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        command.arg("--config").arg(self.folder.path().join("hub.conf")).args(words);
        command
    }

    /// What `psistats-hub token` prints, and says beside.
    fn token(&self, words: &[&str]) -> (String, String) {
        let output = self.command(&[&["token"], words].concat()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        (text(output.stdout), text(output.stderr))
    }

    /// The same for one that the running hub has taken over.
    fn token_told(&self, words: &[&str]) -> String {
        let seen = self.process.lines().len();
        let (printed, said) = self.token(words);
        assert!(said.contains("was told by SIGHUP"), "{said}");
        self.process.wait_for_line_after(seen, "the configuration was reloaded", PATIENCE);
        printed
    }

    /// Has it read its file again; gives the lines that it wrote then.
    fn reload(&self, end: &str) -> Vec<String> {
        let seen = self.process.lines().len();
        self.process.signal(Signal::SIGHUP);
        self.process.wait_for_line_after(seen, end, PATIENCE);
        self.process.lines().split_off(seen)
    }
}

/// The status and the body that curl gets.
fn get(address: &str, path: &str, arguments: &[&str]) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code}"]);
    let output = curl.args(arguments).arg(format!("http://{address}{path}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn hosts(address: &str, arguments: &[&str]) -> u16 {
    get(address, "/api/v1/hosts", arguments).0
}

fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_token_is_printed_alone_and_once_and_the_running_hub_takes_it_over_and_its_end() {
    let hub = Hub::start("");
    assert_eq!((hosts(LOCAL, &[]), hosts(BEYOND, &[]), get(BEYOND, "/", &[]).0), (200, 401, 200));
    let token = hub.token_told(&["add", "script"]);
    assert!(token.len() == 32 && token.bytes().all(|octet| octet.is_ascii_hexdigit()), "{token}");
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(hosts(BEYOND, &["--header", &bearer]), 200);
    let metrics = hub.token_told(&["add", "prometheus", "--scope", "metrics"]);
    assert_eq!(hosts(BEYOND, &["--header", &format!("Authorization: Bearer {metrics}")]), 403);
    let (list, _) = hub.token(&["list"]);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [["name", "scope", "ends"], ["prometheus", "metrics", "never"], ["script", "read", "never"]]
    );
    hub.token_told(&["remove", "script"]);
    assert_eq!(hosts(BEYOND, &["--header", &bearer]), 401);
    // Nowhere is the token itself.
    let kept = std::fs::read_to_string(format!("{}/tokens", hub.data())).unwrap();
    let written = [kept, hub.process.lines().join("\n")].concat();
    assert!(!written.contains(&token) && !written.contains(&metrics), "{written}");
}

#[test]
fn a_link_lets_one_browser_in_once_and_its_cookie_outlives_a_restart_of_the_hub() {
    let mut hub = Hub::start("");
    let link = hub.token_told(&["link", "anna"]);
    assert!(link.starts_with("http://192.0.2.1:8666/#/login/"), "{link}");
    // As a browser does: the page by its URL, of which what stands behind # is not sent; then the page's POST.
    let script = format!(
        "import http.cookiejar, urllib.error, urllib.request
from urllib.parse import urldefrag
jar = http.cookiejar.CookieJar()
browser = urllib.request.build_opener(urllib.request.ProxyHandler({{}}), urllib.request.HTTPCookieProcessor(jar))
base, fragment = urldefrag('{link}')
secret = fragment.removeprefix('/login/')
def status(opener, path, **more):
    try:
        return opener.open(urllib.request.Request(base + path, **more)).status
    except urllib.error.HTTPError as error:
        return error.code
login = dict(method='POST', headers={{'Authorization': 'Bearer ' + secret, 'Origin': base.rstrip('/')}})
print('before', status(browser, ''), status(browser, 'api/v1/hosts'))
print('login', status(browser, 'api/v1/login', **login), status(browser, 'api/v1/hosts'))
cookie, = jar
print('cookie', cookie.has_nonstandard_attr('HttpOnly'), cookie.get_nonstandard_attr('SameSite'), cookie.secure)
other = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
print('again', status(other, 'api/v1/login', **login))
print('ours', cookie.name + '=' + cookie.value)
"
    );
    let browser = Process::start(Command::new("/usr/bin/python3").args(["-u", "-c", &script]));
    for line in ["before 200 401", "login 200 200", "cookie True Strict False", "again 401"] {
        browser.wait_for_line(line, PATIENCE);
    }
    let cookie = browser.wait_for_line("ours ", PATIENCE)["ours ".len()..].to_owned();
    hub.process.signal(Signal::SIGTERM);
    assert_eq!(hub.process.wait(PATIENCE).code(), Some(0), "{:?}", hub.process.lines());
    let secret = link.rsplit('/').next().unwrap();
    let lines = hub.process.lines();
    assert!(!lines.iter().any(|line| line.contains(secret)), "{lines:?}");
    let hub = hub.started(&[]);
    assert_eq!(hosts(BEYOND, &["--cookie", &cookie]), 200);
    assert!(
        hub.token(&["list"])
            .0
            .lines()
            .any(|line| line.starts_with("anna  page") && line.ends_with("in 400 days"))
    );
    hub.token_told(&["remove", "anna"]);
    assert_eq!(hosts(BEYOND, &["--cookie", &cookie]), 401);
}

#[test]
fn a_hub_that_nobody_may_log_in_at_says_which_command_changes_that_and_it_does() {
    let hub = Hub::start("");
    let line =
        hub.process.wait_for_line("nobody can log in at the page from another machine yet: ", PATIENCE);
    let command =
        line.split("yet: psistats-hub ").nth(1).unwrap().replace("NAME makes a link for a browser", "me");
    let words: Vec<&str> = command.split(' ').collect();
    let output = Command::new(env!("CARGO_BIN_EXE_psistats-hub")).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    hub.process.wait_for_line("the configuration was reloaded; tokens=1", PATIENCE);
    let lines = hub.reload("the configuration was reloaded; tokens=1");
    assert!(!lines.iter().any(|line| line.contains("nobody can log in")), "{lines:?}");
}

#[test]
fn without_a_data_folder_there_are_no_tokens_and_the_command_says_what_to_do() {
    let hub = Hub::start("data=no");
    hub.process.wait_for_line("set [hub] data= to a folder", PATIENCE);
    let text = failure(&hub.command(&["token", "add", "a"]).output().unwrap());
    assert!(text.contains("[hub] data=no") && text.contains("set data= to a folder"), "{text}");
    assert_eq!(hosts(BEYOND, &["--header", "Authorization: Bearer a"]), 401);
}

#[test]
fn a_wrong_command_about_tokens_is_told_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("hub.conf");
    std::fs::write(&conf, format!("[hub]\ndata={}\n", folder.path().display())).unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        command.arg("--config").arg(&conf).arg("token").args(words).output().unwrap()
    };
    for (words, expected) in [
        (&[][..], "expected token add NAME"),
        (&["add"], "expected token add NAME"),
        (&["add", "a", "b"], "expected token add NAME"),
        (&["add", "a b"], "expected a name of 1 to 64"),
        (&["add", "a", "--scope", "link"], "expected --scope read, metrics or admin, got link"),
        (&["link", "a", "--scope", "metrics"], "expected --scope read or admin for a link"),
        (&["remove", "a", "--scope", "admin"], "--scope is for token add and token link alone"),
    ] {
        let output = run(words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(text.contains(expected), "{text}");
    }
    let text = String::from_utf8(run(&["add", "a"]).stderr).unwrap();
    assert!(text.contains("No hub runs with this data folder"), "{text}");
    assert!(failure(&run(&["add", "a"])).contains("a is there already"));
    assert!(failure(&run(&["remove", "b"])).contains("there is no token called b"));
    std::fs::write(folder.path().join("tokens"), "x\n").unwrap();
    assert!(failure(&run(&["list"])).contains("line 1: expected NAME SCOPE HASH"));
}

#[test]
fn a_public_wall_shows_boards_without_their_addresses_and_no_board_alone() {
    let hub = Hub::start("public=wall");
    let modem = hub.folder.path().canonicalize().unwrap().join("modem");
    std::fs::write(&modem, r#"{"level":3,"serial":"10000000abcdef01","at":"192.0.2.1","text":"somebody"}"#)
        .unwrap();
    let config = Config::new(5672, "/").set("tags", "site", "garage");
    let config = config.text(&format!("[value:modem]\nfile={}\n", modem.display()));
    let _agent = Agent::start(&config, &[]);
    let board = |address: &str| -> Option<Value> {
        let (_, body) = get(address, "/api/v1/hosts", &[]);
        let hosts: Value = serde_json::from_str(&body).unwrap();
        Some(hosts["hosts"].get(0)?.clone()).filter(|board| board["values"]["modem.level"].is_number())
    };
    let deadline = Instant::now() + PATIENCE;
    let known = loop {
        match board(LOCAL) {
            Some(board) => break board,
            None => assert!(Instant::now() < deadline, "{:?}", hub.process.lines()),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let public = board(BEYOND).unwrap();
    assert_eq!(
        (&known["values"]["ipaddr.0"], &known["values"]["modem.text"]),
        (&"192.0.2.1".into(), &"somebody".into())
    );
    let secrets = ["192.0.2.1", "serial", "10000000abcdef01", "somebody", "ipaddr"];
    let is_silent = |text: &str| assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    is_silent(&public.to_string());
    assert_eq!((&public["name"], &public["tags"]["site"]), (&known["name"], &"garage".into()));
    assert!(public["values"]["cpu"].is_number() && public["values"]["mem"].is_number(), "{public}");
    let path = format!("/api/v1/hosts/{}", known["name"].as_str().unwrap());
    assert_eq!((get(LOCAL, &path, &[]).0, get(BEYOND, &path, &[]).0), (200, 401));
    // The stream has a snapshot, and then a frame a second.
    let mut curl = Command::new("curl");
    let events = format!("http://{BEYOND}/api/v1/events");
    let curl = Process::start(curl.args(["--silent", "--noproxy", "*", "--no-buffer", &events]));
    curl.wait_for_line("\"gone\":", PATIENCE);
    let events = curl.lines().join("\n");
    assert!(events.contains("event: snapshot\n") && events.contains("event: changes\n"), "{events}");
    is_silent(&events);
    hub.write("self=no", "public=no");
    hub.reload("the configuration was reloaded");
    assert_eq!(hosts(BEYOND, &[]), 401);
}

#[test]
fn guest_may_publish_from_this_machine_alone_and_others_with_user_and_pass() {
    let hub = Hub::start("user=boards\npass=secret");
    let beyond = Config::new(5672, "/").set("server", "host", "192.0.2.1");
    let agent = Agent::start(&beyond, &[]);
    agent.wait_for_line("check [server] user and pass", PATIENCE);
    hub.process.wait_for_line("guest may log in from this machine only", PATIENCE);
    drop(agent);
    let seen = hub.process.lines().len();
    let _here = Agent::start(&Config::new(5672, "/"), &[]);
    hub.process.wait_for_line_after(seen, "board at 127.0.0.1:", PATIENCE);
    let _there = Agent::start(&beyond.set("server", "user", "boards").set("server", "pass", "secret"), &[]);
    // Of the one that was refused, lines may still come.
    let is_it = |line: &String| line.contains("board at 192.0.2.1:") && line.ends_with(": connected");
    let deadline = Instant::now() + PATIENCE;
    while !hub.process.lines().iter().any(is_it) {
        assert!(Instant::now() < deadline, "{:#?}", hub.process.lines());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn sighup_takes_over_logins_and_names_and_says_what_it_cannot() {
    let hub = Hub::start("user=boards\npass=old");
    let config = Config::new(5672, "/").set("server", "host", "192.0.2.1").set("server", "user", "boards");
    let agent = Agent::start(&config.clone().set("server", "pass", "new"), &[]);
    hub.process.wait_for_line("login refused", PATIENCE);
    let by_name = ["--header", "Host: hub.example"];
    assert_eq!(hosts(BEYOND, &by_name), 421);
    hub.write("self=yes", "user=boards\npass=new\nnames=hub.example, wall.example\ndata=/nowhere");
    let lines = hub.reload("the configuration was reloaded");
    let warned = lines.iter().find(|line| line.contains("takes effect at the next start")).unwrap();
    assert!(warned.contains("[hub] self, [hub] data: changed"), "{warned}");
    assert_eq!(hosts(BEYOND, &by_name), 401);
    hub.process.wait_for_line("board at 192.0.2.1:", PATIENCE);
    hub.process.wait_for_line("connected", PATIENCE);
    // What could not be taken over is told again, and a file that is as it was at the start has nothing to tell.
    hub.write("self=no", "user=boards\npass=new");
    let lines = hub.reload("the configuration was reloaded");
    assert!(!lines.iter().any(|line| line.contains("next start")), "{lines:?}");
    assert_eq!(hosts(BEYOND, &by_name), 421);
    drop(agent);
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told() {
    let hub = Hub::start("names=hub.example");
    let by_name = ["--header", "Host: hub.example"];
    assert_eq!(hosts(BEYOND, &by_name), 401);
    hub.write("self=no", "names=other.example\npublic=everything");
    let lines = hub.reload("keeping the previous configuration");
    assert!(lines.iter().any(|line| line.contains("[hub] public: expected wall or no, found")), "{lines:?}");
    assert_eq!(hosts(BEYOND, &by_name), 401);
    // So with the file of tokens.
    let token = hub_token(&hub);
    std::fs::write(format!("{}/tokens", hub.data()), "not a line of tokens\n").unwrap();
    hub.write("self=no", "names=other.example");
    let lines = hub.reload("keeping the previous configuration");
    assert!(lines.iter().any(|line| line.contains("tokens: line 1: expected NAME SCOPE HASH")), "{lines:?}");
    assert_eq!(hosts(BEYOND, &["--header", "Host: hub.example", "--oauth2-bearer", &token]), 200);
}

fn hub_token(hub: &Hub) -> String {
    hub.write("self=no", "names=hub.example");
    hub.token_told(&["add", "script"])
}

#[test]
fn the_boards_password_may_be_a_credential_of_the_service_and_commands_do_without_it() {
    let hub = Hub::start("");
    let Hub { mut process, folder } = hub;
    process.signal(Signal::SIGTERM);
    process.wait(PATIENCE);
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(credentials.join("boards"), "from systemd\n").unwrap();
    let hub = Hub { process, folder };
    hub.write("self=no", "user=boards\npass=@credential:boards");
    let output = hub.command(&[]).env_remove("CREDENTIALS_DIRECTORY").output().unwrap();
    assert!(failure(&output).contains("[hub] pass: expected $CREDENTIALS_DIRECTORY"), "{output:?}");
    let hub = hub.started(&[("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())]);
    let config = Config::new(5672, "/").set("server", "host", "192.0.2.1").set("server", "user", "boards");
    let _agent = Agent::start(&config.set("server", "pass", "from systemd"), &[]);
    let line = hub.process.wait_for_line("board at 192.0.2.1:", PATIENCE);
    assert!(line.ends_with("connected"), "{line}");
    hub.token_told(&["add", "script"]);
}

#[test]
fn two_commands_at_once_do_not_lose_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("hub.conf");
    std::fs::write(&conf, format!("[hub]\ndata={}\n", folder.path().display())).unwrap();
    let start = |n: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        Process::start(command.arg("--config").arg(&conf).args(["token", "add", &format!("t{n}")]))
    };
    let mut commands: Vec<_> = (0..8).map(start).collect();
    let done = commands.iter_mut().filter_map(|command| {
        let status = command.wait(PATIENCE);
        let is_told = command.lines().iter().any(|line| line.contains("try again"));
        assert!(status.success() || is_told, "{:?}", command.lines());
        status.success().then_some(())
    });
    let done = done.count();
    let text = std::fs::read_to_string(folder.path().join("tokens")).unwrap();
    assert!(done >= 1 && text.lines().count() == done, "{done} of\n{text}");
}

#[test]
#[ignore = "needs chromium and python3-websocket: tests/run"]
fn a_browser_says_how_to_log_in_and_does_so_by_a_link() {
    let hub = Hub::start("");
    hub.write("self=yes", "");
    let Hub { mut process, folder } = hub;
    process.signal(Signal::SIGTERM);
    process.wait(PATIENCE);
    let hub = Hub { process, folder }.started(&[]);
    let token = hub.command(&["token"]);
    let mut browser = Command::new("/usr/bin/python3");
    browser.args([
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/page/login.py"),
        &format!("http://{BEYOND}"),
    ]);
    let mut browser = Process::start(browser.arg(token.get_program()).args(token.get_args()));
    let status = browser.wait(PATIENCE * 4);
    assert!(
        status.success() && browser.lines().iter().any(|line| line == "a link that is used up says so"),
        "{:#?}",
        browser.lines()
    );
}
