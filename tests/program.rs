//! The program as an administrator meets it: flags, settings, signals, exit codes.

use std::process::{Command, Output};

use harness::bed::Folder;
use harness::websocket::{Client, http};
use harness::{Node, ProxyBuilder, Result, proxy, wait};
use rustix::process::Signal;
use tokio::net::TcpListener;

/// Runs it to its end with a configuration.
fn run(config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let folder = Folder::new()?;
    let file = folder.path().join("config.toml");
    std::fs::write(&file, config)?;
    let mut program = Command::new(proxy::build()?);
    program.arg("--config").arg(&file).args(arguments).env_remove("RUST_LOG");
    program.envs(environment.iter().copied());
    Ok(program.output()?)
}

#[test]
fn wrong_settings_are_refused_with_file_key_and_what_is_allowed() -> Result<()> {
    let table = [
        ("prot = 1", &[][..], &[][..], "config.toml: there is no key prot, did you mean port?"),
        ("port = 'x'", &[], &[], "config.toml: port is string \"x\", allowed is a whole number"),
        ("max_sessions = 0", &[], &[], "config.toml: max_sessions is 0, allowed is 1 to 1000000"),
        ("", &["-p", "70000"], &[], "flag -p, --port: port is 70000, allowed is 0 to 65535"),
        ("", &[], &[("WS_PORT", "http")], "environment variable WS_PORT: port is string \"http\""),
        (
            "[[hosts]]\nid = 1\nconnection = 'ssh'",
            &[],
            &[],
            "config.toml: hosts[0].connection is ssh, it needs hostname",
        ),
    ];
    for (config, arguments, environment, expected) in table {
        let output = run(config, arguments, environment)?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{error}");
        assert!(error.contains(expected), "{error:?}, expected {expected:?}");
    }
    let missing =
        Command::new(proxy::build()?).args(["--config", "/nonexistent/c.toml"]).output()?;
    assert_eq!(missing.status.code(), Some(64));
    assert!(
        String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/c.toml: cannot be read")
    );
    // Each is a line of its own, after what may be its cause.
    let several = run("key = '/k'", &["-p", "70000"], &[("WS_CRET", "/c")])?;
    let text = String::from_utf8_lossy(&several.stderr).into_owned();
    let lines: Vec<_> = text.lines().collect();
    let expected = [" INFO environment variable WS_CRET", " ERROR flag -p", " ERROR "];
    assert_eq!(lines.len(), expected.len(), "{text}");
    assert!(lines.iter().zip(expected).all(|(line, part)| line.contains(part)), "{text}");
    Ok(())
}

#[test]
fn help_names_every_flag_and_wrong_ones_exit_2() -> Result<()> {
    let help = Command::new(proxy::build()?).arg("--help").output()?;
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for part in ["--config", "-H", "-p", "-v", "-d", "WS_HOST", "6080", "Exit codes"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert_eq!(Command::new(proxy::build()?).arg("--nonsense").output()?.status.code(), Some(2));
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_named_and_exits_1() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let port = taken.local_addr()?.port().to_string();
    let output = run("", &["-H", "127.0.0.1", "-p", &port], &[])?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let (us, program) = (std::process::id(), std::env::current_exe()?);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let expected = format!("127.0.0.1 port {port} is taken by {name} (pid {us}, ");
    assert!(error.contains(&expected), "{expected:?} is missing: {error}");
    assert!(error.contains("choose another port with -p or port"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_beat_the_environment_and_the_file() -> Result<()> {
    let folder = Folder::new()?;
    // The file's port could not be bound, the environment's host neither.
    let proxy = ProxyBuilder::new(folder.path())
        .setting("host = \"192.0.2.1\"\nport = 1")
        .env("WS_HOST", "192.0.2.2")
        .env("WS_PUBLIC_HOST", "console.example.org")
        .start()?;
    assert!(proxy.address().ip().is_loopback());
    let answer = http(proxy.address(), "GET", "/", &[]).await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_close_sessions_in_order_and_exit_0() -> Result<()> {
    let folder = Folder::new()?;
    let backend = TcpListener::bind("127.0.0.1:0").await?;
    let mut node = Node::new(folder.path());
    let uuid = node.vnc_at(backend.local_addr()?);
    for signal in [Signal::TERM, Signal::INT] {
        let mut proxy = ProxyBuilder::new(folder.path()).host(1, "node", &node.uri()?).start()?;
        let path = format!("/?token=1-{uuid}");
        let mut client = Client::open(proxy.address(), &path, &[]).await?;
        let (console, _) = tokio::time::timeout(crate::PATIENCE, backend.accept()).await??;
        proxy.wait_for_log("session opened", crate::PATIENCE)?;
        proxy.signal(signal)?;
        let closed = client.closed().await?;
        let told = (closed.code, closed.reason.as_str());
        assert_eq!(told, (1001, "the console proxy is shutting down"));
        drop(console);
        // Its own end: a second signal is sent only after it.
        wait::until("the program to end", crate::PATIENCE, || {
            Ok(proxy.log().contains("stopped").then_some(()))
        })?;
        let status = proxy.stop()?;
        assert!(status.success(), "{status}");
    }
    Ok(())
}
