//! Private key files, looked at as ssh(1) does before it uses one.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::wire;

/// Why a key is not tried.
#[derive(Debug)]
pub(crate) enum Unusable {
    Missing,
    /// Not for us to read, or no file.
    Unreadable(io::Error),
    /// Others could have read it: its mode.
    Open(u32),
    /// It has a passphrase.
    Encrypted,
    /// It is larger than [`MAX_KEY_SIZE`].
    TooLarge,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => write!(f, "is not there"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Open(mode) => {
                write!(f, "is open to others (mode {mode:04o}; make it 0600)")
            }
            Self::Encrypted => write!(
                f,
                "has a passphrase, which nobody is there to type (add it to an agent, or make a key without)"
            ),
            Self::TooLarge => write!(f, "is no key: larger than {MAX_KEY_SIZE} bytes"),
        }
    }
}

/// The text of a key. Blocks.
pub(crate) fn read(path: &Path) -> Result<SecretString, Unusable> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Unreadable(error),
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let seen = file.metadata().map_err(failed)?;
    if !seen.is_file() {
        return Err(Unusable::Unreadable(io::Error::other("it is no file")));
    }
    if seen.uid() == rustix::process::geteuid().as_raw() && seen.mode() & OTHERS != 0 {
        return Err(Unusable::Open(seen.mode() & PERMISSIONS));
    }
    // Room for all of it, so that no half copy is left behind in memory.
    let mut text = String::with_capacity(MAX_KEY_SIZE + 1);
    let limit = u64::try_from(MAX_KEY_SIZE + 1).unwrap_or(u64::MAX);
    let read = file.take(limit).read_to_string(&mut text);
    let is_encrypted = is_encrypted(&text);
    let length = text.len();
    let text = SecretString::from(text);
    read.map_err(failed)?;
    match (length > MAX_KEY_SIZE, is_encrypted) {
        (true, _) => Err(Unusable::TooLarge),
        (_, true) => Err(Unusable::Encrypted),
        _ => Ok(text),
    }
}

/// The public half of a key, from the file beside it. Blocks.
pub(crate) fn public_half(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let text = std::fs::read_to_string(name).ok()?;
    STANDARD.decode(text.split_ascii_whitespace().nth(1)?).ok()
}

/// libssh2 takes a missing passphrase for a broken file.
fn is_encrypted(text: &str) -> bool {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
    {
        return true;
    }
    let Some((_, rest)) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----") else {
        return false;
    };
    // PROTOCOL.key of OpenSSH: a magic word and the cipher's name stand first; so many characters hold both.
    let start: String = rest.chars().filter(|one| !one.is_ascii_whitespace()).take(64).collect();
    let Ok(bytes) = STANDARD.decode(start) else { return false };
    let Some(mut bytes) = bytes.strip_prefix(b"openssh-key-v1\0") else { return false };
    wire::take_string(&mut bytes).is_some_and(|cipher| cipher != b"none")
}

/// The largest private key file that is read, in bytes; an RSA key of 16384 bits has 13 KiB.
const MAX_KEY_SIZE: usize = 64 * 1024;

/// What group and others may do, and all that chmod(1) sets.
const OTHERS: u32 = 0o077;
const PERMISSIONS: u32 = 0o7777;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn keygen(folder: &Path, name: &str, arguments: &[&str]) -> std::path::PathBuf {
        let path = folder.join(name);
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-f"])
            .arg(&path)
            .args(arguments)
            .status()
            .unwrap();
        assert!(made.success());
        path
    }

    #[test]
    fn a_passphrase_is_seen_in_every_format() {
        let folder = tempfile::tempdir().unwrap();
        for (name, arguments, encrypted) in [
            ("plain", &["-t", "ed25519", "-N", ""][..], false),
            ("secret", &["-t", "ed25519", "-N", "s3cret"], true),
            ("rsa", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""], false),
            ("secret rsa", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "s3cret"], true),
            ("pkcs8", &["-t", "ecdsa", "-m", "PKCS8", "-N", ""], false),
            ("secret pkcs8", &["-t", "ecdsa", "-m", "PKCS8", "-N", "s3cret"], true),
        ] {
            let key = keygen(folder.path(), name, arguments);
            assert_eq!(matches!(read(&key), Err(Unusable::Encrypted)), encrypted, "{name}");
            assert_eq!(read(&key).is_ok(), !encrypted, "{name}");
            assert!(public_half(&key).is_some());
        }
    }

    #[test]
    fn what_others_can_read_or_nobody_can_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let key = keygen(folder.path(), "key", &["-t", "ed25519", "-N", ""]);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let said = read(&key).unwrap_err().to_string();
        assert_eq!(said, "is open to others (mode 0640; make it 0600)");
        assert!(matches!(read(&folder.path().join("none")), Err(Unusable::Missing)));
        assert!(matches!(read(folder.path()), Err(Unusable::Unreadable(_))));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&key, "x".repeat(MAX_KEY_SIZE + 1)).unwrap();
        assert!(matches!(read(&key), Err(Unusable::TooLarge)));
    }
}
