//! The application's own settings: the `WS_…` of WebVirtMgr's or WebVirtCloud's settings.py, read without running Python.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use django_settings::Literal;
use figment::value::{Dict, Value};

use crate::ConfigError;
use crate::keys::{KEYS, Key, Kind};
use crate::layer::{Layer, Source, value};

/// Something in a source that counts for nothing here, and is nobody's fault. `Display` is one line: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    is_usual: bool,
}

impl Note {
    pub(crate) const fn new(text: String) -> Self {
        Self { text, is_usual: false }
    }

    /// Whether the panels' own settings files have it, so that most people cannot do anything about it: a star import.
    pub const fn is_usual(&self) -> bool {
        self.is_usual
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads the file. Its values are one layer; what is no literal or no setting of ours becomes a note.
pub(crate) fn read(path: &Path) -> Result<(Layer, Vec<Note>), ConfigError> {
    // Python files may be in any encoding; the names and values that count here are ASCII in nearly all of them.
    let bytes = crate::sources::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let found = django_settings::read(&text, |name| name.starts_with(PREFIX));
    let note =
        |line: usize, what: String| (line, Note::new(format!("{}:{line}: {what}", path.display())));
    let mut notes = Vec::new();
    let (mut before, mut lines) = (found.assignments.iter().peekable(), HashMap::new());
    for skipped in &found.skipped {
        while let Some(one) = before.next_if(|one| one.line <= skipped.line) {
            lines.insert(one.name.as_str(), one.line);
        }
        let stays = lines.get(skipped.name.as_str());
        let stays = stays.map(|line| format!(", and line {line} holds")).unwrap_or_default();
        notes.push(note(skipped.line, format!("{skipped}; the line is passed over{stays}")));
    }
    let mut values = Dict::new();
    for assignment in found.assignments {
        let key = KEYS.iter().find(|key| key.variable() == assignment.name);
        let Some(key) = key.filter(|key| key.name != "django_settings") else {
            let hint = crate::sources::meant_variable(&assignment.name);
            let hint = hint.filter(|meant| *meant != assignment.name);
            let hint = hint.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            let what = format!("{} is no setting of this program{hint}", assignment.name);
            notes.push(note(assignment.line, what));
            continue;
        };
        match literal(key, assignment.value) {
            Some(value) => _ = values.insert(key.name.to_owned(), value),
            // As Django's own template has it: not set.
            None => _ = values.remove(key.name),
        }
    }
    notes.extend(found.star_imports.iter().map(|import| {
        let module = &import.module;
        let (line, note) = note(
            import.line,
            format!(
                "{module} is not read; if it sets WS_ names, name its file in django_settings instead"
            ),
        );
        (line, Note { is_usual: true, ..note })
    }));
    notes.sort_by_key(|(line, _)| *line);
    let notes = notes.into_iter().map(|(_, note)| note).collect();
    let origin = path.display().to_string();
    Ok((Layer { origin, source: Source::Django, values }, notes))
}

/// A value as figment has it; none for Python's `None` and for an empty text, which mean that nothing is set.
fn literal(key: &Key, found: Literal) -> Option<Value> {
    match found {
        Literal::None => None,
        Literal::Str(text) if text.is_empty() => None,
        Literal::Str(text) => Some(value(key.kind, &text)),
        Literal::Bool(value) => Some(value.into()),
        Literal::Int(number) if key.kind == Kind::Switch && (0..=1).contains(&number) => {
            Some((number == 1).into())
        }
        Literal::Int(number) => Some(number.into()),
        Literal::Float(number) => Some(number.into()),
        Literal::List(entries) => {
            let entries = entries.into_iter().filter_map(|entry| match entry {
                Literal::Str(text) => Some(Value::from(text)),
                other => literal(key, other),
            });
            Some(entries.collect::<Vec<_>>().into())
        }
    }
}

/// What the names of our settings begin with in the application's.
const PREFIX: &str = "WS_";
