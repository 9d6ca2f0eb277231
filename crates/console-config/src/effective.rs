//! What holds, and where it comes from.

use std::fmt::{self, Write as _};

use database_url::DatabaseUrl;
use figment::Figment;
use figment::value::{Dict, Tag, Value};

use crate::keys::KEYS;

/// Every setting with its value and its source, secrets masked. `Display` is a TOML file that means the same, but for the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    settings: Vec<Line>,
    hosts: Vec<Vec<Line>>,
}

/// `key = value  # origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    key: String,
    /// TOML; none where the key has no value.
    value: Option<String>,
    origin: String,
}

impl Effective {
    pub(crate) fn of(sources: &Figment, table: &Dict) -> Self {
        let origin = |tag: Tag| {
            sources.get_metadata(tag).map_or_else(String::new, |source| source.name.to_string())
        };
        let line = |key: &str, value: &Value| Line {
            key: key.to_owned(),
            value: Some(match (key, value) {
                ("password", _) => MASKED.to_owned(),
                ("database_url", Value::String(_, url)) => string(&DatabaseUrl::masked(url)),
                _ => toml(value),
            }),
            origin: origin(value.tag()),
        };
        // Where `listen` is set, host and port mean nothing.
        let has_listen = table.contains_key("listen");
        let settings = KEYS
            .iter()
            .filter(|key| !(has_listen && matches!(key.name, "host" | "port")))
            .map(|key| match table.get(key.name) {
                Some(value) => line(key.name, value),
                None => Line {
                    key: key.name.to_owned(),
                    value: Some(key.default).filter(|text| !text.is_empty()).map(str::to_owned),
                    origin: "default".to_owned(),
                },
            })
            .collect();
        let hosts = table.get("hosts").and_then(Value::as_array).unwrap_or_default();
        let hosts = hosts
            .iter()
            .filter_map(Value::as_dict)
            .map(|host| host.iter().map(|(key, value)| line(key, value)).collect())
            .collect();
        Self { settings, hosts }
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(f, &self.settings)?;
        for host in &self.hosts {
            f.write_str("\n[[hosts]]\n")?;
            lines(f, host)?;
        }
        Ok(())
    }
}

fn lines(f: &mut fmt::Formatter<'_>, lines: &[Line]) -> fmt::Result {
    for Line { key, value, origin } in lines {
        match value {
            Some(value) => writeln!(f, "{key} = {value}  # {origin}")?,
            None => writeln!(f, "# {key} is not set")?,
        }
    }
    Ok(())
}

/// A value as TOML has it.
fn toml(value: &Value) -> String {
    match value {
        Value::String(_, text) => string(text),
        Value::Char(_, one) => string(&one.to_string()),
        Value::Bool(_, value) => value.to_string(),
        Value::Num(_, number) => match (number.to_i128(), number.to_u128(), number.to_f64()) {
            (Some(number), _, _) => number.to_string(),
            (_, Some(number), _) => number.to_string(),
            (_, _, number) => format!("{:?}", number.unwrap_or(f64::NAN)),
        },
        Value::Empty(..) => string(""),
        Value::Array(_, entries) => {
            format!("[{}]", entries.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Dict(_, table) => {
            let entries: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A TOML basic string (TOML 1.0, "String").
fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for one in text.chars() {
        match one {
            '"' | '\\' => quoted.extend(['\\', one]),
            // Writing to a string cannot fail.
            one if one.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(one))),
            one => quoted.push(one),
        }
    }
    quoted.push('"');
    quoted
}

const MASKED: &str = "\"***\"";
