//! The `webvirtmgr-console` program: settings, logging, signals, and the parts put together.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Error, Result};
use console_config::Settings;
use console_inventory::InventoryError;
use console_listen::Passed;
use console_proxy::Tls;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::cli::{CommandLine, Task};
use crate::failure::{FAILURE, WRONG_SETTINGS, failed, misconfigured, printed};

mod adapter;
mod cli;
mod failure;
mod front;
mod generate;
mod log;
mod service;
mod url;

fn main() {
    let code = run();
    // exit(3) frees what OpenSSL and libvirt need while their threads still work: it would crash.
    signal_hook::low_level::exit(code.into())
}

fn run() -> u8 {
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
        Err(cause) => return failed(&cause, WRONG_SETTINGS),
    };
    match passed.map_err(Error::from).and_then(|passed| serve(settings, resolver, tls, passed)) {
        Ok(()) => 0,
        Err(cause) if cause.is::<InventoryError>() => failed(&cause, WRONG_SETTINGS),
        Err(cause) => failed(&cause, FAILURE),
    }
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
        let limit = settings.server.shutdown_timeout;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            service::stopping(limit);
        };
        info!(version = env!("CARGO_PKG_VERSION"), hosts = settings.hosts.len(), "starting");
        let mut shutdown = std::pin::pin!(shutdown);
        let is_checked = tokio::select! {
            checked = resolver.check() => checked?,
            () = &mut shutdown => return Ok(()),
        };
        let front = front::listen(&settings.server, passed)?;
        service::ready(&front.status);
        let resolver = Arc::new(resolver);
        let opener = console_assembly::opener(&settings.server);
        let served = console_proxy::run(
            front.listeners,
            tls.clone(),
            adapter::bounds(settings),
            opener,
            resolver.clone(),
            shutdown,
        );
        tokio::select! {
            () = served => {}
            () = front::keep_up(tls, hangup) => {}
            () = service::keep_alive() => {}
            () = resolver.keep_checking(is_checked) => {}
        }
        info!("stopped");
        Ok(())
    });
    // A libvirt call or a name lookup that hangs must not keep the program.
    runtime.shutdown_background();
    served
}
