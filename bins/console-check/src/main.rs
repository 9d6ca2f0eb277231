//! The `console-check` program: the command line, whose eyes to look with, and showing what is found.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use anyhow::{Context, Result};
use console_diagnosis::{CHECKS, Check, Options, Report, Status, console, everything, url, xml};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{CommandLine, Task};
use crate::output::Output;

mod acting;
mod cli;
mod command;
mod domain_file;
mod eyes;
mod generate;
mod output;
mod port;
mod process;
mod seen;
mod told;
mod unit;
mod whose;

fn main() {
    let code = match run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell if that fails.
            let _ = writeln!(io::stderr(), "console-check: {error:#}");
            WRONG_USE
        }
    };
    // exit(3) frees what OpenSSL and libvirt need while their threads still work: it would crash.
    signal_hook::low_level::exit(code)
}

fn run() -> Result<i32> {
    let line = CommandLine::parse();
    match &line.task {
        Task::List => return printed(listed()).map(|()| WELL),
        Task::Generate(kind) => {
            return printed(generate::write(kind, &mut io::stdout())).map(|()| WELL);
        }
        _ => {}
    }
    // Before a thread is started, for it may become another user and run this program anew.
    let acting = acting::find(&line)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let code = runtime.block_on(check(&line, acting));
    // A libvirt call or a name lookup that hangs must not keep the program.
    runtime.shutdown_background();
    code
}

async fn check(line: &CommandLine, acting: acting::Acting) -> Result<i32> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    let report = Report::default();
    let user = acting.told(&report);
    let options = Options {
        holders: acting.holders,
        proxy_pid: acting.pid,
        open_files: acting.open_files,
        timeout: line.timeout,
        is_slow: line.is_slow,
        all_domains: line.all,
        ..Options::new(acting.sources, acting.user)
    };
    let output = Output::new(line, user);
    // It is dropped after the end has been told: what it is at is in the report until then.
    let mut working = Box::pin(work(&report, &options, &line.task));
    let is_complete = tokio::select! {
        done = &mut working => done.map(|()| true)?,
        never = output.follow(&report) => match never {},
        _ = interrupt.recv() => false,
        _ = terminate.recv() => false,
    };
    printed(output.finish(&report, is_complete))?;
    let sections = report.sections();
    let has = |status| {
        sections.iter().any(|section| section.all().iter().any(|one| one.status == status))
    };
    Ok(match (has(Status::Error), has(Status::Warning)) {
        (true, _) => BROKEN,
        _ if !is_complete => INTERRUPTED,
        (_, true) if line.is_strict => WARNINGS,
        _ => WELL,
    })
}

async fn work(report: &Report, options: &Options, task: &Task) -> Result<()> {
    match task {
        Task::Everything => Box::pin(everything(report, options)).await,
        Task::Console(token) => console(report, options, token).await,
        Task::Url(text) => url(report, options, text).await,
        Task::Xml(file, connection) => {
            let file = file.clone();
            // Nobody may write into standard input for ever.
            let reading = tokio::task::spawn_blocking(move || domain_file::read(&file));
            xml(report, &reading.await.context("cannot read the domain's XML")??, connection);
        }
        Task::List | Task::Generate(_) => {}
    }
    Ok(())
}

fn listed() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for check in CHECKS {
        writeln!(out, "{:width$} {}", check.id, check.what, width = Check::LONGEST)?;
    }
    Ok(())
}

/// Who has read enough (`| head`) need not be told.
fn printed(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot print"),
    }
}

/// Exit codes, as `--help` lists them.
const WELL: i32 = 0;
const BROKEN: i32 = 1;
const WRONG_USE: i32 = 2;
const WARNINGS: i32 = 3;
/// 128 and SIGINT's number, as shells have it.
const INTERRUPTED: i32 = 130;
