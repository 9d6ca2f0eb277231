//! What systemd says of the unit, whether it runs or not.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::told::Told;

/// What systemd says of the unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) pid: Option<u32>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) groups: Vec<String>,
    /// Whether systemd makes the user when it starts the service.
    pub(crate) is_dynamic: bool,
    /// How many files it may have open.
    pub(crate) open_files: Option<u64>,
    /// Below which it sees other files than everybody else, or none.
    pub(crate) hidden: Vec<&'static str>,
    /// What it would be told; systemd alone reads an `EnvironmentFile=`.
    pub(crate) told: Option<Told>,
    /// Where it runs, if that is somewhere else than `/`.
    pub(crate) directory: Option<PathBuf>,
}

impl Unit {
    /// Asks systemd, if this machine has it.
    pub(crate) fn find() -> Self {
        if !Path::new("/run/systemd/system").is_dir() {
            return Self::default();
        }
        let properties = format!("--property={PROPERTIES}");
        let said = ask("systemctl", &["show", &properties, "webvirtmgr-console.service"], ANSWER);
        let mut unit = Self::read(&said);
        if unit.user.is_some() && unit.pid.is_none() {
            let [service, object] = BUS;
            let interface = format!("{service}.Service");
            let asked = ["--json=short", "get-property", service, object, &interface];
            let said = ask("busctl", &[&asked[..], &["ExecStart", "Environment"]].concat(), ANSWER);
            unit.told = told(&said, unit.directory.as_deref().unwrap_or_else(|| Path::new("/")));
        }
        unit
    }

    fn read(text: &str) -> Self {
        let value =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        if value("LoadState") != Some("loaded") {
            return Self::default();
        }
        let pid = value("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0);
        // Without User= the service is root's.
        let user = value("User").map(|user| if user.is_empty() { "root" } else { user });
        let groups = value("SupplementaryGroups").unwrap_or_default();
        Self {
            pid,
            user: user.map(str::to_owned),
            group: value("Group").filter(|group| !group.is_empty()).map(str::to_owned),
            groups: groups.split_whitespace().map(str::to_owned).collect(),
            is_dynamic: value("DynamicUser") == Some("yes"),
            open_files: match value("LimitNOFILESoft") {
                Some("infinity") => Some(u64::MAX),
                limit => limit.and_then(|limit| limit.parse().ok()),
            },
            // With a "!" where it need not be there, or "~".
            directory: value("WorkingDirectory")
                .map(|it| PathBuf::from(it.trim_start_matches('!')))
                .filter(|it| it.is_absolute()),
            hidden: [
                (value("ProtectHome"), &["yes", "tmpfs"][..], HOMES),
                (value("PrivateTmp"), &["yes", "disconnected"], TEMPORARY),
            ]
            .into_iter()
            .filter(|(value, hiding, _)| value.is_some_and(|value| hiding.contains(&value)))
            .flat_map(|(_, _, folders)| folders)
            .copied()
            .collect(),
            told: None,
        }
    }
}

/// What the program writes in time; nothing if it is not there.
fn ask(program: &str, args: &[&str], bound: Duration) -> String {
    let mut asking = Command::new(program);
    asking.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = asking.spawn() else { return String::new() };
    let (tell, told) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read until then tells nothing.
            if out.take(MAX_ANSWER).read_to_end(&mut bytes).is_ok() {
                let _ = tell.send(bytes);
            }
        });
    }
    let answer = told.recv_timeout(bound).unwrap_or_default();
    // It has ended, or must.
    let _ = child.kill();
    let _ = child.wait();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads the two properties, each in a line (org.freedesktop.systemd1(5)); `systemctl show` writes them ambiguously.
fn told(text: &str, directory: &Path) -> Option<Told> {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Property>(line).ok());
    // Of each command its path, its arguments from the zeroth on, and more.
    let flags = lines.next()??.data.get(0)?.get(1)?.as_array()?.clone();
    let environment = lines.next()??.data.as_array()?.clone();
    let text = |value: Value| value.as_str().map(str::to_owned);
    let pair = |entry: String| {
        entry.split_once('=').map(|(name, value)| (name.to_owned().into(), value.to_owned().into()))
    };
    Some(Told {
        environment: environment.into_iter().filter_map(text).filter_map(pair).collect(),
        flags: flags.into_iter().skip(1).filter_map(text).collect(),
        directory: directory.to_owned(),
    })
}

