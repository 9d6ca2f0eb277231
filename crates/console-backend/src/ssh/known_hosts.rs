//! Files of known host keys, as sshd(8) describes them under "SSH_KNOWN_HOSTS FILE FORMAT".

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::known_names::names;
use super::wire;

/// What the files say of one server.
#[derive(Debug, Default)]
pub(crate) struct KnownKeys {
    known: Vec<KnownKey>,
    /// Keys that nobody may use any more, for this server or for all.
    revoked: Vec<KnownKey>,
    /// Lines for the same name without its port: where the port is not known they may prove a key right, but no key wrong.
    without_port: Vec<KnownKey>,
}

/// What a server is called in known_hosts files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownAs {
    /// `host` or `[host]:port`, in lower case.
    pub(crate) name: String,
    /// `host`, where `name` has a port and is no alias.
    pub(crate) without_port: Option<String>,
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownKey {
    pub(crate) blob: Vec<u8>,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

/// What is thought of the key that a server shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Known,
    /// No key of this server is known.
    Unknown,
    /// Others are known: the first of them, one of the same type if there is one.
    Changed(KnownKey),
    Revoked(KnownKey),
}

impl KnownKeys {
    /// Takes from a file's text what concerns a server.
    pub(crate) fn add(&mut self, text: &str, file: &Path, server: &KnownAs) {
        let is_named = |hosts: &str| names(hosts, &server.name);
        let is_bare =
            |hosts: &str| server.without_port.as_ref().is_some_and(|bare| names(hosts, bare));
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_ascii_whitespace();
            let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let (marker, hosts) = match first.strip_prefix('@') {
                Some(marker) => (Some(marker), words.next().unwrap_or_default()),
                None => (None, first),
            };
            // The type stands in the key itself, too.
            let key = words.nth(1).and_then(|text| STANDARD.decode(text).ok());
            let Some(blob) = key else { continue };
            let known = KnownKey { blob, file: file.to_owned(), line: index + 1 };
            match marker {
                // libssh2 knows no certificates, so an authority's key says nothing about a server's.
                Some("cert-authority") => {}
                Some("revoked") if is_named(hosts) || is_bare(hosts) => self.revoked.push(known),
                None if is_named(hosts) => self.known.push(known),
                None if is_bare(hosts) => self.without_port.push(known),
                _ => {}
            }
        }
    }

    /// Takes from a file of `RevokedHostKeys` its keys, a public key on each line (ssh_config(5)).
    ///
    /// # Errors
    ///
    /// It is a key revocation list in OpenSSH's binary form, or a line is no key: a key that is meant to be revoked must not pass.
    pub(crate) fn revoke(&mut self, text: &str, file: &Path) -> Result<(), &'static str> {
        if text.starts_with("SSHKRL\n\0") {
            return Err("it is a binary key revocation list; write the public keys, one a line");
        }
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split_ascii_whitespace();
            let Some(kind) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let key = words.next().and_then(|text| STANDARD.decode(text).ok());
            let Some(blob) = key.filter(|blob| wire::algorithm(blob) == Some(kind)) else {
                return Err("a line of it is no public key (ssh-ed25519 AAAA…)");
            };
            self.revoked.push(KnownKey { blob, file: file.to_owned(), line: index + 1 });
        }
        Ok(())
    }

    /// Whether `blob` is the key to expect.
    pub(crate) fn verdict(&self, blob: &[u8]) -> Verdict {
        let is_it = |known: &&KnownKey| known.blob == blob;
        if let Some(revoked) = self.revoked.iter().find(is_it) {
            return Verdict::Revoked(revoked.clone());
        }
        let of_name = if self.known.is_empty() { &self.without_port } else { &self.known };
        if of_name.iter().any(|known| is_it(&known)) {
            return Verdict::Known;
        }
        let same_type =
            self.known.iter().find(|known| wire::algorithm(&known.blob) == wire::algorithm(blob));
        match same_type.or_else(|| self.known.first()) {
            Some(other) => Verdict::Changed(other.clone()),
            None => Verdict::Unknown,
        }
    }

    /// The signature algorithms to ask a server for: it may have several keys, and the one that it would choose by itself may be none that is
    /// known. Those of other types come last, so that a server without any known key can be told from one that does not answer.
    pub(crate) fn algorithms(&self) -> String {
        let types: Vec<&str> = self
            .known
            .iter()
            .chain(&self.without_port)
            .filter_map(|known| wire::algorithm(&known.blob))
            .collect();
        let (known, other): (Vec<_>, Vec<_>) =
            ALGORITHMS.into_iter().partition(|(kind, _)| types.contains(kind));
        let names = known.into_iter().chain(other).map(|(_, algorithms)| algorithms);
        names.collect::<Vec<_>>().join(",")
    }
}

/// A line for a known_hosts file.
pub(crate) fn line(name: &str, blob: &[u8]) -> String {
    format!("{name} {} {}\n", wire::algorithm(blob).unwrap_or_default(), STANDARD.encode(blob))
}

