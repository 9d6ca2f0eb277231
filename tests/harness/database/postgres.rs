//! PostgreSQL: a cluster of its own (initdb(1)), passwords by SCRAM, TLS for whoever asks.
//!
//! It refuses to run as root. As root, then, it runs as `nobody`, who may pass through root's folders on the way to his own
//! (`CAP_DAC_READ_SEARCH`, capabilities(7)) and nothing else.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal};

use super::access::{Access, random_password};
use super::daemon::{Daemon, Recipe};
use super::server::Server;
use super::{Engine, new_folder};
use crate::certificates::Authority;
use crate::{packages, process};

/// `nobody` and `nogroup`, the same everywhere on Debian.
const NOBODY: u32 = 65_534;

/// The longest path of a UNIX socket, without the closing zero (`sun_path`, unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// What differs from initdb's settings. Nothing outlives the test, so nothing needs to reach the disk.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "jit=off",
    "ssl=on",
    // Whoever connects at the moment of its end and says nothing holds that up for so long, whatever the signal.
    "authentication_timeout=3s",
];

pub(super) fn start(dir: &Path) -> Result<Server> {
    let programs = packages::postgres()?;
    let dir = new_folder(dir, "postgres")?;
    let longest = dir.join(".s.PGSQL.65535");
    ensure!(
        longest.as_os_str().len() <= MAX_SOCKET_PATH,
        "{} is longer than the {MAX_SOCKET_PATH} bytes that a UNIX socket's path may have",
        longest.display()
    );
    let authority = Authority::new("database")?;
    fs::write(dir.join("authority.pem"), authority.certificate())?;
    let server = authority.server(&["127.0.0.1", "localhost"])?;
    let server = server.write(&dir.join("server.pem"), &[])?;
    let (password, admin_password) = (random_password()?, random_password()?);
    let password_file = dir.join("password");
    fs::write(&password_file, &admin_password)?;
    if process::is_root() {
        for path in [&dir, &server, &password_file] {
            chown(path, Some(NOBODY), Some(NOBODY))?;
        }
    }

    let data = dir.join("data");
    let mut initdb = unprivileged(&programs.join("initdb"));
    initdb.extend(["--username=postgres", "--auth=scram-sha-256", "--locale=C"].map(Into::into));
    initdb
        .extend(["--encoding=UTF8", "--no-sync", "--no-instructions", "--pwfile"].map(Into::into));
    initdb.extend([password_file.into(), OsString::from("--pgdata"), data.clone().into()]);
    run(&initdb, "", &dir)?;

    let mut postgres = unprivileged(&programs.join("postgres"));
    let mut single = postgres.clone();
    single.extend(["--single", "-F", "-D"].map(Into::into));
    single.extend([data.clone().into(), OsString::from("postgres")]);
    // Each line is a statement.
    let sql = format!(
        "CREATE ROLE panel LOGIN PASSWORD '{password}'\nCREATE DATABASE webvirtcloud OWNER panel\n"
    );
    run(&single, &sql, &dir)?;

    postgres.extend(["-D".into(), data.into()]);
    let folders = [
        ("unix_socket_directories=", dir.clone()),
        ("ssl_cert_file=", server.clone()),
        ("ssl_key_file=", server),
    ];
    let folders = folders.map(|(name, path)| format!("{name}{}", path.display()));
    for setting in SETTINGS.iter().copied().chain(folders.iter().map(String::as_str)) {
        postgres.extend(["-c".into(), setting.into()]);
    }
    let daemon = Daemon::start(Recipe {
        name: "postgres",
        dir: dir.clone(),
        command: postgres,
        port_option: "--port=",
        // "Fast shutdown" (postgres(1)): SIGTERM would wait for all clients to leave.
        end: Signal::INT,
        answers,
    })?;
    let access = Access {
        engine: Engine::Postgres,
        port: daemon.port(),
        login: "panel".to_owned(),
        password,
        database: "webvirtcloud".to_owned(),
        authority: dir.join("authority.pem"),
        socket: dir,
    };
    let admin = Access { login: "postgres".to_owned(), password: admin_password, ..access.clone() };
    Ok(Server { daemon, access, admin })
}

/// pg_ctl(1)'s own way to tell: the eighth line of its PID file.
fn answers(dir: &Path, pid: Pid, address: SocketAddr) -> bool {
    let file = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
    let mut lines = file.lines().map(str::trim);
    lines.next() == Some(pid.to_string().as_str())
        && lines.nth(6) == Some("ready")
        && TcpStream::connect(address).is_ok()
}

/// The program as it is, or as `nobody` if we are root.
fn unprivileged(program: &Path) -> Vec<OsString> {
    let mut command = Vec::new();
    if process::is_root() {
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
        command.push("setpriv".into());
        command.extend(ids.map(Into::into));
        command.extend(["--clear-groups", "--inh-caps=+dac_read_search"].map(Into::into));
        command.push("--ambient-caps=+dac_read_search".into());
        // access(2), by which initdb looks for its programs, else counts without capabilities for whoever is not root.
        command.push("--securebits=+no_setuid_fixup".into());
    }
    command.push(program.into());
    command
}

/// Runs one of its programs to its end, `input` being a file for it to read.
fn run(command: &[OsString], input: &str, dir: &Path) -> Result<()> {
    let (program, args) = command.split_first().context("no command")?;
    let file = dir.join("input");
    fs::write(&file, input)?;
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::from(fs::File::open(&file)?))
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Alone it tells of a statement that failed, and ends well.
    ensure!(
        output.status.success() && !said.contains("ERROR:"),
        "{}: {}",
        args.iter()
            .chain([program])
            .map(|arg| arg.display().to_string())
            .collect::<Vec<_>>()
            .join(" "),
        said.trim()
    );
    Ok(())
}
