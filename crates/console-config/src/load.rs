//! From the sources to checked settings.

use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use crate::check::Check;
use crate::error::ConfigError;
use crate::hosts::HostSettings;
use crate::raw::Raw;
use crate::server::ServerSettings;

/// Read when no other file is named; it may be absent.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/webvirtmgr-console/config.toml";

/// Where settings come from, weakest first; below all of them are the defaults.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The TOML file.
    pub file: PathBuf,
    /// Whether it must exist: a person has named it.
    pub file_required: bool,
    /// The environment's names and values; all but `WS_HOST`, `WS_PORT` and `WS_PUBLIC_HOST` are passed over.
    pub environment: Vec<(String, String)>,
    /// The command line's flags.
    pub flags: Flags,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            file: DEFAULT_CONFIG_FILE.into(),
            file_required: false,
            environment: Vec::new(),
            flags: Flags::default(),
        }
    }
}

/// The command line's flags, as they were written.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `-H`.
    pub host: Option<String>,
    /// `-p`.
    pub port: Option<String>,
}

/// All settings, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The server's own.
    pub server: ServerSettings,
    /// The hypervisors.
    pub hosts: Vec<HostSettings>,
}

impl Settings {
    /// Merges and checks the sources.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: a file that cannot be read or parsed, an unknown key or a wrong type (the first one), or values out of range (all of
    /// them).
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let figment = merge(sources)?;
        let raw: Raw = figment.extract()?;
        let mut check = Check { figment: &figment, problems: Vec::new() };
        let settings = check.settings(raw);
        match check.problems.is_empty() {
            true => Ok(settings),
            false => Err(ConfigError::new(check.problems)),
        }
    }
}

fn merge(sources: Sources) -> Result<Figment, ConfigError> {
    let mut figment = Figment::new();
    if let Some(data) = read(&sources.file, sources.file_required)? {
        figment = figment.merge(Named { name: sources.file.display().to_string(), data });
    }
    for (key, variable) in VARIABLES {
        // A variable may be set to nothing to unset it.
        let found = sources.environment.iter().rev().find(|(name, _)| name == variable);
        if let Some((_, value)) = found.filter(|(_, value)| !value.is_empty()) {
            figment =
                figment.merge(Named::one(format!("environment variable {variable}"), key, value));
        }
    }
    for (key, flag, value) in
        [("host", "-H", sources.flags.host), ("port", "-p", sources.flags.port)]
    {
        if let Some(value) = value {
            figment = figment.merge(Named::one(format!("flag {flag}"), key, &value));
        }
    }
    Ok(figment)
}

fn read(file: &Path, required: bool) -> Result<Option<Dict>, ConfigError> {
    let fault = |text: String| ConfigError::new(vec![format!("{}: {text}", file.display())]);
    match std::fs::read_to_string(file) {
        Ok(text) => Toml::from_str(&text).map(Some).map_err(|error| fault(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => Ok(None),
        Err(error) => Err(fault(format!("cannot be read: {error}"))),
    }
}

/// A source under the name that errors show.
struct Named {
    name: String,
    data: Dict,
}

impl Named {
    /// A single value that was written as text; the port is a number where it looks like one.
    fn one(name: String, key: &str, text: &str) -> Self {
        let number = text.parse::<i64>().ok().filter(|_| key == "port");
        let value = number.map_or_else(|| Value::from(text), Value::from);
        Self { name, data: Dict::from([(key.to_owned(), value)]) }
    }
}

impl Provider for Named {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.data.clone())]))
    }
}

const VARIABLES: [(&str, &str); 3] =
    [("host", "WS_HOST"), ("port", "WS_PORT"), ("public_host", "WS_PUBLIC_HOST")];
