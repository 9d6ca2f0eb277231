//! Reads one table: every key by its rule, and everything that breaks one written down.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use figment::Figment;
use figment::value::{Dict, Tag, Value};

use crate::Problem;
use crate::keys::{KEYS, Key};
use crate::layer::FLAG;

/// One table of the merged sources. What is read from it once counts as known; [`Reader::finish`] refuses the rest.
pub(crate) struct Reader<'a> {
    sources: &'a Figment,
    table: &'a Dict,
    /// Where the table itself comes from.
    tag: Tag,
    /// The table's own key with a dot, or nothing.
    prefix: String,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        sources: &'a Figment,
        table: &'a Dict,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self { sources, table, tag: Tag::Default, prefix: String::new(), known: vec![], problems }
    }

    /// The value at `key`, if it is there and its rule takes it.
    pub(crate) fn optional<T>(&mut self, key: &'static str, rule: &Rule<'_, T>) -> Option<T> {
        self.known.push(key);
        let value = self.table.get(key)?;
        rule(value).map_err(|what| self.refuse(key, |key| format!("{key} is {what}"))).ok()
    }

    /// The same for a key that has to be there.
    pub(crate) fn required<T>(&mut self, key: &'static str, rule: &Rule<'_, T>) -> Option<T> {
        if !self.table.contains_key(key) {
            self.refuse(key, |key| format!("{key} is missing"));
        }
        self.optional(key, rule)
    }

    /// Puts the value at `key` into `slot`, which keeps its default otherwise.
    pub(crate) fn set<T>(&mut self, key: &'static str, slot: &mut T, rule: &Rule<'_, T>) {
        if let Some(value) = self.optional(key, rule) {
            *slot = value;
        }
    }

    /// Reads every table of the array of tables at `key`.
    pub(crate) fn tables<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(&mut Reader<'_>) -> Option<T>,
    ) -> Vec<T> {
        let allowed = format!("tables, each under a line [[{key}]]");
        let no_table: Rule<'_, T> =
            Box::new(|value| Err(format!("{}, allowed is a table", found(value))));
        self.list(key, &allowed, &no_table, read)
    }

    /// Reads every entry of the array at `key`: tables by `read`, everything else by `rule`.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        rule: &Rule<'_, T>,
        mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
    ) -> Vec<T> {
        let entries = self.optional(key, &array(allowed)).unwrap_or_default();
        let mut taken = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{}{key}[{index}]", self.prefix);
            let Value::Dict(tag, table) = entry else {
                match rule(entry) {
                    Ok(value) => taken.push(value),
                    Err(what) => {
                        let what = format!("{path} is {what}");
                        let origin = self.origin(entry.tag());
                        self.problems.push(Problem { origin, key: path, what });
                    }
                }
                continue;
            };
            let mut reader = Reader {
                sources: self.sources,
                table,
                tag: *tag,
                prefix: path + ".",
                known: vec![],
                problems: &mut *self.problems,
            };
            taken.extend(read(&mut reader));
            reader.finish();
        }
        taken
    }

    /// Reads every entry of the array at `key` by `rule`; a single one may stand without brackets.
    pub(crate) fn texts<T>(&mut self, key: &'static str, rule: &Rule<'_, T>) -> Vec<T> {
        self.known.push(key);
        let entries = match self.table.get(key) {
            None => return Vec::new(),
            Some(Value::Array(_, entries)) => entries.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        let mut taken = Vec::new();
        for entry in entries {
            match rule(entry) {
                Ok(value) => taken.push(value),
                Err(what) => self.refuse(key, |key| format!("{key} has {what}")),
            }
        }
        taken
    }

    /// Writes down what was found at `key` and what is wrong with that.
    pub(crate) fn reject(&mut self, key: &str, what: &str) {
        let found = match self.table.get(key) {
            Some(Value::String(_, text)) => shown(text),
            Some(value) => found(value),
            None => "missing".to_owned(),
        };
        self.refuse(key, |key| format!("{key} is {found}, {what}"));
    }

    /// Writes down what is wrong with `key`, which `what` gets in full.
    pub(crate) fn refuse(&mut self, key: &str, what: impl FnOnce(&str) -> String) {
        let tag = self.table.get(key).map_or(self.tag, Value::tag);
        let key = format!("{}{}", self.prefix, shown(key));
        let what = what(&key);
        self.problems.push(Problem { origin: self.origin(tag), key, what });
    }

    /// Whether the value at `key` was given on the command line.
    pub(crate) fn is_flag(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| self.origin(value.tag()).starts_with(FLAG))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// How many problems there are so far.
    pub(crate) fn complaints(&self) -> usize {
        self.problems.len()
    }

    pub(crate) fn is_faultless(&self) -> bool {
        self.problems.is_empty()
    }

    /// Refuses every key that was not asked for.
    pub(crate) fn finish(mut self) {
        let mut known = std::mem::take(&mut self.known);
        if self.prefix.is_empty() {
            // In the order of the documentation.
            let place = |name: &&str| KEYS.iter().position(|key| key.name == *name);
            known.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
        }
        let table = self.table;
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint = match meant(key, &known) {
                // In TOML everything behind a table's head belongs to that table.
                _ if self.prefix.starts_with("hosts[") && Key::named(key).is_some() => {
                    "write it above the first [[hosts]], for it is not one host's".to_owned()
                }
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("known are {}", known.join(", ")),
            };
            self.refuse(key, |key| format!("there is no key {key}, {hint}"));
        }
    }

    fn origin(&self, tag: Tag) -> String {
        self.sources.get_metadata(tag).map_or_else(String::new, |source| source.name.to_string())
    }
}

