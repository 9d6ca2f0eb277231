//! One source for figment, known by its name.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use crate::keys::{Key, Kind};

/// What one source says.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) origin: String,
    pub(crate) source: Source,
    pub(crate) values: Dict,
}

/// The kinds of sources, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Django,
    File,
    Environment,
    Flags,
}

/// What the origin of a command line's value begins with.
pub(crate) const FLAG: &str = "flag ";

impl Layer {
    /// A single value that was written as text.
    pub(crate) fn text(source: Source, origin: String, key: &Key, text: &str) -> Self {
        Self { origin, source, values: Dict::from([(key.name.to_owned(), value(key.kind, text))]) }
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

/// The text as its key means it; a text that is none of that stays one, to be refused by the key's rule.
pub(crate) fn value(kind: Kind, text: &str) -> Value {
    let trimmed = text.trim();
    let read = match kind {
        Kind::Text => None,
        Kind::Number => trimmed
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| trimmed.parse::<f64>().map(Value::from))
            .ok(),
        Kind::Switch => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(Value::from(true)),
            "false" | "no" | "off" | "0" => Some(Value::from(false)),
            _ => None,
        },
        Kind::List => {
            let parts = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::from(parts.map(Value::from).collect::<Vec<_>>()))
        }
    };
    read.unwrap_or_else(|| Value::from(text))
}
