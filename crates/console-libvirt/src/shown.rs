//! URIs and libvirt's words as a log may have them.

/// A URI without its parameters, which may name key files, and without a password.
///
/// It need not be well-formed: a password that was written into it with a `/` or a `?` goes, too.
pub(crate) fn shown(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return without_parameters(uri).to_owned();
    };
    match user_info(rest) {
        Some((user_info, after)) => {
            let login = user_info.split(':').next().unwrap_or_default();
            format!("{scheme}://{login}@{}", without_parameters(after))
        }
        None => format!("{scheme}://{}", without_parameters(rest)),
    }
}

/// What libvirt said, without the password of a URI that it repeats.
pub(crate) fn scrubbed(words: &str, uri: &str) -> String {
    let words = words.replace(uri, &shown(uri));
    let password = uri
        .split_once("://")
        .and_then(|(_, rest)| user_info(rest)?.0.split_once(':'))
        .map(|(_, password)| password);
    match password {
        Some(password) if !password.is_empty() => words.replace(password, "***"),
        _ => words,
    }
}

/// What stands before the host, and the rest. An `@` in a parameter is none.
fn user_info(rest: &str) -> Option<(&str, &str)> {
    let (before, after) = rest.rsplit_once('@')?;
    let authority = before.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.len() == before.len() {
        return Some((before, after));
    }
    // Either a password with such a character in it, or a host whose path or parameters have an `@`; a host has at most a port.
    let is_host = authority.rsplit_once(':').is_none_or(|(_, port)| {
        port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit())
    });
    if authority.contains('@') {
        return rest.split_once('@');
    }
    if is_host { None } else { Some((before, after)) }
}

fn without_parameters(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_uris_have_no_parameters_and_no_password() {
        for (uri, expected) in [
            ("qemu:///system", "qemu:///system"),
            (
                "qemu+tls://root:secret@hv1:16514/system?pkipath=/secret",
                "qemu+tls://root@hv1:16514/system",
            ),
            ("qemu+tls://root:se/cr?et@hv1/system", "qemu+tls://root@hv1/system"),
            ("qemu+tls://root:se@cret@hv1/system", "qemu+tls://root@hv1/system"),
            ("qemu+tls://root@hv1/system?authfile=/a@b", "qemu+tls://root@hv1/system"),
            ("qemu+tls://hv1:16514/system?authfile=/a@b", "qemu+tls://hv1:16514/system"),
            ("qemu+tls://[::1]/system?authfile=/a@b", "qemu+tls://[::1]/system"),
            ("qemu+unix:///system?socket=/run/x", "qemu+unix:///system"),
            ("test:///etc/file.xml", "test:///etc/file.xml"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(shown(uri), expected);
        }
    }

    #[test]
    fn libvirts_words_repeat_no_password() {
        for (uri, words, expected) in [
            (
                "qemu+tls://root:secret@[bad/system",
                "Unable to parse URI qemu+tls://root:secret@[bad/system",
                "Unable to parse URI qemu+tls://root@[bad/system",
            ),
            ("qemu+tls://root:secret@hv1/system", "no 'secret' here", "no '***' here"),
            ("qemu:///system", "no connection", "no connection"),
            ("qemu+tls://root@hv1/system", "root is nobody", "root is nobody"),
        ] {
            assert_eq!(scrubbed(words, uri), expected);
        }
    }
}
