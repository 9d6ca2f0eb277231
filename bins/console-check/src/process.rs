//! The running service, or the unit that does not run: who it is, and what it was told.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use procfs::process::Process;
use serde::Deserialize;
use serde_json::Value;

/// Where the service's settings come from, besides files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) flags: Vec<String>,
}

/// A process of the proxy's.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) told: Told,
}

/// What systemd says of the unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) pid: Option<u32>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) groups: Vec<String>,
    /// Whether systemd makes the user when it starts the service.
    pub(crate) is_dynamic: bool,
    /// What it would be told; systemd alone reads an `EnvironmentFile=`.
    pub(crate) told: Option<Told>,
}

impl Service {
    /// What /proc tells of it, which for another user's process it tells root only.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        let status = process.status().ok()?;
        let environment = process.environ().ok()?.into_iter().collect();
        let flags = process.cmdline().ok()?.into_iter().skip(1).collect();
        Some(Self {
            uid: status.euid,
            gid: status.egid,
            groups: status.groups,
            told: Told { environment, flags },
        })
    }
}

impl Unit {
    /// Asks systemd, if this machine has it.
    pub(crate) fn find() -> Self {
        if !Path::new("/run/systemd/system").is_dir() {
            return Self::default();
        }
        let properties = "--property=MainPID,User,Group,SupplementaryGroups,DynamicUser,LoadState";
        let said = ask("systemctl", &["show", properties, "webvirtmgr-console.service"]);
        let mut unit = Self::read(&said);
        if unit.user.is_some() && unit.pid.is_none() {
            let [service, object] = BUS;
            let interface = format!("{service}.Service");
            let asked = ["--json=short", "get-property", service, object, &interface];
            unit.told = told(&ask("busctl", &[&asked[..], &["ExecStart", "Environment"]].concat()));
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
            told: None,
        }
    }
}

/// What the program writes; nothing if it is not there.
fn ask(program: &str, args: &[&str]) -> String {
    let asked =
        Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output();
    asked.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Reads the two properties, each in a line (org.freedesktop.systemd1(5)); `systemctl show` writes them ambiguously.
fn told(text: &str) -> Option<Told> {
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
    })
}

#[derive(Deserialize)]
struct Property {
    data: Value,
}

/// systemd, and its name of the unit.
const BUS: [&str; 2] =
    ["org.freedesktop.systemd1", "/org/freedesktop/systemd1/unit/webvirtmgr_2dconsole_2eservice"];

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn what_a_unit_that_does_not_run_would_be_told() {
        let lines = concat!(
            r#"{"type":"a(sasbttttuii)","data":[["/bin/x",["/bin/x","-p","1 2"],false,0,0,0,0,0,0,0]]}"#,
            "\n",
            r#"{"type":"as","data":["WS_PORT=6090","WS_X=a \"b\"=c"]}"#,
            "\n"
        );
        let told = told(lines).unwrap();
        assert_eq!(told.flags, ["-p", "1 2"]);
        let expected = [("WS_PORT", "6090"), ("WS_X", "a \"b\"=c")];
        assert_eq!(told.environment, expected.map(|(name, value)| (name.into(), value.into())));
        for wrong in ["", "x\n", "{}\n{}\n"] {
            assert_eq!(super::told(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_process_is_who_it_is() {
        let own = Service::of(std::process::id()).unwrap();
        assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(own.told.flags, std::env::args().skip(1).collect::<Vec<_>>());
        assert!(Service::of(u32::MAX).is_none());
    }
}
