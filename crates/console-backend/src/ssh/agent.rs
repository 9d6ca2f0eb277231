//! An SSH agent (draft-ietf-sshm-ssh-agent): which keys it has, and its signatures.
//!
//! libssh2's own talk with an agent blocks its thread, for as long as the agent likes.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::wire::{put_string, put_u32, take_string, take_u32};

/// A connection to an agent. The caller bounds the time.
#[derive(Debug)]
pub(crate) struct Agent(UnixStream);

/// A key that an agent has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentKey {
    /// The public key.
    pub(crate) blob: Vec<u8>,
    /// Most often the name of the file that it came from.
    pub(crate) comment: String,
}

impl Agent {
    pub(crate) async fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self(UnixStream::connect(socket).await?))
    }

    /// Its keys, the first [`MAX_KEYS`] of them.
    pub(crate) async fn keys(&mut self) -> io::Result<Vec<AgentKey>> {
        let answer = self.ask(&[REQUEST_IDENTITIES], IDENTITIES_ANSWER).await?;
        keys(&answer).ok_or_else(malformed)
    }

    /// A signature of `data`, which says itself with which algorithm (RFC 4252 section 7).
    pub(crate) async fn sign(&mut self, blob: &[u8], data: &[u8]) -> io::Result<Vec<u8>> {
        let algorithm = plain(algorithm_of(data).unwrap_or_default());
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, blob);
        put_string(&mut request, data);
        put_u32(&mut request, flags(&algorithm));
        let answer = self.ask(&request, SIGN_RESPONSE).await?;
        let mut whole = take_string(&mut answer.as_slice()).ok_or_else(malformed)?.to_vec();
        let mut rest = whole.as_slice();
        let made_with = take_string(&mut rest).ok_or_else(malformed)?;
        if made_with != algorithm.as_bytes() {
            return Err(io::Error::other(
                "the agent signs with another algorithm than it was asked to",
            ));
        }
        let at = if algorithm.starts_with("sk-") {
            // A security key's flags and counter belong to the signature (PROTOCOL.u2f of OpenSSH).
            whole.len() - rest.len()
        } else {
            let signature = take_string(&mut rest).ok_or_else(malformed)?.len();
            whole.len() - rest.len() - signature
        };
        Ok(whole.split_off(at))
    }

    async fn ask(&mut self, request: &[u8], expected: u8) -> io::Result<Vec<u8>> {
        let mut message = Vec::new();
        put_string(&mut message, request);
        self.0.write_all(&message).await?;
        let length = usize::try_from(self.0.read_u32().await?).unwrap_or(usize::MAX);
        if length == 0 || length > MAX_ANSWER {
            return Err(malformed());
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).await?;
        if answer.first() != Some(&expected) {
            return Err(io::Error::other("the agent refuses"));
        }
        Ok(answer.split_off(1))
    }
}

fn keys(mut answer: &[u8]) -> Option<Vec<AgentKey>> {
    let count = usize::try_from(take_u32(&mut answer)?).ok()?;
    let mut keys = Vec::new();
    for _ in 0..count.min(MAX_KEYS) {
        let blob = take_string(&mut answer)?.to_vec();
        let comment = String::from_utf8_lossy(take_string(&mut answer)?).into_owned();
        keys.push(AgentKey { blob, comment });
    }
    Some(keys)
}

/// The algorithm that a login's signed data names: it is the sixth field, after the session's id, a number, the user, the service, the
/// method and a flag.
fn algorithm_of(mut data: &[u8]) -> Option<&str> {
    take_string(&mut data)?;
    data = data.get(1..)?;
    for _ in 0..3 {
        take_string(&mut data)?;
    }
    data = data.get(1..)?;
    std::str::from_utf8(take_string(&mut data)?).ok()
}

/// A certificate's algorithm without its being one: that is what its key signs with.
fn plain(algorithm: &str) -> String {
    match algorithm.strip_suffix("-cert-v01@openssh.com") {
        Some(plain) if plain.starts_with("sk-") => format!("{plain}@openssh.com"),
        Some(plain) => plain.to_owned(),
        None => algorithm.to_owned(),
    }
}

/// An RSA key signs with SHA-1 unless it is told otherwise.
fn flags(algorithm: &str) -> u32 {
    match algorithm {
        "rsa-sha2-256" => 2,
        "rsa-sha2-512" => 4,
        _ => 0,
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the agent's answer is malformed")
}

/// Message numbers of the draft's section 5.1.
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Servers hear six attempts (sshd_config(5), MaxAuthTries); more keys than this would never be tried.
const MAX_KEYS: usize = 64;

/// The longest answer that is read, in bytes; OpenSSH's own agent has the same bound.
const MAX_ANSWER: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in parts {
            put_string(&mut bytes, part);
        }
        bytes
    }

    #[test]
    fn the_algorithm_is_found_in_the_data() {
        let mut data = fields(&[b"id"]);
        data.push(50);
        data.extend(fields(&[b"root", b"ssh-connection", b"publickey"]));
        data.push(1);
        data.extend(fields(&[b"rsa-sha2-512", b"blob"]));
        assert_eq!(algorithm_of(&data), Some("rsa-sha2-512"));
        for length in 0..data.len() - 12 {
            assert_ne!(algorithm_of(&data[..length]), Some("rsa-sha2-512"));
        }
    }

    #[test]
    fn a_certificates_key_signs_as_itself() {
        for (algorithm, expected) in [
            ("ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"),
            ("rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512"),
            ("sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com"),
            ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
        ] {
            assert_eq!(plain(algorithm), expected);
        }
    }

    #[tokio::test]
    async fn an_agent_that_talks_nonsense_is_an_error_and_no_more() {
        for answer in [
            &[0, 0, 0, 0][..],
            &[0, 0, 0, 1, 5],
            &[0xff, 0xff, 0xff, 0xff, 12],
            &[0, 0, 0, 5, 12, 0, 0, 0, 1],
            &[0, 0, 0, 5, 12, 0xff, 0xff, 0xff, 0xff],
            &[0, 0],
        ] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(answer).await.unwrap();
            theirs.shutdown().await.unwrap();
            assert!(Agent(ours).keys().await.is_err(), "{answer:?}");
        }
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut said = vec![0, 0, 0, 17, 12, 0, 0, 0, 1];
        said.extend(fields(&[b"key", b"a b"]));
        said[3] = u8::try_from(said.len() - 4).unwrap();
        theirs.write_all(&said).await.unwrap();
        let key = AgentKey { blob: b"key".to_vec(), comment: "a b".into() };
        assert_eq!(Agent(ours).keys().await.unwrap(), [key]);
    }
}