/// Takes a value, or says what it is and what is allowed in its place: `<found>, allowed is …`.
pub(crate) type Rule<'a, T> = Box<dyn Fn(&Value) -> Result<T, String> + 'a>;

/// A string that `parse` takes.
pub(crate) fn text<'a, T>(allowed: &'a str, parse: impl Fn(&str) -> Option<T> + 'a) -> Rule<'a, T> {
    Box::new(move |value| {
        let text =
            value.as_str().ok_or_else(|| format!("{}, allowed is {allowed}", found(value)))?;
        parse(text).ok_or_else(|| format!("{}, allowed is {allowed}", shown(text)))
    })
}

/// A whole number within `range`.
pub(crate) fn whole<T>(range: RangeInclusive<T>) -> Rule<'static, T>
where
    T: TryFrom<u128> + PartialOrd + Display + 'static,
{
    Box::new(move |value| {
        let (found, start, end) = (found(value), range.start(), range.end());
        let number = value
            .to_num()
            .filter(|number| number.to_f64().is_none())
            .ok_or_else(|| format!("{found}, allowed is a whole number, {start} to {end}"))?;
        number
            .to_u128_lossy()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("{found}, allowed is {start} to {end}"))
    })
}

/// A time in seconds, whole or with a fraction.
pub(crate) fn seconds(range: RangeInclusive<f64>) -> Rule<'static, Duration> {
    Box::new(move |value| {
        let (found, start, end) = (found(value), range.start(), range.end());
        let number = value
            .to_num()
            .ok_or_else(|| format!("{found}, allowed is a number, {start} to {end} seconds"))?;
        let whole = number.to_u128_lossy().and_then(|number| u32::try_from(number).ok());
        whole
            .map(f64::from)
            .or_else(|| number.to_f64())
            // Infinity and NaN are not in the range.
            .filter(|seconds| range.contains(seconds))
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| format!("{found}, allowed is {start} to {end} seconds"))
    })
}

fn array(allowed: &str) -> Rule<'_, Vec<Value>> {
    Box::new(move |value| {
        let entries = value.as_array().map(<[Value]>::to_vec);
        entries.ok_or_else(|| format!("{}, allowed are {allowed}", found(value)))
    })
}

/// Yes or no.
pub(crate) fn switch() -> Rule<'static, bool> {
    Box::new(|value| {
        value.to_bool().ok_or_else(|| format!("{}, allowed is true or false", found(value)))
    })
}

/// A value as a message shows it, with its type where that is not plain to see.
pub(crate) fn found(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("string {:?}", cut(text)),
        Value::Char(_, one) => format!("string {:?}", one.to_string()),
        Value::Bool(_, value) => value.to_string(),
        Value::Num(_, number) => match (number.to_i128(), number.to_u128(), number.to_f64()) {
            (Some(number), _, _) => number.to_string(),
            (_, Some(number), _) => number.to_string(),
            (_, _, number) => format!("{:?}", number.unwrap_or(f64::NAN)),
        },
        Value::Empty(..) => "nothing".to_owned(),
        Value::Dict(..) => "a table".to_owned(),
        Value::Array(..) => "an array".to_owned(),
    }
}

/// A text as a message shows it: as it is if that cannot be misread, else in quotes, so that it stays on its line.
pub(crate) fn shown(text: &str) -> String {
    let plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if plain { cut(text) } else { format!("{:?}", cut(text)) }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The known key that is spelled most like `key`, if one is close enough for a slip; the environment's names count, too.
fn meant<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let key = key.strip_prefix("ws_").unwrap_or(&key);
    nearest(key, known)
}

/// The known name that is spelled most like this one, if one is close enough for a slip.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > MAX_SHOWN {
        return None;
    }
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    let nearest = known.iter().copied().min_by_key(distance)?;
    (distance(&nearest) <= nearest.len().div_ceil(4)).then_some(nearest)
}

/// The most characters of a value or key that a message repeats.
const MAX_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["host", "port", "max_sessions", "hosts", "client_timeout"];
        for (key, expected) in [
            ("prot", Some("port")),
            ("WS_PORT", Some("port")),
            ("Host", Some("host")),
            ("hostss", Some("hosts")),
            ("max-sessions", Some("max_sessions")),
            ("maxsession", Some("max_sessions")),
            ("client_timeuot", Some("client_timeout")),
            ("certificate", None),
            ("x", None),
        ] {
            assert_eq!(meant(key, &known), expected, "{key}");
        }
    }
}
