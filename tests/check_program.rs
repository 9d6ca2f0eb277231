//! `console-check` as a program: what people see while it runs and when they interrupt it, and its exit status.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use harness::{Result, check, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;
use crate::check_bench::Well;

/// Its exit status and what it printed.
fn run(mut command: Command) -> Result<(i32, String, String)> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_what_is_wrong_in_the_last_lines() -> Result<()> {
    let well = Well::start()?;
    let settings = well.settings().env("LC_ALL", "C.UTF-8");
    let (code, text, _) = run(settings.check_command(well.port(), &[])?)?;
    ensure!(code == 0 && !text.contains('\u{1b}'), "{text}");
    let guest = text.lines().find(|line| line.contains("well")).context("no guest")?;
    // A guest that is well has one line.
    ensure!(
        guest.trim().starts_with("✓ well  tcp 127.0.0.1:") && guest.contains("RFB 003.008"),
        "{guest}"
    );
    let last = text.lines().last().context("no lines")?;
    ensure!(last.starts_with("✓ ") && last.ends_with(" well, 0 warnings, 0 broken"), "{last}");

    let broken = settings.clone().setting("public_host = \"console.invalid\"");
    let (code, text, _) = run(broken.check_command(well.port(), &[])?)?;
    let end: Vec<&str> = text.lines().rev().take(2).collect();
    ensure!(code == 1 && end[1].starts_with("✗ ") && end[1].contains("(public.name)"), "{text}");
    ensure!(end[0].trim().starts_with("→ "), "{text}");
    let mut ascii = broken.env("LC_ALL", "C").check_command(well.port(), &[])?;
    ascii.env("LC_ALL", "C");
    let (_, text, _) = run(ascii)?;
    ensure!(text.is_ascii() && text.contains("x public.name"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_interrupts_it_learns_what_is_known() -> Result<()> {
    let mut well = Well::start()?;
    let port = well.port();
    let settings = well.settings().env("LC_ALL", "C.UTF-8");
    well.bed.libvirtd_mut().pause()?;
    let interrupted = |args: &[&str], sign: Signal| -> Result<(i32, String)> {
        let mut command = settings.check_command(port, &[&["--timeout", "600"], args].concat())?;
        let before = well.proxy.log().matches("4400").count();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("no output")?);
        let mut text = String::new();
        // This section is shown when it is done; behind it are the hypervisors.
        while !args.contains(&"--json") && !text.contains("browser.tls") {
            ensure!(out.read_line(&mut text)? > 0, "{text}");
        }
        if args.contains(&"--json") {
            // It has asked the proxy by then, which logs that.
            let asked = || (well.proxy.log().matches("4400").count() > before).then_some(());
            wait::until("console-check to open a WebSocket", PATIENCE, || Ok(asked()))?;
        }
        let pid = Pid::from_raw(i32::try_from(child.id())?).context("no pid")?;
        kill_process(pid, sign)?;
        out.read_to_string(&mut text)?;
        let status = wait::until("console-check to end", PATIENCE, || Ok(child.try_wait()?))?;
        Ok((status.code().unwrap_or(-1), text))
    };
    let told = interrupted(&[], Signal::INT);
    let json = interrupted(&["--json"], Signal::TERM);
    well.bed.libvirtd_mut().resume()?;
    let (code, text) = told?;
    ensure!(code == 130 && text.contains("Interrupted: this is what is known so far."), "{text}");
    ensure!(text.contains("Host 1 (bed): asking libvirt on bed, for"), "{text}");
    let (code, text) = json?;
    let report: serde_json::Value = serde_json::from_str(&text)?;
    ensure!(code == 130 && report["complete"] == false, "{text}");
    ensure!(report["counts"]["ok"].as_u64() > Some(3), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_there_is_colour_and_what_runs() -> Result<()> {
    let mut well = Well::start()?;
    let settings = well.settings().env("LC_ALL", "C.UTF-8");
    let command = settings.check_command(well.port(), &["--timeout", "3"])?;
    let quoted =
        |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"));
    let line: Vec<String> =
        [command.get_program()].into_iter().chain(command.get_args()).map(quoted).collect();
    let on_a_terminal = |line: &str| {
        let mut script = Command::new("script");
        script.args(["-qefc", line, "/dev/null"]).env_remove("NO_COLOR");
        script.env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
        run(script)
    };
    well.bed.libvirtd_mut().pause()?;
    let shown = on_a_terminal(&line.join(" "));
    well.bed.libvirtd_mut().resume()?;
    let (code, text, errors) = shown?;
    ensure!(code == 1 && text.contains("\u{1b}[31m✗\u{1b}[0m"), "{code} {text} {errors}");
    ensure!(text.contains("\r\u{1b}[K… Host 1 (bed): asking libvirt on bed (1 s)"), "{text:?}");
    let (_, text, _) = on_a_terminal(&format!("NO_COLOR=1 {}", line.join(" ")))?;
    ensure!(!text.contains("\u{1b}[3"), "{text:?}");
    Ok(())
}

#[test]
fn wrong_use_is_told_apart() -> Result<()> {
    let program = check::build()?;
    for (args, words) in [
        (&["--timeout", "0"][..], "0.1 to 600"),
        (&["--connection", "ssh"], "--xml"),
        (&["--xml", "/nonexistent.xml"], "/nonexistent.xml cannot be read: No such file"),
        (&["url"], "<URL>"),
        (&["--nonsense"], "--nonsense"),
    ] {
        let mut command = Command::new(&program);
        command.args(args);
        let (code, out, errors) = run(command)?;
        ensure!(code == 2 && errors.contains(words) && out.is_empty(), "{args:?}: {code} {errors}");
    }
    let mut list = Command::new(&program);
    list.arg("--list");
    let (code, text, _) = run(list)?;
    ensure!(code == 0 && text.lines().count() > 60 && text.starts_with("config.user "), "{text}");
    Ok(())
}
