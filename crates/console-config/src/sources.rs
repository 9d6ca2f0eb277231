//! Where settings come from, and how strong each source is.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use crate::django::{self, Note};
use crate::keys::{KEYS, Key};
use crate::layer::{FLAG, Layer, Source};
use crate::{ConfigError, Problem};

/// The configuration file where nobody names another.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/webvirtmgr-console/config.toml";

/// The largest configuration file, in bytes: 1 MiB holds some ten thousand hosts.
pub const MAX_FILE_SIZE: usize = crate::MIB;

/// Where settings come from, weakest first. Below all of them are the defaults and the application's Django settings, which the key
/// `django_settings` of any source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The TOML file. Default [`DEFAULT_CONFIG_FILE`].
    pub file: PathBuf,
    /// Whether it must be there: a person has named it. Default no.
    pub file_required: bool,
    /// The environment's names and values. Only those of [`KEYS`] are looked at; an empty one counts as not set.
    pub environment: Vec<(String, String)>,
    /// The command line's flags.
    pub flags: Vec<Flag>,
}

/// One of the command line's flags, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The key that it sets, one of [`KEYS`].
    pub key: &'static str,
    /// Its value; `true` for a switch.
    pub value: String,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            file: DEFAULT_CONFIG_FILE.into(),
            file_required: false,
            environment: Vec::new(),
            flags: Vec::new(),
        }
    }
}

impl Sources {
    /// All sources laid over each other, with what there is to say about them. Each value remembers its source's name.
    pub(crate) fn merged(self) -> Result<(Figment, Vec<Note>), ConfigError> {
        let mut layers: Vec<Layer> = Vec::new();
        layers.extend(file(&self.file, self.file_required)?);
        for key in KEYS {
            let name = key.variable();
            let found = self.environment.iter().rfind(|(other, _)| *other == name);
            if let Some((_, text)) = found.filter(|(_, text)| !text.is_empty()) {
                layers.push(Layer::text(
                    Source::Environment,
                    format!("environment variable {name}"),
                    key,
                    text,
                ));
            }
        }
        for Flag { key, value } in &self.flags {
            if let Some(key) = Key::named(key) {
                let flag = key.flag_text().unwrap_or_default();
                layers.push(Layer::text(Source::Flags, format!("{FLAG}{flag}"), key, value));
            }
        }
        let mut notes: Vec<Note> =
            self.environment.iter().filter_map(|(name, _)| misspelled(name)).collect();
        if let Some(path) = django_settings(&layers)? {
            let (layer, found) = django::read(&path)?;
            layers.insert(0, layer);
            notes.extend(found);
        }
        exclude_each_other(&mut layers);
        let merged = layers.into_iter().fold(Figment::new(), Figment::merge);
        Ok((merged, notes))
    }
}

/// A variable that is nearly one of ours. Others that begin with `WS_` may be anybody's.
fn misspelled(name: &str) -> Option<Note> {
    if !name.starts_with("WS_") || KEYS.iter().any(|key| key.variable() == name) {
        return None;
    }
    let meant = meant_variable(name)?;
    let shown = crate::reader::shown(name);
    Some(Note::new(format!(
        "environment variable {shown} counts for nothing; did you mean {meant}?"
    )))
}

/// The variable of ours that is nearly called so.
pub(crate) fn meant_variable(name: &str) -> Option<String> {
    let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    crate::reader::nearest(name, &known).map(str::to_owned)
}

/// The strongest source's word for where the application's settings are.
fn django_settings(layers: &[Layer]) -> Result<Option<PathBuf>, ConfigError> {
    let key = "django_settings";
    let found = layers.iter().rev().find_map(|layer| Some((layer, layer.values.get(key)?)));
    let Some((layer, value)) = found else { return Ok(None) };
    let path = crate::paths::absolute_rule()(value);
    path.map(Some).map_err(|what| {
        let what = format!("{key} is {what}");
        let problem = Problem { origin: layer.origin.clone(), key: key.into(), what };
        ConfigError::Invalid { problems: vec![problem], notes: Vec::new() }
    })
}

/// `listen` says all that `host` and `port` say: a source that has one of both hides the other of the weaker ones.
fn exclude_each_other(layers: &mut [Layer]) {
    let strongest = |keys: &[&str]| {
        let having =
            layers.iter().filter(|layer| keys.iter().any(|key| layer.values.contains_key(*key)));
        having.map(|layer| layer.source).max()
    };
    let (listen, place) = (strongest(&["listen"]), strongest(&["host", "port"]));
    for layer in layers {
        if Some(layer.source) < listen {
            layer.values.remove("host");
            layer.values.remove("port");
        }
        if Some(layer.source) < place {
            layer.values.remove("listen");
        }
    }
}

/// The file's layer; none where the file is missing and may be.
fn file(path: &Path, required: bool) -> Result<Option<Layer>, ConfigError> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(ConfigError::Read { source, .. })
            if source.kind() == ErrorKind::NotFound && !required =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        syntax(path, &String::from_utf8_lossy(valid), valid.len(), "this is not UTF-8")
    })?;
    let values: Dict = Toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        syntax(path, &text, at, error.message())
    })?;
    let origin = path.display().to_string();
    // A flag would hide it, and all hosts with it.
    let hosts = values.get("host").and_then(Value::as_array).unwrap_or_default();
    if hosts.iter().any(|entry| entry.as_dict().is_some()) {
        let what = "[[host]] is no table of this file; did you mean [[hosts]]?".to_owned();
        let problem = Problem { origin, key: "host".into(), what };
        return Err(ConfigError::Invalid { problems: vec![problem], notes: Vec::new() });
    }
    Ok(Some(Layer { origin, source: Source::File, values }))
}

/// The content of a file of bounded size.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Ok(length) if length > MAX_FILE_SIZE => {
            Err(ConfigError::TooLarge { path: path.to_owned() })
        }
        Ok(_) => Ok(bytes),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    }
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
