//! Whether a server lets a login tunnel, going by its answers: it tells reasons' numbers (RFC 4254 section 5.1), and not always the right one.

use super::engine::ChannelId;
use super::error::Lost;
use super::target::Target;

/// Whether a server lets this login tunnel, as far as one request for a tunnel can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// It does.
    Allowed,
    /// It does not: what it said, and to what. That is about this one target, the server's own SSH port as it has it on its loopback, or a socket of
    /// libvirt's: where sshd_config's `PermitOpen` or authorized_keys' `permitopen=` allows the consoles' ports and nothing else, consoles can be
    /// reached although this is said of TCP.
    Forbidden(String),
    /// Nobody can tell from here, and why.
    Unknown(String),
}

/// What comes of a request for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Opened(ChannelId),
    /// In libssh2's words: the reason of RFC 4254 section 5.1, without the server's own text.
    Refused(String),
}

impl Answer {
    /// `None` if the error is no refusal, but the end of the connection.
    pub(crate) fn refusal(error: &ssh2::Error) -> Option<Self> {
        let refused = ssh2::ErrorCode::Session(libssh2_sys::LIBSSH2_ERROR_CHANNEL_FAILURE);
        (error.code() == refused).then(|| Self::Refused(reason(error.message()).to_owned()))
    }
}

/// `Channel open failure (administratively prohibited)`: what is in brackets, or all if there are none.
fn reason(message: &str) -> &str {
    let inner = message.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(message)
}

/// That a server cannot connect proves that it tried.
pub(crate) fn tcp_verdict(answer: &Answer, target: &Target) -> Forwarding {
    match answer {
        Answer::Opened(_) => Forwarding::Allowed,
        Answer::Refused(reason) if reason == CONNECT_FAILED => Forwarding::Allowed,
        Answer::Refused(reason) if is_prohibition(reason) => {
            Forwarding::Forbidden(format!("{reason}: a tunnel to {target}"))
        }
        Answer::Refused(reason) => Forwarding::Unknown(format!("{reason}: a tunnel to {target}")),
    }
}

/// OpenSSH has one answer for a socket that it forbids, that is not there, and that the login may not open. `None` if that is the answer.
pub(crate) fn socket_verdict(answer: &Answer, target: &Target) -> Option<Forwarding> {
    match answer {
        Answer::Opened(_) => Some(Forwarding::Allowed),
        Answer::Refused(reason) if is_prohibition(reason) => {
            Some(Forwarding::Forbidden(format!("{reason}: a tunnel to {target}")))
        }
        Answer::Refused(_) => None,
    }
}

fn is_prohibition(reason: &str) -> bool {
    PROHIBITIONS.contains(&reason)
}

pub(crate) fn unasked() -> Forwarding {
    Forwarding::Unknown("not asked: the request before was not answered".to_owned())
}

pub(crate) fn unanswered(target: &Target, lost: &Lost) -> Forwarding {
    Forwarding::Unknown(format!("the request for a tunnel to {target} came to nothing: {lost}"))
}

/// That no socket could be connected to, each for whatever reason.
pub(crate) fn untold(tcp: &Forwarding) -> Forwarding {
    let tried = SOCKETS.join(", ");
    let hint = match tcp {
        // sshd_config(5), AllowTcpForwarding; OpenSSH then has no list of what may be connected to, and denies sockets, too.
        Forwarding::Forbidden(_) => "; OpenSSH forbids them along with tunnels to TCP ports",
        Forwarding::Allowed | Forwarding::Unknown(_) => "",
    };
    Forwarding::Unknown(format!(
        "none of libvirt's sockets could be connected to ({tried}), and a server says the same of one that is forbidden, missing or not for \
         this login{hint}"
    ))
}

/// Sockets that a hypervisor has, and that whoever may see its consoles may most likely open. The second is for a system where `/var/run` is no
/// link.
pub(crate) const SOCKETS: [&str; 4] = [
    "/run/libvirt/libvirt-sock",
    "/var/run/libvirt/libvirt-sock",
    "/run/libvirt/virtqemud-sock",
    "/run/libvirt/libvirt-sock-ro",
];

/// libssh2's words for the reasons of RFC 4254 section 5.1.
const CONNECT_FAILED: &str = "connect failed";
const PROHIBITIONS: [&str; 2] = ["administratively prohibited", "unknown channel type"];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &'static str) -> Answer {
        let failure = ssh2::ErrorCode::Session(libssh2_sys::LIBSSH2_ERROR_CHANNEL_FAILURE);
        Answer::refusal(&ssh2::Error::new(failure, message)).unwrap()
    }

    #[test]
    fn the_end_of_a_connection_is_no_refusal() {
        let closed = ssh2::ErrorCode::Session(libssh2_sys::LIBSSH2_ERROR_SOCKET_DISCONNECT);
        assert_eq!(Answer::refusal(&ssh2::Error::new(closed, "connect failed")), None);
    }

    #[test]
    fn what_a_refusal_of_a_port_means() {
        let target = Target::Tcp { host: "127.0.0.1".to_owned(), port: 22 };
        let verdict = |message: &'static str| tcp_verdict(&refused(message), &target);
        assert_eq!(verdict("Channel open failure (connect failed)"), Forwarding::Allowed);
        for (message, words) in [
            ("Channel open failure (administratively prohibited)", "administratively prohibited"),
            ("Channel open failure (unknown channel type)", "unknown channel type"),
        ] {
            let expected = Forwarding::Forbidden(format!("{words}: a tunnel to 127.0.0.1:22"));
            assert_eq!(verdict(message), expected);
        }
        for (message, words) in [
            ("Channel open failure (resource shortage)", "resource shortage"),
            ("Channel open failure", "Channel open failure"),
        ] {
            let expected = Forwarding::Unknown(format!("{words}: a tunnel to 127.0.0.1:22"));
            assert_eq!(verdict(message), expected);
        }
    }

    #[test]
    fn what_a_refusal_of_a_socket_means() {
        let target = Target::Unix { path: "/run/libvirt/libvirt-sock".to_owned() };
        let verdict = |message: &'static str| socket_verdict(&refused(message), &target);
        assert_eq!(verdict("Channel open failure (connect failed)"), None);
        assert_eq!(verdict("Channel open failure (resource shortage)"), None);
        assert_eq!(
            verdict("Channel open failure (unknown channel type)"),
            Some(Forwarding::Forbidden(
                "unknown channel type: a tunnel to /run/libvirt/libvirt-sock".to_owned()
            ))
        );
    }

    #[test]
    fn what_was_tried_is_named() {
        let text = |tcp| match untold(&tcp) {
            Forwarding::Unknown(text) => text,
            other => panic!("{other:?}"),
        };
        let forbidden = text(Forwarding::Forbidden(String::new()));
        assert!(forbidden.ends_with("along with tunnels to TCP ports"), "{forbidden}");
        let text = text(Forwarding::Allowed);
        assert!(SOCKETS.iter().all(|path| text.contains(path)), "{text}");
        assert!(!text.contains("along with"), "{text}");
    }
}
