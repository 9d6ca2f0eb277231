//! What stands for something in the paths of ssh_config(5): its TOKENS, and `~`.

use std::path::PathBuf;

use crate::host::SSH_PORT;
use crate::ssh_config::SshUser;
use crate::ssh_host::SshHost;

/// A path of the `host` that is called `name`, for this user. Tokens that are not known stay as they are.
pub(crate) fn path(path: &str, name: &str, host: &SshHost, user: &SshUser) -> PathBuf {
    let mut text = String::new();
    let mut rest = path.chars();
    while let Some(one) = rest.next() {
        match (one, one == '%') {
            (one, false) => text.push(one),
            _ => match rest.next() {
                Some('d') => text.push_str(&user.home.to_string_lossy()),
                Some('h') => text.push_str(&host.hostname),
                Some('k') => text.push_str(host.host_key_alias.as_deref().unwrap_or(name)),
                Some('n') => text.push_str(name),
                Some('p') => text.push_str(&host.port.unwrap_or(SSH_PORT).to_string()),
                Some('r') => text.push_str(host.user.as_ref().unwrap_or(&user.name)),
                Some('u') => text.push_str(&user.name),
                Some('%') => text.push('%'),
                Some(other) => text.extend(['%', other]),
                None => text.push('%'),
            },
        }
    }
    match text.strip_prefix("~/") {
        Some(inside) => user.home.join(inside),
        None => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    #[test]
    fn tokens_stand_for_what_ssh_config_says() {
        let user = SshUser { name: "console".into(), home: "/home/console".into(), agent: None };
        let mut host = SshHost { hostname: "192.0.2.1".into(), ..SshHost::default() };
        let expand = |text: &str, host: &SshHost| path(text, "hv1", host, &user);
        for (text, expected) in [
            ("~/.ssh/%n_%h", "/home/console/.ssh/hv1_192.0.2.1"),
            ("%d/%u/%r/%p", "/home/console/console/console/22"),
            ("/%k/%%/%C/100%", "/hv1/%/%C/100%"),
            ("/a~/b", "/a~/b"),
        ] {
            assert_eq!(expand(text, &host), PathBuf::from(expected), "{text}");
        }
        host.user = Some("root".into());
        host.port = NonZeroU16::new(7);
        host.host_key_alias = Some("alias".into());
        assert_eq!(expand("/%r/%p/%k", &host), PathBuf::from("/root/7/alias"));
    }
}
