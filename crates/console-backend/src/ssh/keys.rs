//! Private key files, looked at as ssh(1) does before it uses one.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

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
    /// It is the public half of a key.
    Public,
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
            Self::Public => write!(f, "is a public key: its private half must be in the agent"),
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
    let file = File::open(path).map_err(failed)?;
    let seen = file.metadata().map_err(failed)?;
    if !seen.is_file() {
        return Err(Unusable::Unreadable(io::Error::other("it is no file")));
    }
    let text = contents(file);
    if text.as_ref().is_ok_and(|text| public_line(text.expose_secret()).is_some()) {
        return Err(Unusable::Public);
    }
    if seen.uid() == rustix::process::geteuid().as_raw() && seen.mode() & OTHERS != 0 {
        return Err(Unusable::Open(seen.mode() & PERMISSIONS));
    }
    let text = text.map_err(failed)?;
    if text.expose_secret().len() > MAX_KEY_SIZE {
        return Err(Unusable::TooLarge);
    }
    if is_encrypted(text.expose_secret()) { Err(Unusable::Encrypted) } else { Ok(text) }
}

/// The start of a file, a little more than a key may have.
fn contents(file: File) -> io::Result<SecretString> {
    // Room for all of it, so that no half copy is left behind in memory.
    let mut text = String::with_capacity(MAX_KEY_SIZE + 1);
    let limit = u64::try_from(MAX_KEY_SIZE + 1).unwrap_or(u64::MAX);
    let read = file.take(limit).read_to_string(&mut text);
    let text = SecretString::from(text);
    read.map(|_| text)
}

/// The public half of a key: the file itself may be one, one may lie beside it, or stand in it, unencrypted. Blocks.
pub(crate) fn public_half(path: &Path) -> Option<Vec<u8>> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let text = |path: &Path| contents(File::open(path).ok()?).ok();
    let own = text(path);
    let own = own.as_ref().map_or("", |text| text.expose_secret());
    public_line(own)
        .or_else(|| public_line(text(beside.as_ref())?.expose_secret()))
        .or_else(|| public_part(own))
}

/// `ssh-ed25519 AAAA… comment`.
fn public_line(text: &str) -> Option<Vec<u8>> {
    let mut words = text.split_ascii_whitespace();
    let kind = words.next()?;
    let blob = STANDARD.decode(words.next()?).ok()?;
    (wire::algorithm(&blob) == Some(kind)).then_some(blob)
}

/// OpenSSH's own format (PROTOCOL.key): cipher, its parameters, a number, and then the public key.
fn public_part(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END")?;
    let body: String = body.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(body).ok()?;
    let mut bytes = bytes.strip_prefix(MAGIC)?;
    for _ in 0..3 {
        wire::take_string(&mut bytes)?;
    }
    wire::take_u32(&mut bytes)?;
    wire::take_string(&mut bytes).map(<[u8]>::to_vec)
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
    let Some(mut bytes) = bytes.strip_prefix(MAGIC) else { return false };
    wire::take_string(&mut bytes).is_some_and(|cipher| cipher != b"none")
}

/// What OpenSSH's own format begins with.
const MAGIC: &[u8] = b"openssh-key-v1\0";

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
            let public = public_half(&key).unwrap();
            let beside = folder.path().join(format!("{name}.pub"));
            assert_eq!(public_half(&beside), Some(public.clone()));
            assert!(matches!(read(&beside), Err(Unusable::Public)));
            std::fs::remove_file(beside).unwrap();
            if !name.contains("rsa") && !name.contains("pkcs8") {
                assert_eq!(public_half(&key), Some(public), "{name}");
            }
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
