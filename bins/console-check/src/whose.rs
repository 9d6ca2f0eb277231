//! With whose eyes is looked, and at whose settings; and what is said of that.

use serde::{Deserialize, Serialize};

/// Whose eyes, and whose settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Whose {
    pub(crate) how: How,
    /// The proxy's process.
    pub(crate) pid: Option<u32>,
    pub(crate) settings: Whence,
    /// Processes of the proxy's whose settings these are not.
    pub(crate) others: Others,
    /// Files of the settings that the service does not see.
    pub(crate) hidden: Vec<String>,
}

/// How it was found out whose eyes count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// `--user`.
    Asked,
    /// The running service's.
    Service,
    /// The unit's; it does not run.
    Unit,
    /// The unit's, which is made when it starts.
    Dynamic,
    /// Nobody knows the service.
    Unknown,
    /// We are not root, and see what we may.
    Ourselves,
    /// It does not matter for what is asked.
    Anybody,
}

/// Whose settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Whence {
    /// The usual file's, our environment's, our flags'.
    Ours,
    /// The service's.
    Theirs,
    /// The service's, and flags of ours over them.
    Both,
}

/// Processes of the proxy's that were found and not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Others {
    None,
    /// Its files are others than ours.
    Apart(u32),
    /// Nobody knows which is meant.
    Several(Vec<u32>),
}

impl Whose {
    /// With nothing known but that.
    pub(crate) const fn new(how: How) -> Self {
        Self { how, pid: None, settings: Whence::Ours, others: Others::None, hidden: Vec::new() }
    }

    /// What to say of it where this user looks, and what to do if all that follows may be worth nothing; nothing where it does not matter.
    pub(crate) fn told(&self, name: &str) -> Option<(String, Option<String>)> {
        let process = self.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        let who = match self.how {
            How::Anybody => return None,
            How::Asked => format!("{name}, as --user says"),
            How::Service => format!("{name}, the user of the running service{process}"),
            How::Unit => {
                format!("{name}, the user of webvirtmgr-console.service, which does not run")
            }
            How::Dynamic => format!(
                "{name}: webvirtmgr-console.service has DynamicUser=yes, so its user is there only while it runs"
            ),
            How::Unknown => match self.others {
                Others::None => format!("{name}: no service of webvirtmgr-console was found here"),
                _ => name.to_owned(),
            },
            How::Ourselves => format!("{name}: only root can look with the service's eyes"),
        };
        let mut text = format!("{who}, {}", self.settings());
        let mut remedy = self.remedy();
        match &self.others {
            Others::None => {}
            Others::Apart(pid) => text.push_str(&format!(
                "; process {pid} runs in a container or with a mount namespace of its own, so its settings and files are not looked at"
            )),
            Others::Several(pids) => {
                let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
                let pids = pids.join(", ");
                text.push_str(&format!(
                    "; several webvirtmgr-console run, and none was taken (processes {pids})"
                ));
            }
        }
        if !self.hidden.is_empty() {
            text.push_str(&format!(
                "; webvirtmgr-console.service has ProtectHome= or PrivateTmp= and does not see {}",
                self.hidden.join(", ")
            ));
            let move_it = "move what is named to another folder, such as /etc/webvirtmgr-console";
            remedy.get_or_insert_with(|| move_it.to_owned());
        }
        Some((text, remedy))
    }

    fn settings(&self) -> &'static str {
        let is_its = matches!(self.how, How::Service | How::Unit);
        match (self.settings, is_its) {
            (Whence::Ours, _) => "with the settings given here",
            (Whence::Theirs, true) => "with its own settings",
            (Whence::Theirs, false) => "with the service's own settings",
            (Whence::Both, true) => "with its own settings, and those given here over them",
            (Whence::Both, false) => "with the service's settings, and those given here over them",
        }
    }

    fn remedy(&self) -> Option<String> {
        match (&self.others, &self.how) {
            (Others::Apart(_), _) => Some(
                "run console-check in there (docker exec …), or name its settings with --config".into(),
            ),
            (Others::Several(_), _) => Some(
                "name the port of the one that is meant (console-check -p PORT), or its settings with --config".into(),
            ),
            (_, How::Dynamic) => Some(
                "systemctl start webvirtmgr-console, and run it again; or --user NAME".into(),
            ),
            (_, How::Unknown) => Some(
                "start the service, and run it again; or look with another user's eyes: sudo console-check --user NAME".into(),
            ),
            (_, How::Ourselves) => Some("sudo console-check".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_worth_nothing_is_a_warning() {
        let told = |whose: &Whose| whose.told("u").unwrap();
        let mut whose =
            Whose { settings: Whence::Theirs, pid: Some(7), ..Whose::new(How::Service) };
        let text = "u, the user of the running service (process 7), with its own settings";
        assert_eq!(told(&whose), (text.to_owned(), None));
        whose.hidden.push("/tmp/c.pem".into());
        let (text, remedy) = told(&whose);
        assert!(text.ends_with("does not see /tmp/c.pem") && remedy.is_some(), "{text}");
        for how in [How::Unknown, How::Ourselves, How::Dynamic] {
            let (text, remedy) = told(&Whose::new(how));
            assert!(text.ends_with(", with the settings given here") && remedy.is_some(), "{text}");
        }
        for how in [How::Asked, How::Unit] {
            assert_eq!(told(&Whose::new(how)).1, None);
        }
        let others = Others::Several(vec![3, 5]);
        let (text, remedy) = told(&Whose { others, ..Whose::new(How::Asked) });
        assert!(text.contains("3, 5") && remedy.unwrap().contains("-p PORT"), "{text}");
        let others = Others::Apart(9);
        let (text, remedy) = told(&Whose { others, ..Whose::new(How::Unknown) });
        assert!(text.contains("process 9") && remedy.unwrap().contains("docker exec"), "{text}");
        assert_eq!(Whose::new(How::Anybody).told("u"), None);
    }
}
