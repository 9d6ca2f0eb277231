//! The keys `database_…`, and the keys `ssh_…` that hold for all hosts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::fs;

use console_config::{ConfigError, Flag, Loaded, Settings, Sources, SshHostKeys, SshTunnel};

fn load(toml: &str, flags: &[(&'static str, &str)]) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, toml).unwrap();
    let flags = flags.iter().map(|&(key, value)| Flag { key, value: value.to_owned() }).collect();
    Settings::load(Sources { file, file_required: true, environment: vec![], flags })
}

fn refused(toml: &str, flags: &[(&'static str, &str)]) -> String {
    match load(toml, flags).unwrap_err() {
        ConfigError::Invalid { problems, .. } => {
            problems.iter().map(|problem| problem.what.clone()).collect::<Vec<_>>().join("\n")
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_password_is_in_no_message_and_not_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "s3cret\n").unwrap();
    let file = file.display();
    let with = "postgresql://panel:s3cret@db/web";
    for (toml, flags, expected) in [
        (
            String::new(),
            vec![("database_url", with)],
            "database_url has a password in it, which every user",
        ),
        (
            "database_url = 'oracle:s3cret'".into(),
            vec![],
            "database_url is no database's URL: it begins with none",
        ),
        ("database_url = 7".into(), vec![], "database_url is no string, allowed is sqlite:///path"),
        ("database_url = 'postgresql://a:s3cret@db'".into(), vec![], "it names no database"),
        (
            format!("database_url = '{with}'\ndatabase_password_file = '{file}'"),
            vec![],
            "database_password_file is of no use: the database of database_url has a password already",
        ),
        (
            format!("database_url = 'sqlite:///x'\ndatabase_password_file = '{file}'"),
            vec![],
            "database_password_file is of no use: the database of database_url is a file",
        ),
        (
            format!("database_password_file = '{file}'"),
            vec![],
            "database_password_file needs database_url beside it",
        ),
        (
            format!("database_url = 'mysql://a@b/c'\ndatabase_password_file = '{file}x'"),
            vec![],
            "which cannot be read: No such file",
        ),
        (
            "database_url = 'mysql://a@b/c'\ndatabase_password_file = 's3cret'".into(),
            vec![],
            "something else (not shown)",
        ),
    ] {
        let said = refused(&toml, &flags);
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    let loaded = load(&format!("database_url = '{with}?sslmode=require'"), &[]).unwrap();
    assert!(!format!("{:?} {}", loaded.settings, loaded.effective).contains("s3cret"));
    let shown = "database_url = \"postgresql://panel:***@db/web?sslmode=require\"  # ";
    assert!(loaded.effective.to_string().contains(shown), "{}", loaded.effective);
}

#[test]
fn the_files_password_is_the_urls() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "s3/cr@t\n").unwrap();
    let toml = format!("database_password_file = '{}'", file.display());
    let loaded = load(&toml, &[("database_url", "mysql://panel@db/web")]).unwrap();
    let expected = "mysql://panel:s3%2Fcr%40t@db/web".parse().unwrap();
    assert_eq!(loaded.settings.database.unwrap().url, expected);
}

#[test]
fn a_host_says_itself_how_it_is_reached_or_it_is_as_all_are() {
    let toml = "ssh_key = '/usual'\nssh_tunnel = 'always'\nssh_host_keys = 'accept-new'\n\
        [[hosts]]\nid = 1\nconnection = 'ssh'\nhostname = 'a'\n\
        [[hosts]]\nid = 2\nconnection = 'ssh'\nhostname = 'b'\nssh_key = '/own'\nssh_tunnel = 'when-needed'\nssh_host_keys = 'strict'\n\
        [[hosts]]\nid = 3\nconnection = 'tcp'\nhostname = 'c'\n";
    let settings = load(toml, &[]).unwrap().settings;
    let [usual, own, tcp] = settings.hosts.as_slice() else { panic!("{settings:?}") };
    assert_eq!(usual.ssh, settings.ssh);
    assert_eq!(usual.ssh.key.as_deref(), Some("/usual".as_ref()));
    assert_eq!(own.ssh.key.as_deref(), Some("/own".as_ref()));
    assert_eq!(
        (own.ssh.tunnel, own.ssh.host_keys),
        (SshTunnel::WhenNeeded, Some(SshHostKeys::Strict))
    );
    assert_eq!(tcp.ssh, Default::default());
}