/// A key as ssh shows it: its type and `SHA256:…`.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    let kind = wire::algorithm(blob).unwrap_or("unknown").escape_debug();
    format!("{kind} SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// Key types and what their keys sign with, the best first.
const ALGORITHMS: [(&str, &str); 5] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("ssh-rsa", "rsa-sha2-512,rsa-sha2-256,ssh-rsa"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(kind: &str, key: &[u8]) -> Vec<u8> {
        let mut blob = Vec::new();
        wire::put_string(&mut blob, kind.as_bytes());
        wire::put_string(&mut blob, key);
        blob
    }

    fn known(text: &str, name: &str) -> KnownKeys {
        let mut known = KnownKeys::default();
        let bare = name.strip_prefix('[').and_then(|name| name.split_once("]:"));
        let without_port = bare.map(|(host, _)| host.to_owned());
        known.add(text, Path::new("/k"), &KnownAs { name: name.into(), without_port });
        known
    }

    #[test]
    fn the_verdict_is_that_of_all_lines() {
        let (old, new) = (blob("ssh-ed25519", b"old"), blob("ssh-ed25519", b"new"));
        let rsa = blob("ssh-rsa", b"rsa");
        let text = format!(
            "# a comment\n\nbroken line\n{}{}@revoked * {}",
            line("hv1,10.0.0.1", &old),
            line("hv1", &rsa),
            line("", &new).trim_start()
        );
        let at = |blob: &[u8], line| KnownKey { blob: blob.to_vec(), file: "/k".into(), line };
        let found = known(&text, "hv1");
        assert_eq!(found.verdict(&old), Verdict::Known);
        assert_eq!(found.verdict(&rsa), Verdict::Known);
        assert_eq!(found.verdict(&new), Verdict::Revoked(at(&new, 6)));
        // Compared with the one of its own type where there is one.
        assert_eq!(found.verdict(&blob("ssh-rsa", b"x")), Verdict::Changed(at(&rsa, 5)));
        assert_eq!(found.verdict(&blob("ssh-dss", b"x")), Verdict::Changed(at(&old, 4)));
        let rsa_is_known = known(&line("hv1", &rsa), "hv1").algorithms();
        assert!(rsa_is_known.starts_with("rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-ed25519,"));
        let stranger = known(&text, "hv2");
        assert_eq!(stranger.verdict(&old), Verdict::Unknown);
        assert_eq!(stranger.verdict(&new), Verdict::Revoked(at(&new, 6)));
        assert!(stranger.algorithms().starts_with("ssh-ed25519,ecdsa-sha2-nistp256,"));
    }

    #[test]
    fn a_line_without_the_port_proves_a_key_right_but_none_wrong() {
        let (old, new) = (blob("ssh-ed25519", b"old"), blob("ssh-ed25519", b"new"));
        let found = known(&line("hv1", &old), "[hv1]:2222");
        assert_eq!(found.verdict(&old), Verdict::Known);
        assert_eq!(found.verdict(&new), Verdict::Unknown);
        // Where the port is known, only its own lines count.
        let text = format!("{}{}", line("hv1", &old), line("[hv1]:2222", &new));
        let found = known(&text, "[hv1]:2222");
        assert_eq!(found.verdict(&new), Verdict::Known);
        assert!(matches!(found.verdict(&old), Verdict::Changed(_)));
        // What is revoked for the name is so for its ports.
        let text = format!("{}@revoked {}", line("hv1", &old), line("hv1", &old));
        assert!(matches!(known(&text, "[hv1]:2222").verdict(&old), Verdict::Revoked(_)));
    }

    #[test]
    fn a_line_that_is_commented_out_does_not_count() {
        let key = blob("ssh-ed25519", b"old");
        for comment in ["#", "# ", "  #"] {
            let text = format!("{comment}{}", line("x,hv1,y", &key));
            assert_eq!(known(&text, "hv1").verdict(&key), Verdict::Unknown, "{text}");
        }
    }

    #[test]
    fn a_file_of_revoked_keys_has_one_on_each_line() {
        let (old, new) = (blob("ssh-ed25519", b"old"), blob("ssh-ed25519", b"new"));
        let mut found = known(&format!("{}{}", line("hv1", &old), line("hv1", &new)), "hv1");
        let text = format!("# lost\n{}", line("", &old).trim_start());
        found.revoke(&text, Path::new("/revoked")).unwrap();
        assert!(matches!(found.verdict(&old), Verdict::Revoked(KnownKey { line: 2, .. })));
        assert_eq!(found.verdict(&new), Verdict::Known);
        // What is not understood might be the key that the server shows.
        for bad in [&*line("hv1", &old), "@revoked * ssh-ed25519 AAAA", "ssh-ed25519 AAA", "key: x"]
        {
            assert!(found.revoke(bad, Path::new("/revoked")).is_err(), "{bad}");
        }
        assert!(found.revoke("\n \n # nothing\n", Path::new("/revoked")).is_ok());
        assert!(found.revoke("SSHKRL\n\0", Path::new("/revoked")).is_err());
    }

    #[test]
    fn an_authority_says_nothing_of_a_key() {
        let key = blob("ssh-ed25519", b"old");
        let text = format!("@cert-authority {}", line("hv1", &key));
        assert_eq!(known(&text, "hv1").verdict(&key), Verdict::Unknown);
    }

    #[test]
    fn a_fingerprint_is_written_as_ssh_does() {
        // `ssh-keygen -l` of this key.
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        let blob = STANDARD.decode(key).unwrap();
        assert_eq!(
            fingerprint(&blob),
            "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
        );
    }
}
