//! The settings: whether they can be read, and what is wrong with them.

use std::io::ErrorKind;

use console_config::{ConfigError, Loaded, Note, Settings, Sources};
use permission_denied::Denied;

use crate::checks::{CONFIG_FILE, CONFIG_HOSTS, CONFIG_NOTES, CONFIG_USER, CONFIG_VALUES};
use crate::report::{Branch, Report};

/// Says with whose eyes the rest is looked at, which only the program knows; with what to do where these are not the service's.
pub fn who_looks(report: &Report, text: impl Into<String>, remedy: Option<String>) {
    let branch = report.section("Who looks");
    match remedy {
        None => branch.ok(CONFIG_USER, text),
        Some(remedy) => branch.warn(CONFIG_USER, text, remedy),
    }
}

/// The settings, if they make sense. Blocks for as long as a file takes.
pub(crate) fn load(branch: &Branch, sources: &Sources) -> Option<Settings> {
    match Settings::load(sources.clone()) {
        Ok(Loaded { settings, notes, .. }) => {
            branch.ok(CONFIG_FILE, file_told(sources));
            branch.ok(CONFIG_VALUES, "every key is known and every value allowed");
            tell(branch, notes.iter());
            hosts(branch, &settings);
            Some(settings)
        }
        Err(ConfigError::Invalid { problems, notes }) => {
            branch.ok(CONFIG_FILE, file_told(sources));
            for problem in &problems {
                let remedy = format!(
                    "correct {} in {}; webvirtmgr-console --print-config shows what holds then",
                    problem.key, problem.origin
                );
                branch.fail(CONFIG_VALUES, problem.to_string(), remedy);
            }
            tell(branch, notes.iter());
            None
        }
        Err(error) => {
            let (text, remedy) = unreadable(&error);
            branch.fail(CONFIG_FILE, text, remedy);
            None
        }
    }
}

fn file_told(sources: &Sources) -> String {
    let file = sources.file.display();
    if sources.file.exists() {
        file.to_string()
    } else {
        format!("{file} is not there: only environment, flags and the panel's settings count")
    }
}

/// What counts for nothing.
fn tell<'a>(branch: &Branch, notes: impl Iterator<Item = &'a Note>) {
    for note in notes {
        if note.is_usual() {
            branch.skip(CONFIG_NOTES, note.to_string());
            continue;
        }
        let remedy = "correct the name or the line, or remove it; a value can also stand in the configuration file or the environment";
        branch.warn(CONFIG_NOTES, note.to_string(), remedy);
    }
}

fn hosts(branch: &Branch, settings: &Settings) {
    match (settings.hosts.len(), &settings.database) {
        (0, None) => branch.fail(
            CONFIG_HOSTS,
            "no hypervisor is configured, so no token leads to a console",
            "set database_url to the panel's database (WS_DATABASE_URL=sqlite:///srv/webvirtcloud/db.sqlite3), or add [[hosts]] to the configuration",
        ),
        (count, None) => branch.ok(CONFIG_HOSTS, format!("{count} in the configuration")),
        (0, Some(database)) => branch.ok(CONFIG_HOSTS, format!("those of {}", database.url)),
        (count, Some(database)) => branch.ok(
            CONFIG_HOSTS,
            format!("{count} in the configuration, and those of {}", database.url),
        ),
    }
}

fn unreadable(error: &ConfigError) -> (String, String) {
    match error {
        ConfigError::Read { path, source } => {
            let text = format!("{error}: {source}");
            let remedy = match source.kind() {
                ErrorKind::PermissionDenied => match Denied::opening(path) {
                    Some(denied) => format!("{} # {denied}", denied.remedy(path)),
                    None => format!("let the service's user read {}", path.display()),
                },
                ErrorKind::NotFound => {
                    "correct the path, or leave --config away for the usual one".into()
                }
                _ => "see what the system says of it".into(),
            };
            (text, remedy)
        }
        ConfigError::TooLarge { .. } => {
            (error.to_string(), "name the configuration file, not something else".into())
        }
        _ => (
            error.to_string(),
            "write TOML there: docs/operations.md has an example of every setting".into(),
        ),
    }
}
