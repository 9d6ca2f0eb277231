//! Where settings come from, and how strong each source is.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use crate::ConfigError;

/// The configuration file where nobody names another.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/webvirtmgr-console/config.toml";

/// The largest configuration file, in bytes: 1 MiB holds some ten thousand hosts.
pub const MAX_FILE_SIZE: usize = crate::MIB;

/// Where settings come from, weakest first; below all of them are the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The TOML file. Default [`DEFAULT_CONFIG_FILE`].
    pub file: PathBuf,
    /// Whether it must be there: a person has named it. Default no.
    pub file_required: bool,
    /// The environment's names and values. Only `WS_HOST`, `WS_PORT` and `WS_PUBLIC_HOST` are looked at; an empty one counts as not
    /// set.
    pub environment: Vec<(String, String)>,
    /// The command line's flags.
    pub flags: Flags,
}

/// The command line's flags, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-H`.
    pub host: Option<String>,
    /// `-p`.
    pub port: Option<String>,
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

impl Sources {
    /// All sources laid over each other. Each value remembers its source's name.
    pub(crate) fn merged(self) -> Result<Figment, ConfigError> {
        let mut merged = Figment::new();
        if let Some(layer) = file(&self.file, self.file_required)? {
            merged = merged.merge(layer);
        }
        for (name, key) in VARIABLES {
            let found = self.environment.iter().rfind(|(other, _)| other == name);
            if let Some((_, text)) = found.filter(|(_, text)| !text.is_empty()) {
                merged =
                    merged.merge(Layer::one(format!("environment variable {name}"), key, text));
            }
        }
        for (name, key, text) in [("-H", "host", self.flags.host), ("-p", "port", self.flags.port)]
        {
            if let Some(text) = text {
                merged = merged.merge(Layer::one(format!("flag {name}"), key, &text));
            }
        }
        Ok(merged)
    }
}

/// The file's layer; none where the file is missing and may be.
fn file(path: &Path, required: bool) -> Result<Option<Layer>, ConfigError> {
    let mut text = String::new();
    let limit = u64::try_from(MAX_FILE_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    match File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text)) {
        Ok(length) if length > MAX_FILE_SIZE => {
            return Err(ConfigError::TooLarge { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound && !required => return Ok(None),
        Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
    }
    let values = Toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        syntax(path, &text, at, error.message())
    })?;
    Ok(Some(Layer { origin: path.display().to_string(), values }))
}

fn syntax(path: &Path, text: &str, at: usize, message: &str) -> ConfigError {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    ConfigError::Syntax {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
        message: message.replace('\n', ", "),
    }
}

/// One source for figment, known by its name.
struct Layer {
    origin: String,
    values: Dict,
}

impl Layer {
    /// A single value that was written as text; the port is a number where it looks like one.
    fn one(origin: String, key: &str, text: &str) -> Self {
        let number = text.parse::<i64>().ok().filter(|_| key == "port");
        let value = number.map_or_else(|| Value::from(text), Value::from);
        Self { origin, values: Dict::from([(key.to_owned(), value)]) }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The environment's names, which are those of the Python script's settings, and their keys.
const VARIABLES: [(&str, &str); 3] =
    [("WS_HOST", "host"), ("WS_PORT", "port"), ("WS_PUBLIC_HOST", "public_host")];
