//! MariaDB: system tables of its own, made by the server itself as mariadb-install-db(1) has it do; TLS for whoever asks.
//!
//! That script itself is not used: it wants programs of further packages.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal};

use super::access::{Access, random_password};
use super::daemon::{Daemon, Recipe};
use super::server::Server;
use super::{Engine, new_folder};
use crate::certificates::Authority;
use crate::packages::{self, MariaDbFiles};
use crate::{process, wait};

/// The longest path of a UNIX socket, without the closing zero (`sun_path`, unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// For the first packet of a connection.
const GREETING: Duration = Duration::from_secs(1);

/// What makes the system tables, in this order (mariadb-install-db(1)).
const SYSTEM_TABLES: [&str; 3] =
    ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"];

/// What differs from the server's own settings. Nothing outlives the test, so nothing needs to reach the disk.
const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-fast-shutdown=1",
];

pub(super) fn start(dir: &Path) -> Result<Server> {
    let files = packages::mariadb()?;
    let dir = new_folder(dir, "mariadb")?;
    let socket = dir.join("socket");
    ensure!(
        socket.as_os_str().len() <= MAX_SOCKET_PATH,
        "{} is longer than the {MAX_SOCKET_PATH} bytes that a UNIX socket's path may have",
        socket.display()
    );
    let authority = Authority::new("database")?;
    fs::write(dir.join("authority.pem"), authority.certificate())?;
    let server = authority.server(&["127.0.0.1", "localhost"])?;
    let server = server.write(&dir.join("server.pem"), &[])?;
    let (password, admin_password) = (random_password()?, random_password()?);

    let command = command(&files, &dir);
    let sql = dir.join("bootstrap.sql");
    fs::write(&sql, bootstrap(&files, &password, &admin_password)?)?;
    install(&command, &sql, &dir)?;

    let mut run = command;
    let paths = [("socket", &socket), ("ssl-cert", &server), ("ssl-key", &server)];
    run.extend(paths.map(|(option, path)| option_with(option, path)));
    run.push(option_with("pid-file", &dir.join("pid")));
    run.extend(SETTINGS.iter().map(Into::into));
    let daemon = Daemon::start(Recipe {
        name: "mariadbd",
        dir: dir.clone(),
        command: run,
        port_option: "--port=",
        end: Signal::TERM,
        answers,
    })?;
    let access = Access {
        engine: Engine::MariaDb,
        port: daemon.port(),
        login: "panel".to_owned(),
        password,
        database: "webvirtcloud".to_owned(),
        authority: dir.join("authority.pem"),
        socket,
    };
    let admin = Access { login: "admin".to_owned(), password: admin_password, ..access.clone() };
    Ok(Server { daemon, access, admin })
}

/// Whether it sends a greeting: a packet of protocol 10 (its header is four bytes long).
fn answers(_: &Path, _: Pid, address: SocketAddr) -> bool {
    let greeting = || -> std::io::Result<[u8; 5]> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(GREETING))?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    greeting().is_ok_and(|start| start[4] == 10)
}

/// The server with what it always needs to be told.
fn command(files: &MariaDbFiles, dir: &Path) -> Vec<OsString> {
    // It reads no configuration if this comes first.
    let mut command: Vec<OsString> = vec![files.server.clone().into(), "--no-defaults".into()];
    if process::is_root() {
        // It refuses to be root without being told so.
        command.push("--user=root".into());
    }
    command.push(option_with("datadir", &dir.join("data")));
    command.push(option_with("tmpdir", dir));
    command.push(option_with("plugin-dir", dir));
    command.push(option_with("lc-messages-dir", &files.share));
    command.push(option_with("character-sets-dir", &files.share.join("charsets")));
    command
}

fn option_with(option: &str, path: &Path) -> OsString {
    format!("--{option}={}", path.display()).into()
}

/// The system tables, the database and its logins; nobody else gets in.
fn bootstrap(files: &MariaDbFiles, password: &str, admin_password: &str) -> Result<String> {
    // In this mode a statement ends with its line.
    let mut sql = "CREATE DATABASE mysql;\nUSE mysql;\nSET @skip_auth_anonymous = 1;\n".to_owned();
    for file in SYSTEM_TABLES {
        let file = files.share.join(file);
        let text = fs::read_to_string(&file);
        sql += &text.with_context(|| format!("cannot read {}", file.display()))?;
        sql.push('\n');
    }
    sql += "DELETE FROM mysql.global_priv WHERE User = 'root';\nFLUSH PRIVILEGES;\n\
            CREATE DATABASE webvirtcloud CHARACTER SET utf8mb4;\n";
    // By TCP and by the UNIX socket.
    for host in ["127.0.0.1", "localhost"] {
        sql += &format!(
            "CREATE USER panel@'{host}' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON webvirtcloud.* TO panel@'{host}';\n\
             CREATE USER admin@'{host}' IDENTIFIED BY '{admin_password}';\n\
             GRANT ALL ON *.* TO admin@'{host}' WITH GRANT OPTION;\n"
        );
    }
    Ok(sql)
}

fn install(command: &[OsString], sql: &Path, dir: &Path) -> Result<()> {
    fs::create_dir(dir.join("data"))?;
    let (program, args) = command.split_first().context("no command")?;
    let output = Command::new(program)
        .args(args)
        .args(["--bootstrap", "--skip-networking", "--innodb-log-file-size=8M"])
        .stdin(Stdio::from(File::open(sql)?))
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "MariaDB's system tables: {}", wait::tail(&said));
    Ok(())
}
