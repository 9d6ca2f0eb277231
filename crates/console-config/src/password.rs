//! Passwords: kept out of every message, and where they may come from.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use figment::value::Value;
use secrecy::{ExposeSecret, SecretString};

use crate::KIB;
use crate::reader::Rule;

/// A password. It is never printed, and wiped when dropped.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// The password itself.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// The key `password`; nothing of what is there is repeated.
pub(crate) fn rule() -> Rule<'static, Password> {
    Box::new(|value: &Value| match value.as_str() {
        Some(text) if is_password(text) => Ok(text.into()),
        Some("") => Err(format!("empty, {ALLOWED}")),
        Some(text) if text.contains('\0') => Err(format!("a string with a NUL in it, {ALLOWED}")),
        Some(text) => Err(format!("a string of {} bytes, {ALLOWED}", text.len())),
        None => Err(format!("no string (write it in quotes), {ALLOWED}")),
    })
}

/// Reads the password that is all of a file, but for one line end.
pub(crate) fn read(path: &Path) -> Result<Password, String> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::InvalidData => "which is not UTF-8".to_owned(),
        _ => format!("which cannot be read: {error}"),
    };
    let limit = u64::try_from(MAX_PASSWORD_FILE).unwrap_or(u64::MAX).saturating_add(1);
    // A pipe would be waited for.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err("which is no file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > MAX_PASSWORD_FILE {
        return Err(format!("which is larger than {MAX_PASSWORD_FILE} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "which is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if is_password(text) {
        Ok(text.into())
    } else {
        Err(format!("which has {} bytes, {ALLOWED}", text.len()))
    }
}

fn is_password(text: &str) -> bool {
    (1..=MAX_PASSWORD).contains(&text.len()) && !text.contains('\0')
}

/// The longest password, in bytes.
const MAX_PASSWORD: usize = 1000;

/// The largest file that a password is read from, in bytes.
const MAX_PASSWORD_FILE: usize = 4 * KIB;

const ALLOWED: &str = "allowed are 1 to 1000 bytes without NUL";
