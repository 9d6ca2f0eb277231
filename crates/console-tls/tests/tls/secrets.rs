//! Nothing of a key is in any message.

use console_tls::Tls;

use crate::logs;
use crate::rig::{Chain, Files, openssl, rsa, settings};

/// Whether any run of 12 characters of a key's body is in a text.
fn assert_silent(key: &str, text: &str) {
    let body: String =
        key.lines().filter(|line| !line.starts_with("-----") && !line.contains(':')).collect();
    // What all keys of a kind begin with is no secret.
    let secret = body.get(24..).unwrap();
    for start in 0..secret.len() - 12 {
        let part = &secret[start..start + 12];
        assert!(!text.contains(part), "{part} is in {text}");
    }
}

/// All ways to spoil a file that came to mind.
fn spoilt(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let body: Vec<_> = lines.iter().filter(|line| !line.starts_with('-')).collect();
    let mut all = vec![
        text.replace('\n', ""),
        text.replace('\n', " "),
        text.replace('\n', "\\n"),
        text.replace("-----\n", "-----"),
        text.replace("-----\n", "\n"),
        text.replace("-----BEGIN", "-----BEGIN "),
        text.replace("-----BEGIN ", "-----BEGIN"),
        text.replace("-----END", "-----end"),
        text.replace("PRIVATE KEY", "CERTIFICATE"),
        text.replace("PRIVATE KEY", "PUBLIC KEY"),
        text.replace("PRIVATE", "SECRET"),
        text.replace('=', "!"),
        text.replace("KEY-----\n", "KEY-----\nX-Comment: "),
        text.trim_end().to_owned() + text,
        body.iter().map(|line| format!("-----BEGIN {line}-----\n")).collect(),
        body.iter().map(|line| format!("-----BEGIN {line}-----\n-----END {line}-----\n")).collect(),
        text.lines().rev().map(|line| format!("{line}\n")).collect(),
    ];
    for gap in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(gap);
        all.push(fewer.join("\n"));
        all.push(lines[..gap].join("\n"));
        let mut joined = lines.clone();
        let next = joined.remove(gap);
        let joint = gap.saturating_sub(1);
        let longer = [joined.get(joint).copied().unwrap_or_default(), next].concat();
        if let Some(line) = joined.get_mut(joint) {
            *line = &longer;
        }
        all.push(joined.join("\n"));
    }
    all
}

#[test]
fn no_message_has_anything_of_a_key() {
    let chain = Chain::new();
    let logs = logs::captured();
    let encrypted = openssl(&["pkcs8", "-topk8", "-passout", "pass:secret"], &chain.leaf.key);
    let ed25519 = openssl(&["genpkey", "-algorithm", "ED25519"], "");
    let pkcs1 = openssl(&["pkey", "-traditional"], rsa());
    for key in [&chain.leaf.key, &encrypted, &ed25519, &pkcs1] {
        let key = key.replace("\r\n", "\n");
        for text in spoilt(&key) {
            for text in [text.clone(), [chain.leaf.pem.as_str(), &text].concat()] {
                let files = Files::new();
                let path = files.write("all.pem", text);
                let said = match Tls::load(settings(&path)) {
                    Err(error) => format!("{error} {error:?} {}", error.remedy()),
                    Ok(tls) => format!("{tls:?} {:?}", tls.config()),
                };
                assert_silent(&key, &said);
            }
        }
    }
    // What is in use says nothing of it, either.
    let files = Files::new();
    let path = files.write("all.pem", chain.full());
    let tls = Tls::load(settings(&path)).unwrap();
    assert_silent(&chain.leaf.key, &format!("{tls:?}"));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let identity = console_tls::Identity::load(&path, None, &provider).unwrap();
    assert_silent(&chain.leaf.key, &format!("{identity:?} {identity:#?}"));
    files.write("all.pem", chain.leaf.key.replace('\n', ""));
    tls.reload();
    assert_silent(&chain.leaf.key, &logs.lines("").join("\n"));
}
