//! Absolute paths: a service's working folder is nobody's to know.

use std::path::{Path, PathBuf};

use figment::value::Value;

use crate::reader::{Rule, text};

/// An absolute path.
pub(crate) fn absolute(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text)).filter(|path| path.is_absolute() && !text.contains('\0'))
}

/// The rule for one; of a relative path it says which absolute one it would mean here.
pub(crate) fn absolute_rule() -> Rule<'static, PathBuf> {
    Box::new(|value: &Value| {
        let refused = match text("an absolute path", absolute)(value) {
            Ok(path) => return Ok(path),
            Err(refused) => refused,
        };
        let meant = value.as_str().filter(|text| !text.is_empty() && !text.contains('\0'));
        match meant.and_then(|text| std::path::absolute(Path::new(text)).ok()) {
            Some(meant) => Err(format!("{refused}; from here it would mean {}", meant.display())),
            None => Err(refused),
        }
    })
}
