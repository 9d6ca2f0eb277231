//! The `webvirtmgr-console` program: settings, logging, signals, and the parts put together.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{ArgAction, Parser};
use console_config::{DEFAULT_CONFIG_FILE, Flags, Settings, Sources};
use console_inventory::SshUser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

mod adapter;
mod log;

/// Carries a virtual machine's VNC or SPICE screen from libvirt into a browser
#[derive(Debug, Parser)]
#[command(version, about, after_help = HELP)]
struct Arguments {
    /// Configuration file (TOML) [default: /etc/webvirtmgr-console/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address or name to listen on [default: 0.0.0.0]
    #[arg(short = 'H', long, value_name = "HOST")]
    host: Option<String>,
    /// TCP port to listen on; 0 lets the system choose [default: 6080]
    #[arg(short, long, value_name = "PORT")]
    port: Option<String>,
    /// Say more: each request and its cause
    #[arg(short, long, action = ArgAction::SetTrue, conflicts_with = "debug")]
    verbose: bool,
    /// Say everything, the libraries' messages included
    #[arg(short, long, action = ArgAction::SetTrue)]
    debug: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.verbose, arguments.debug);
    match settings(arguments).and_then(|settings| Ok((resolver(&settings)?, settings))) {
        Ok((resolver, settings)) => match serve(settings, resolver) {
            Ok(()) => ExitCode::SUCCESS,
            Err(cause) => {
                error!("{cause:#}");
                ExitCode::FAILURE
            }
        },
        Err(cause) => {
            error!("{cause:#}");
            // EX_USAGE of sysexits.h: starting it again will not help.
            ExitCode::from(64)
        }
    }
}

fn settings(arguments: Arguments) -> Result<Settings> {
    let sources = Sources {
        file: arguments.config.clone().unwrap_or_else(|| DEFAULT_CONFIG_FILE.into()),
        file_required: arguments.config.is_some(),
        environment: std::env::vars_os().filter_map(text_variable).collect(),
        flags: Flags { host: arguments.host, port: arguments.port },
    };
    Ok(Settings::load(sources)?)
}

fn resolver(settings: &Settings) -> Result<adapter::Adapter> {
    // As ssh does it: HOME may still be that of who started us.
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten();
    let (name, home) = user.map(|user| (user.name, user.dir)).unzip();
    let home = home.or_else(|| std::env::var_os("HOME").map(PathBuf::from));
    let agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let home = home.unwrap_or_else(|| "/nonexistent".into());
    adapter::resolver(settings, &SshUser { name: name.unwrap_or_default(), home, agent })
}

/// A value that is not UTF-8 is kept with marks in it, to be refused where it is ours.
fn text_variable((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
}

fn serve(settings: Settings, resolver: adapter::Adapter) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let served = runtime.block_on(async {
        let (host, port) = (settings.server.host.clone(), settings.server.port);
        let listener = TcpListener::bind((host.as_str(), port)).await.with_context(|| {
            format!("cannot listen on {host} port {port}; choose others with -H and -p, or host and port in the configuration")
        })?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        info!(version = env!("CARGO_PKG_VERSION"), hosts = settings.hosts.len(), "starting");
        info!("listening on {}", listener.local_addr()?);
        if settings.hosts.is_empty() {
            warn!(remedy = "add [[hosts]] to the configuration", "no host is configured, so no token leads to a console");
        }
        console_proxy::run(vec![listener], settings.server, resolver, shutdown).await;
        info!("stopped");
        Ok(())
    });
    // A libvirt call or a name lookup that hangs must not keep the program.
    runtime.shutdown_background();
    served
}

const HELP: &str = "\
Flags override the environment (WS_HOST, WS_PORT, WS_PUBLIC_HOST), which overrides the file.
A console is at http://HOST:PORT/console?token=<host id>-<domain uuid>.
Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong flags, 64 wrong settings.";
