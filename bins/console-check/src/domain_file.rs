//! A domain's XML, from a file or from standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A file's content, or with `-` what comes in; of bounded size. Blocks for as long as that takes.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let bytes = bounded(io::stdin(), "standard input")?;
        ensure!(!bytes.is_empty(), "nothing came from standard input");
        return Ok(bytes);
    }
    let name = file.display().to_string();
    bounded(File::open(file).with_context(|| format!("{name} cannot be read"))?, &name)
}

fn bounded(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(MAX_XML_FILE + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("{name} cannot be read"))?;
    let is_small = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_XML_FILE);
    ensure!(is_small, "{name} has more than {MAX_XML_FILE} bytes, which no domain has");
    Ok(bytes)
}

/// Larger than any domain's XML, which libvirt-graphics bounds itself.
const MAX_XML_FILE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_missing_is_named() {
        assert_eq!(bounded(&b"<domain/>"[..], "it").unwrap(), b"<domain/>");
        let error = bounded(io::repeat(b' '), "standard input").unwrap_err();
        assert!(error.to_string().starts_with("standard input has more than"), "{error}");
        let error = read(Path::new("/nonexistent.xml")).unwrap_err();
        assert!(format!("{error:#}").starts_with("/nonexistent.xml cannot be read: "), "{error:#}");
    }
}
