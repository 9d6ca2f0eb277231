//! Hints about this machine's packet filter, out of its configuration: the rules themselves are root's to see, and asking for them takes programs.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use console_config::{ListenAddress, ServerSettings};

use crate::checks::SYSTEM_FIREWALL;
use crate::report::Branch;

/// Looks below `etc`, which is `/etc`, at what ufw, firewalld and nftables are told about the ports that browsers connect to. Blocks.
pub(crate) fn examine(branch: &Branch, etc: &Path, settings: &ServerSettings) {
    let mut ports: Vec<u16> = settings
        .listen
        .iter()
        .filter_map(|listen| match &listen.address {
            ListenAddress::Tcp { host, port } if !is_loopback(host) => Some(*port),
            _ => None,
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    let Some(filter) = Filter::find(etc) else {
        branch.ok(
            SYSTEM_FIREWALL,
            "neither ufw nor firewalld nor nftables is configured to filter here",
        );
        return;
    };
    if ports.is_empty() {
        branch
            .ok(SYSTEM_FIREWALL, "it listens on loopback only, which no packet filter is between");
    }
    for port in ports {
        let (name, command) = (filter.name(), filter.command(port));
        match filter.lets_pass(port) {
            Some(true) => branch.ok(SYSTEM_FIREWALL, format!("{name} lets port {port} pass")),
            Some(false) => branch.warn(
                SYSTEM_FIREWALL,
                format!("{name} is configured to filter, and says nothing of port {port}"),
                format!("{command}, unless a reverse proxy on this machine is the only client"),
            ),
            None => branch.ok(
                SYSTEM_FIREWALL,
                format!("{name} is active, and its rules are not for this user to read or not in /etc; if browsers cannot connect: {command}"),
            ),
        }
    }
}

/// Which one, and what it is told; nothing where that cannot be read.
enum Filter {
    Ufw(Option<String>),
    Firewalld(Option<Vec<String>>),
    Nftables(String),
}

impl Filter {
    /// The first that is switched on.
    fn find(etc: &Path) -> Option<Self> {
        let ufw = read(&etc.join("ufw/ufw.conf")).unwrap_or_default();
        if ufw.lines().any(|line| line.trim() == "ENABLED=yes") {
            let rules = ["ufw/user.rules", "ufw/user6.rules"].map(|file| read(&etc.join(file)));
            let rules: Vec<String> = rules.into_iter().flatten().collect();
            return Some(Self::Ufw((!rules.is_empty()).then(|| rules.concat())));
        }
        if is_enabled(etc, "firewalld") {
            // A zone without a file here is as the package has it, and a folder may be root's.
            let zones = fs::read_dir(etc.join("firewalld/zones")).ok();
            let texts: Option<Vec<String>> = zones.map(|zones| {
                let zones = zones.flatten().take(MAX_ZONES);
                zones.filter_map(|zone| read(&zone.path())).collect()
            });
            return Some(Self::Firewalld(texts.filter(|texts| !texts.is_empty())));
        }
        let rules = read(&etc.join("nftables.conf")).filter(|_| is_enabled(etc, "nftables"))?;
        let drops = |line: &str| line.contains("hook input") && line.contains("policy drop");
        rules.lines().any(drops).then_some(Self::Nftables(rules))
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Ufw(_) => "ufw",
            Self::Firewalld(_) => "firewalld",
            Self::Nftables(_) => "nftables",
        }
    }

    fn command(&self, port: u16) -> String {
        match self {
            Self::Ufw(_) => format!("ufw allow {port}/tcp"),
            Self::Firewalld(_) => {
                format!("firewall-cmd --permanent --add-port={port}/tcp && firewall-cmd --reload")
            }
            Self::Nftables(_) => {
                format!(
                    "add tcp dport {port} accept to its input chain in /etc/nftables.conf, and systemctl reload nftables"
                )
            }
        }
    }

    /// Whether a rule names the port; nothing where the rules cannot be read.
    fn lets_pass(&self, port: u16) -> Option<bool> {
        match self {
            Self::Ufw(None) => None,
            Self::Ufw(Some(rules)) => Some(rules.lines().any(|line| ufw_opens(line, port))),
            Self::Firewalld(zones) => {
                // A service's ports are in another file.
                let opens = |zone: &String| {
                    let mut ports = zone.split("port=\"").skip(1);
                    zone.contains("target=\"ACCEPT\"")
                        || ports
                            .any(|rest| has(rest.split('"').next().unwrap_or_default(), '-', port))
                };
                Some(zones.as_ref()?.iter().any(opens))
            }
            Self::Nftables(rules) => {
                let is_rule = |line: &&str| line.contains("dport") && line.contains("accept");
                let mut words = rules
                    .lines()
                    .filter(is_rule)
                    .flat_map(|line| line.split(|c: char| !c.is_ascii_digit() && c != '-'));
                Some(words.any(|word| has(word, '-', port)))
            }
        }
    }
}

/// systemd's links of what is enabled.
fn is_enabled(etc: &Path, unit: &str) -> bool {
    let wanted = ["sysinit", "multi-user", "basic"]
        .map(|target| etc.join(format!("systemd/system/{target}.target.wants/{unit}.service")));
    wanted.iter().any(|link| fs::symlink_metadata(link).is_ok())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `-A ufw-user-input -p tcp --dport 6080 -j ACCEPT`, also with ranges and lists of ports.
fn ufw_opens(line: &str, port: u16) -> bool {
    if !line.starts_with("-A ") || !line.contains("-j ACCEPT") || line.contains("-p udp") {
        return false;
    }
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        if matches!(word, "--dport" | "--dports") {
            return words.next().unwrap_or_default().split(',').any(|one| has(one, ':', port));
        }
    }
    // No port at all: everything from somewhere.
    line.contains("-s ") || line.contains("-i ")
}

/// `6080` or `6000:6100`.
fn has(ports: &str, to: char, port: u16) -> bool {
    let bound = |text: &str| text.parse::<u16>().ok();
    match ports.split_once(to) {
        Some((first, last)) => {
            bound(first).is_some_and(|first| first <= port)
                && bound(last).is_some_and(|last| port <= last)
        }
        None => bound(ports) == Some(port),
    }
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_RULES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The most zones of firewalld, and bytes of a file, that are looked at.
const MAX_ZONES: usize = 64;
const MAX_RULES: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Report, Status};

    #[test]
    fn rules_that_open_a_port() {
        for (line, expected) in [
            ("-A ufw-user-input -p tcp --dport 6080 -j ACCEPT", true),
            ("-A ufw-user-input -p tcp -m multiport --dports 80,6000:6100 -j ACCEPT", true),
            ("-A ufw-user-input -p tcp -m multiport --dports 80,443 -j ACCEPT", false),
            ("-A ufw-user-input -p udp --dport 6080 -j ACCEPT", false),
            ("-A ufw-user-input -p tcp --dport 6080 -j DROP", false),
            ("-A ufw-user-input -s 192.0.2.0/24 -j ACCEPT", true),
            ("### tuple ### allow tcp 6080", false),
        ] {
            assert_eq!(ufw_opens(line, 6080), expected, "{line}");
        }
    }

    #[test]
    fn what_each_filter_is_told() {
        let ufw = ("ufw/ufw.conf", "ENABLED=yes\n");
        let rule = "-A ufw-user-input -p tcp --dport 6080 -j ACCEPT\n";
        let link = |unit: &str| format!("systemd/system/multi-user.target.wants/{unit}.service");
        let (nft, firewalld) = (link("nftables"), link("firewalld"));
        let chain = "chain input { type filter hook input priority 0; policy drop;\n";
        let open = format!("{chain}tcp dport {{ 22, 6000-6100 }} accept\n");
        for (files, status, words) in [
            (&[][..], Status::Ok, "neither"),
            (&[("ufw/ufw.conf", "ENABLED=no")], Status::Ok, "neither"),
            (&[ufw], Status::Ok, "ufw allow 6080/tcp"),
            (&[ufw, ("ufw/user.rules", "")], Status::Warning, "says nothing of port 6080"),
            (&[ufw, ("ufw/user.rules", rule)], Status::Ok, "lets port 6080 pass"),
            (&[(&firewalld, "")], Status::Ok, "not for this user to read or not in /etc"),
            (
                &[(&firewalld, ""), ("firewalld/zones/public.xml", "<zone/>")],
                Status::Warning,
                "firewalld",
            ),
            (
                &[(&firewalld, ""), ("firewalld/zones/p.xml", "<port port=\"6000-6100\"/>")],
                Status::Ok,
                "lets port 6080 pass",
            ),
            (
                &[(&firewalld, ""), ("firewalld/zones/public.xml", "<port port=\"6080\"/>")],
                Status::Ok,
                "lets port 6080 pass",
            ),
            (&[("nftables.conf", chain)], Status::Ok, "neither"),
            (&[(&nft, ""), ("nftables.conf", chain)], Status::Warning, "nftables"),
            (&[(&nft, ""), ("nftables.conf", &open)], Status::Ok, "lets port 6080 pass"),
        ] {
            let etc = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = etc.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let report = Report::default();
            examine(&report.section("x"), etc.path(), &ServerSettings::default());
            let sections = report.sections();
            let found = sections[0].all()[0];
            let said = format!("{} {}", found.text, found.remedy.clone().unwrap_or_default());
            assert!(found.status == status && said.contains(words), "{files:?}: {said}");
        }
    }
}
