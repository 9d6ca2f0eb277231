//! The panel's own settings, and what `--print-config` shows of all.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;

use console_config::{ConfigError, Loaded, Settings, Sources};

fn load(folder: &Path, python: &str, toml: &str) -> Result<Loaded, ConfigError> {
    let settings = folder.join("settings.py");
    fs::write(&settings, python).unwrap();
    let file = folder.join("config.toml");
    fs::write(&file, toml).unwrap();
    let environment = vec![("WS_DJANGO_SETTINGS".to_owned(), settings.display().to_string())];
    Settings::load(Sources { file, environment, ..Sources::default() })
}

#[test]
fn literals_of_every_kind_become_settings() {
    let folder = tempfile::tempdir().unwrap();
    let python = "\
WS_PORT = '6090'
WS_HOST = ''
WS_CERT = '/c'
WS_CERT = None
WS_KEY = None
WS_SSL_ONLY = 0
WS_PUBLIC_HOST = u'panel.example.org'
WS_PUBLIC_PATH = '/'
WS_ALLOWED_ORIGINS = ('https://a', 'b')
WS_TRUSTED_PROXIES = '127.0.0.1, ::1'
WS_PING_INTERVAL = 20.5
";
    let loaded = load(folder.path(), python, "").unwrap();
    let server = loaded.settings.server;
    assert_eq!(server.listen[0].address.to_string(), "0.0.0.0:6090");
    assert_eq!((server.tls, server.ssl_only, server.public.path), (None, false, None));
    assert_eq!(server.public.host.unwrap().to_string(), "panel.example.org");
    let allowed: Vec<_> = server.origins.allowed.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["https://a", "b"]);
    assert!(server.trusted_proxies.has("::1".parse().unwrap()));
    assert_eq!(server.ping_interval.as_secs_f64(), 20.5);
    assert_eq!(loaded.notes, []);
}

#[test]
fn what_cannot_be_used_is_noted_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let python = "\
WS_PORT = int('7')
WS_SECRET_THING = 'x'
WS_DJANGO_SETTINGS = '/other.py'
if DEBUG:
    WS_HOST = 'a'
from local.local_settings import *
WS_PUBLIC_HOTS = 'b'
WS_MAX_SESSIONS = 5
WS_MAX_SESSIONS += 1
";
    let loaded = load(folder.path(), python, "").unwrap();
    let file = folder.path().join("settings.py");
    let notes: Vec<_> = loaded.notes.iter().map(ToString::to_string).collect();
    let expected = [
        "1: WS_PORT is not given a literal; the line is passed over",
        "2: WS_SECRET_THING is no setting of this program",
        "3: WS_DJANGO_SETTINGS is no setting of this program",
        "5: WS_HOST is set in a block that may run or not; the line is passed over",
        "6: local.local_settings is not read; if it sets WS_ names, name its file in django_settings instead",
        "7: WS_PUBLIC_HOTS is no setting of this program; did you mean WS_PUBLIC_HOST?",
        "9: WS_MAX_SESSIONS is changed by a calculation; the line is passed over, and line 8 holds",
    ];
    assert_eq!(notes, expected.map(|note| format!("{}:{note}", file.display())));
    assert_eq!(loaded.settings.server.max_sessions, 5);
}

#[test]
fn what_counts_for_nothing_is_told_with_the_errors() {
    let folder = tempfile::tempdir().unwrap();
    let python = "WS_CERT = os.path.join(BASE_DIR, 'console.pem')\nWS_KEY = '/console.key'\n";
    let error = load(folder.path(), python, "").unwrap_err();
    let ConfigError::Invalid { problems, notes } = error else { panic!("{error:?}") };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().ends_with("key is of no use without cert"), "{}", problems[0]);
    assert!(notes[0].to_string().contains("1: WS_CERT is not given a literal"), "{notes:?}");
}