#[derive(Deserialize)]
struct Property {
    data: Value,
}

/// systemd, and its name of the unit.
const BUS: [&str; 2] =
    ["org.freedesktop.systemd1", "/org/freedesktop/systemd1/unit/webvirtmgr_2dconsole_2eservice"];

const PROPERTIES: &str = "MainPID,User,Group,SupplementaryGroups,DynamicUser,LoadState,LimitNOFILESoft,WorkingDirectory,ProtectHome,PrivateTmp";

/// systemd.exec(5), `ProtectHome=`.
const HOMES: &[&str] = &["/home", "/root", "/run/user"];

/// systemd.exec(5), `PrivateTmp=`.
const TEMPORARY: &[&str] = &["/tmp", "/var/tmp"];

/// A system manager that answers at all does so at once.
const ANSWER: Duration = Duration::from_secs(5);

/// A unit's properties, environment included, are a few kilobytes.
const MAX_ANSWER: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        assert_eq!(ask("echo", &["it"], ANSWER), "it\n");
        assert_eq!(ask("/nonexistent", &[], ANSWER), "");
        let before = Instant::now();
        assert_eq!(ask("sleep", &["600"], Duration::from_millis(50)), "");
        assert!(before.elapsed() < Duration::from_secs(300), "{:?}", before.elapsed());
    }

    #[test]
    fn systemds_words() {
        let unit = Unit::read("MainPID=812\nUser=www-data\nLoadState=loaded\n");
        let user = Some("www-data".into());
        assert_eq!(unit, Unit { pid: Some(812), user, ..Unit::default() });
        let stopped = Unit::read("MainPID=0\nUser=\nLoadState=loaded\n");
        assert_eq!(stopped, Unit { user: Some("root".into()), ..Unit::default() });
        let groups =
            "User=x\nGroup=y\nSupplementaryGroups=a b\nDynamicUser=yes\nLoadState=loaded\n";
        let unit = Unit::read(groups);
        assert_eq!((unit.group, unit.is_dynamic), (Some("y".into()), true));
        assert_eq!(unit.groups, ["a", "b"]);
        assert_eq!(Unit::read("MainPID=0\nUser=\nLoadState=not-found\n"), Unit::default());
        let sandbox = "LimitNOFILESoft=1024\nWorkingDirectory=!/srv\nProtectHome=read-only\nPrivateTmp=yes\nLoadState=loaded\n";
        let unit = Unit::read(sandbox);
        assert_eq!((unit.open_files, unit.directory), (Some(1024), Some("/srv".into())));
        assert_eq!(unit.hidden, TEMPORARY);
        let unit = Unit::read("LimitNOFILESoft=infinity\nProtectHome=tmpfs\nLoadState=loaded\n");
        assert_eq!((unit.open_files, &*unit.hidden), (Some(u64::MAX), HOMES));
    }

    #[test]
    fn what_a_unit_that_does_not_run_would_be_told() {
        let lines = concat!(
            r#"{"type":"a(sasbttttuii)","data":[["/bin/x",["/bin/x","-p","1 2"],false,0,0,0,0,0,0,0]]}"#,
            "\n",
            r#"{"type":"as","data":["WS_PORT=6090","WS_X=a \"b\"=c"]}"#,
            "\n"
        );
        let told = told(lines, Path::new("/srv")).unwrap();
        assert_eq!(
            (&*told.flags, &*told.directory),
            (&["-p", "1 2"].map(str::to_owned)[..], Path::new("/srv"))
        );
        let expected = [("WS_PORT", "6090"), ("WS_X", "a \"b\"=c")];
        assert_eq!(told.environment, expected.map(|(name, value)| (name.into(), value.into())));
        for wrong in ["", "x\n", "{}\n{}\n"] {
            assert_eq!(super::told(wrong, Path::new("/")), None, "{wrong}");
        }
    }
}
