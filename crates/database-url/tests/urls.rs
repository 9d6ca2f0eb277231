//! URLs as people write them, and what is said of those that are none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use database_url::{DatabaseServer, DatabaseUrl, DatabaseUrlError, TlsMode};
use secrecy::ExposeSecret;

fn server(text: &str) -> DatabaseServer {
    match text.parse() {
        Ok(DatabaseUrl::Postgres(server) | DatabaseUrl::MySql(server)) => server,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn files() {
    for (text, expected) in [
        ("sqlite:///srv/db.sqlite3", "/srv/db.sqlite3"),
        ("sqlite:////srv/db.sqlite3", "/srv/db.sqlite3"),
        ("SQLITE:///srv/my%20db%3F", "/srv/my db?"),
        ("sqlite3:///käse", "/käse"),
    ] {
        let Ok(DatabaseUrl::Sqlite { path }) = text.parse() else { panic!("{text}") };
        assert_eq!(path, expected);
    }
}

#[test]
fn servers() {
    let all =
        server("postgresql://panel:p%40ss%2Fw@db.example.org:6432/web%20virt?sslmode=require");
    assert_eq!((all.host.as_str(), all.port.map(u16::from)), ("db.example.org", Some(6432)));
    assert_eq!((all.login.as_deref(), all.database.as_str()), (Some("panel"), "web virt"));
    assert_eq!(all.password.unwrap().expose_secret(), "p@ss/w");
    assert_eq!(all.tls.mode, TlsMode::Require);
    let least = server("postgres:///db");
    assert_eq!((least.host.as_str(), least.port, least.login), ("localhost", None, None));
    assert!(least.password.is_none() && least.socket.is_none());
    assert_eq!(server("postgres://panel@[2001:db8::1]:1/db").host, "2001:db8::1");
    for text in [
        "postgresql://panel@/db?host=/run/postgresql",
        "postgresql://panel@%2Frun%2Fpostgresql/db",
        "mariadb://panel@/db?socket=/run/postgresql",
        "mysql://panel@localhost/db?unix_socket=%2Frun%2Fpostgresql",
    ] {
        let found = server(text);
        assert_eq!(found.socket.as_deref(), Some("/run/postgresql"), "{text}");
        assert_eq!(found.login.as_deref(), Some("panel"));
    }
    for (word, mode) in [
        ("disable", TlsMode::Disable),
        ("DISABLED", TlsMode::Disable),
        ("PREFERRED", TlsMode::Prefer),
        ("verify-ca", TlsMode::VerifyCa),
        ("VERIFY_IDENTITY", TlsMode::VerifyFull),
        ("verify-full", TlsMode::VerifyFull),
    ] {
        assert_eq!(server(&format!("mysql://u@h/db?ssl-mode={word}")).tls.mode, mode);
    }
    let keys = server("mysql://u@h/db?ssl-ca=/ca.pem&ssl-cert=/c.pem&ssl-key=/k.pem");
    assert_eq!(keys.tls.ca.as_deref(), Some("/ca.pem"));
    assert_eq!(
        (keys.tls.cert.as_deref(), keys.tls.key.as_deref()),
        (Some("/c.pem"), Some("/k.pem"))
    );
}

#[test]
fn what_is_wrong_is_said_without_the_password() {
    for (text, expected) in [
        ("", "it begins with none of sqlite://, postgresql:// and mysql://"),
        ("/srv/db.sqlite3", "it begins with none of"),
        ("oracle://h/db", "it begins with none of"),
        ("sqlite://db.sqlite3", "the path is not absolute: three slashes"),
        ("sqlite:///", "it names no database"),
        ("sqlite:///db?mode=rwc", "unknown parameter mode, known are none for SQLite"),
        ("postgresql://panel:s3cret@host", "it names no database"),
        ("postgresql://panel:s3cret@host/", "it names no database"),
        ("postgresql://panel:s3cret@host/a/b", "it names no database"),
        ("postgresql://panel:s3c/ret@host/db", "it is not login:password@host:port"),
        ("postgresql://pa/nel:s3cret@host", "it is not login:password@host:port"),
        ("postgresql://pa?nel:s3cret@host/db", "it is not login:password@host:port"),
        ("postgresql://panel:s3c@ret@host/db", "it is not login:password@host:port"),
        ("postgresql://panel:s3c:ret@host/db", "it is not login:password@host:port"),
        ("postgresql://panel:s3cret#1@host/db", "it is not login:password@host:port"),
        ("postgresql://panel:s3cret@host:0/db", "it is not login:password@host:port"),
        ("postgresql://panel:s3cret@-oX/db", "it is not login:password@host:port"),
        ("postgresql://panel:s3cret%@host/db", "its password has a % without"),
        ("postgresql://panel:s3cret%ff@host/db", "its password has a % without"),
        ("postgresql://pan%00el:s3cret@host/db", "its login has a % without"),
        ("postgresql://h/db?password=s3cret", "unknown parameter password, known are host"),
        ("postgresql://h/db?s3cret", "it has an unknown parameter, known are host"),
        ("postgresql://h/db?socket=/x", "unknown parameter socket"),
        ("mysql://:s3cret@h/db", "it names no login"),
        ("mysql://u@h/db?host=/x", "unknown parameter host, known are socket"),
        ("mysql://u@h/db?socket=x", "its parameter socket is not an absolute path"),
        ("mysql://u@h/db?ssl-mode=s3cret", "its parameter sslmode is not one of disable"),
        ("mysql://u@h/db?ssl-cert=/c", "its parameter sslcert is not given together"),
        ("mysql://u@h/db?ssl-key=/c", "its parameter sslkey is not given together"),
    ] {
        let error: DatabaseUrlError = text.parse::<DatabaseUrl>().unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains("s3c") && !said.contains("ret"), "{text}: {said}");
    }
}

#[test]
fn it_is_shown_without_secrets_and_on_one_line() {
    for (text, expected) in [
        ("sqlite:///srv/a%0Ab", "sqlite:///srv/a\\nb"),
        ("postgres://panel:s3cret@h:1/db?sslmode=disable", "postgresql://panel@h:1/db"),
        ("mariadb://u:s3cret@[::1]/db", "mysql://u@[::1]/db"),
        ("mysql://panel:s3cret@/db?socket=/run/m.sock", "mysql://panel@/run/m.sock/db"),
    ] {
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), expected);
        assert!(!format!("{url:?}").contains("s3cret"), "{url:?}");
    }
}

#[test]
fn a_text_is_masked() {
    for (text, expected) in [
        ("mysql://panel:s3cret@h:1/db?ssl-ca=/x", "mysql://panel:***@h:1/db?ssl-ca=/x"),
        ("postgres://panel@h/db", "postgres://panel@h/db"),
        ("sqlite:///srv/a:b@c", "sqlite:///srv/a:b@c"),
    ] {
        assert_eq!(DatabaseUrl::masked(text), expected);
    }
}

#[test]
fn a_password_comes_from_one_place() {
    let mut url: DatabaseUrl = "mysql://panel@h/db".parse().unwrap();
    assert!(!url.has_password() && url.set_password("a".into()));
    assert!(url.has_password() && !url.set_password("b".into()));
    assert_eq!(url, "mysql://panel:a@h/db".parse().unwrap());
    let mut file: DatabaseUrl = "sqlite:///db".parse().unwrap();
    assert!(!file.set_password("b".into()));
}
