//! A client configuration reduced to the options that count here, each with the conditions that it stands under.
//!
//! The parser refuses values of options that matter to nobody here, knows no `Match`, would take a `Match` block's options for those of the
//! `Host` above, lets the last of a block's values count, and gives an included file's blocks to every host.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest configuration that is read, in bytes, its included files counted.
pub const MAX_SSH_CONFIG_SIZE: usize = 1024 * 1024;

/// An option that counts for the hosts that all of its conditions fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Patterns as behind `Host`, the outermost first: that of the block, and those of the blocks that include its file.
    pub(crate) scopes: Vec<String>,
    /// In lower case.
    pub(crate) keyword: String,
    /// The whole line.
    pub(crate) line: String,
}

/// The entries of the file at `path`; relative includes are those of `~/.ssh`, or of `/etc/ssh` for a file there.
pub(crate) fn read(path: &Path, home: &Path) -> io::Result<Vec<Entry>> {
    let system = Path::new("/etc/ssh");
    let folder = if path.starts_with(system) { system.to_owned() } else { home.join(".ssh") };
    let entries = Vec::new();
    let mut reduced = Reduced { home, folder, entries, left: MAX_SSH_CONFIG_SIZE };
    reduced.add(path, &[], 0)?;
    Ok(reduced.entries)
}

struct Reduced<'a> {
    home: &'a Path,
    folder: PathBuf,
    entries: Vec<Entry>,
    left: usize,
}

impl Reduced<'_> {
    fn add(&mut self, path: &Path, outer: &[String], depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("it includes itself, or too many levels of files"));
        }
        let mut text = String::new();
        let limit = u64::try_from(self.left).unwrap_or(u64::MAX).saturating_add(1);
        File::open(path)?.take(limit).read_to_string(&mut text)?;
        self.left = self.left.checked_sub(text.len()).ok_or_else(|| {
            io::Error::other(format!("it is larger than {MAX_SSH_CONFIG_SIZE} bytes"))
        })?;
        let scopes = |block: String| [outer, &[block]].concat();
        let mut here = scopes("*".to_owned());
        for line in text.lines() {
            let words = line.split(|c: char| c.is_whitespace() || c == '=');
            let mut words =
                words.map(|word| word.trim_matches('"')).filter(|word| !word.is_empty());
            let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
            let arguments: Vec<&str> = words.take_while(|word| !word.starts_with('#')).collect();
            let line = match keyword.as_str() {
                "include" => {
                    for pattern in arguments {
                        self.include(pattern, &here, depth)?;
                    }
                    continue;
                }
                "match" => {
                    here = scopes(matching(&arguments));
                    continue;
                }
                "host" => {
                    here = scopes(arguments.join(" "));
                    continue;
                }
                "port" if arguments.iter().any(|port| port.parse::<u16>().is_err()) => continue,
                "port" => format!("Port {}", arguments.join(" ")),
                "connecttimeout" => match arguments.first().and_then(|time| seconds(time)) {
                    Some(seconds) => format!("ConnectTimeout {seconds}"),
                    None => continue,
                },
                "hostname"
                | "user"
                | "identityfile"
                | "identitiesonly"
                | "identityagent"
                | "userknownhostsfile"
                | "globalknownhostsfile"
                | "revokedhostkeys"
                | "hostkeyalias"
                | "stricthostkeychecking"
                | "proxyjump"
                | "proxycommand" => line.to_owned(),
                _ => continue,
            };
            self.entries.push(Entry { scopes: here.clone(), keyword, line });
        }
        Ok(())
    }

    /// Files that a pattern does not find are no error (ssh_config(5), Include).
    fn include(&mut self, pattern: &str, scopes: &[String], depth: usize) -> io::Result<()> {
        let pattern = match pattern.strip_prefix("~/") {
            Some(inside) => self.home.join(inside),
            None => self.folder.join(pattern),
        };
        let files = glob::glob(&pattern.to_string_lossy()).map_err(io::Error::other)?;
        for file in files.filter_map(Result::ok).filter(|file| file.is_file()) {
            self.add(&file, scopes, depth + 1)?;
        }
        Ok(())
    }
}

/// `90`, `90s`, `1m30s` (sshd_config(5), TIME FORMATS); none and 0 mean no time-out.
fn seconds(time: &str) -> Option<u64> {
    let (mut total, mut number) = (0_u64, None::<u64>);
    for one in time.chars() {
        if let Some(digit) = one.to_digit(10) {
            let so_far = number.unwrap_or(0).checked_mul(10)?;
            number = Some(so_far.checked_add(u64::from(digit))?);
            continue;
        }
        let unit = match one.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    Some(total.checked_add(number.unwrap_or(0))?).filter(|seconds| *seconds > 0)
}

/// The `Host` patterns for a `Match`: of its criteria, `all` and `originalhost` alone are understood, and a block with others counts for no
/// host.
fn matching(criteria: &[&str]) -> String {
    match criteria {
        [all] if all.eq_ignore_ascii_case("all") => "*".to_owned(),
        [host, patterns] if host.eq_ignore_ascii_case("originalhost") => {
            patterns.trim_matches('"').replace(',', " ")
        }
        _ => NO_HOST.to_owned(),
    }
}

/// As deep as ssh goes (readconf.c, READCONF_MAX_DEPTH).
const MAX_DEPTH: usize = 16;

/// No host is called so.
const NO_HOST: &str = "match.invalid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_ssh_does() {
        for (time, expected) in [
            ("10", Some(10)),
            ("10s", Some(10)),
            ("1m30", Some(90)),
            ("1H", Some(3600)),
            ("none", None),
            ("0", None),
            ("99999999999999999999", None),
            ("m", None),
            ("", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }
}