#[test]
fn any_encoding_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.py");
    fs::write(&file, b"# coding: latin-1\n# f\xfcr die Konsole\nWS_MAX_SESSIONS = 7\n").unwrap();
    let environment = vec![("WS_DJANGO_SETTINGS".to_owned(), file.display().to_string())];
    let sources = Sources { file: folder.path().join("none"), environment, ..Sources::default() };
    assert_eq!(Settings::load(sources).unwrap().settings.server.max_sessions, 7);
}

#[test]
fn its_errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.py").display().to_string();
    let error =
        load(folder.path(), "WS_PORT = 70000\nWS_CERT = 'cert.pem'", "").unwrap_err().to_string();
    assert!(
        error.starts_with(&format!(
            "{file}: port is 70000, allowed is 0 to 65535\n{file}: cert is cert.pem, "
        )),
        "{error}"
    );
    let missing = Sources {
        file: "/nonexistent".into(),
        environment: vec![("WS_DJANGO_SETTINGS".into(), "/no/settings.py".into())],
        ..Sources::default()
    };
    assert_eq!(Settings::load(missing).unwrap_err().to_string(), "/no/settings.py: cannot be read");
}

#[test]
fn what_is_shown_says_where_it_comes_from_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "\
public_host = \"a\\\"b\\\\\"
listen = [\"a:1\", {address = \"unix:/s\", mode = \"0600\"}]
[[hosts]]
id = 1
connection = \"tcp\"
hostname = \"hv1\"
login = \"me\"
password = \"hunter2\"
";
    // Quotes get back as they were; as a public host they are wrong.
    let error = load(folder.path(), "", toml).unwrap_err().to_string();
    assert!(error.contains(r#"public_host is "a\"b\\","#), "{error}");
    let toml = toml.replace("a\\\"b\\\\", "a");
    let loaded = load(folder.path(), "WS_PUBLIC_PORT = 1\nWS_PORT = 2", &toml).unwrap();
    let shown = loaded.effective.to_string();
    let (file, python) = (folder.path().join("config.toml"), folder.path().join("settings.py"));
    for line in [
        format!(
            "listen = [\"a:1\", {{ address = \"unix:/s\", mode = \"0600\" }}]  # {}",
            file.display()
        ),
        format!("public_host = \"a\"  # {}", file.display()),
        format!("public_port = 1  # {}", python.display()),
        format!(
            "django_settings = \"{}\"  # environment variable WS_DJANGO_SETTINGS",
            python.display()
        ),
        "max_sessions = 1000  # default".to_owned(),
        "# cert is not set".to_owned(),
        "[[hosts]]".to_owned(),
        format!("password = \"***\"  # {}", file.display()),
    ] {
        assert!(shown.lines().any(|found| found == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("hunter2") && !shown.contains("port = 2"), "{shown}");
    // What is shown is a configuration file that means the same.
    let again = folder.path().join("again.toml");
    fs::write(&again, &shown).unwrap();
    let again = Settings::load(Sources { file: again, ..Sources::default() }).unwrap();
    assert_eq!(again.settings.server, loaded.settings.server);
}

#[test]
fn a_variable_that_is_nearly_ours_is_noted() {
    let names =
        ["WS_CRET", "WS_PUBLIC_HOTS", "WS_PROXY_SERVICE_PORT", "PORT", "WS_PORT", "XWS_CRET"];
    let environment = names.map(|name| (name.to_owned(), "1".to_owned())).to_vec();
    let sources = Sources { file: "/nonexistent".into(), environment, ..Sources::default() };
    let notes: Vec<_> =
        Settings::load(sources).unwrap().notes.iter().map(ToString::to_string).collect();
    let said = |wrong: &str, right: &str| {
        format!("environment variable {wrong} counts for nothing; did you mean {right}?")
    };
    assert_eq!(notes, [said("WS_CRET", "WS_CERT"), said("WS_PUBLIC_HOTS", "WS_PUBLIC_HOST")]);
}
