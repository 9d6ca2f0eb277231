//! The `webvirtmgr-console` program: settings, logging, signals, and the parts put together.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Error, Result};
use console_config::{ConfigError, Settings};
use console_listen::{ListenError, Passed};
use console_proxy::{Tls, TlsError};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::cli::{CommandLine, Task};

mod adapter;
mod cli;
mod front;
mod generate;
mod log;
mod url;

fn main() -> ExitCode {
    // Before anything else opens a descriptor or starts a thread.
    let passed = Passed::from_environment();
    let CommandLine { sources, verbose, debug, task } = CommandLine::parse();
    log::start(verbose, debug);
    if let Task::Generate(kind) = task {
        return printed(generate::write(&kind, &mut io::stdout()));
    }
    let loaded = match Settings::load(sources) {
        Ok(loaded) => loaded,
        Err(cause) => return misconfigured(cause),
    };
    loaded.notes.iter().for_each(|note| info!("{note}"));
    if task == Task::PrintConfig {
        return printed(write!(io::stdout(), "{}", loaded.effective));
    }
    let settings = loaded.settings;
    let (resolver, tls) = match adapter::resolver(&settings)
        .and_then(|made| Ok((made, front::tls(&settings.server)?)))
    {
        Ok(made) => made,
        Err(cause) => return failed(&cause, wrong_settings()),
    };
    match passed.map_err(Error::from).and_then(|passed| serve(settings, resolver, tls, passed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => failed(&cause, ExitCode::FAILURE),
    }
}

fn printed(written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => failed(&cause.into(), ExitCode::FAILURE),
    }
}

fn failed(cause: &Error, code: ExitCode) -> ExitCode {
    let listen = cause.downcast_ref::<ListenError>().and_then(ListenError::remedy);
    let remedy = listen.or_else(|| Some(cause.downcast_ref::<TlsError>()?.remedy()));
    error!(remedy, "{cause:#}");
    code
}

fn misconfigured(cause: ConfigError) -> ExitCode {
    let ConfigError::Invalid { problems, notes } = cause else {
        return failed(&cause.into(), wrong_settings());
    };
    notes.iter().for_each(|note| info!("{note}"));
    problems.iter().for_each(|problem| error!("{problem}"));
    wrong_settings()
}

fn serve(
    settings: Settings,
    resolver: adapter::Adapter,
    tls: Option<Arc<Tls>>,
    passed: Passed,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let served = runtime.block_on(async {
        let watch = |kind, name| signal(kind).with_context(|| format!("cannot watch {name}"));
        let mut terminate = watch(SignalKind::terminate(), "SIGTERM")?;
        let mut interrupt = watch(SignalKind::interrupt(), "SIGINT")?;
        let hangup = watch(SignalKind::hangup(), "SIGHUP")?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        info!(version = env!("CARGO_PKG_VERSION"), hosts = settings.hosts.len(), "starting");
        let front = front::listen(&settings.server, passed)?;
        if settings.hosts.is_empty() {
            warn!(remedy = "add [[hosts]] to the configuration", "no host is configured, so no token leads to a console");
        }
        tokio::select! {
            () = console_proxy::run(front.listeners, tls.clone(), settings.server, resolver, shutdown) => {}
            () = front::keep_up(tls, hangup) => {}
        }
        info!("stopped");
        Ok(())
    });
    // A libvirt call or a name lookup that hangs must not keep the program.
    runtime.shutdown_background();
    served
}

/// EX_USAGE of sysexits.h: starting it again will not help.
fn wrong_settings() -> ExitCode {
    ExitCode::from(64)
}
