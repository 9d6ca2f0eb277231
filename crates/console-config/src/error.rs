//! What is wrong with the settings.

use std::fmt;

use figment::error::{Error as FigmentError, Kind};

/// What is wrong with the settings: one line for each fault, with source, key, what was found, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    pub(crate) const fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// The faults, one by one.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl From<FigmentError> for ConfigError {
    fn from(errors: FigmentError) -> Self {
        Self::new(errors.into_iter().map(|error| describe(&error)).collect())
    }
}

fn describe(error: &FigmentError) -> String {
    let source = error.metadata.as_ref().map(|metadata| metadata.name.as_ref());
    let key = key(&error.path);
    let problem = match &error.kind {
        Kind::UnknownField(found, known) => {
            let whole = match key.is_empty() {
                true => found.clone(),
                false if key.ends_with(found.as_str()) => key,
                false => format!("{key}.{found}"),
            };
            let likely = known.iter().min_by_key(|known| distance(found, known));
            let hint = match likely.filter(|known| distance(found, known) <= 3) {
                Some(likely) => format!("did you mean {likely}?"),
                None => format!("known are {}", known.join(", ")),
            };
            format!("there is no key {}, {hint}", shorten(&whole))
        }
        Kind::MissingField(field) => match key.is_empty() {
            true => format!("{field} is missing"),
            false => format!("{key}.{field} is missing"),
        },
        Kind::InvalidType(found, expected) => {
            let expected = match expected.as_str() {
                "i64" => "a whole number",
                "f64" => "a number",
                other => other,
            };
            format!("{key} is {}, allowed is {expected}", shorten(&found.to_string()))
        }
        other => format!("{key} {other}").trim().to_owned(),
    };
    match source {
        Some(source) => format!("{source}: {problem}"),
        None => problem,
    }
}

/// `hosts[0].id`, as a person counts TOML's arrays.
fn key(path: &[String]) -> String {
    let mut key = String::new();
    for part in path {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            key.push_str(&format!("[{part}]"));
        } else {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(part);
        }
    }
    key
}

/// At most 60 characters of what was found.
pub(crate) fn shorten(found: &str) -> String {
    match found.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", found.get(..end).unwrap_or_default()),
        None => found.to_owned(),
    }
}

/// Edits from one word to another (Levenshtein), for "did you mean".
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().take(60).enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (b, cell) in right.bytes().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            previous = replaced.min(previous + 1).min(diagonal + 1);
            *cell = previous;
        }
    }
    row.last().copied().unwrap_or_default()
}
