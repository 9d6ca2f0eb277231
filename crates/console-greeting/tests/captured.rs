//! Greetings as real programs say them: QEMU 7.2 with spice-server 0.15.1, and spice-html5 0.3.0.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use console_greeting::rfb::{self, Security, SecurityType, Version};
use console_greeting::spice::{self, Channel, LinkError, LinkMessage};
use console_greeting::{Greeting, recognise};

const QEMU_VERSION: &[u8] = b"RFB 003.008\n";

/// A reply of spice-server, to the request that its name tells.
macro_rules! reply {
    ($name:literal) => {
        include_bytes!(concat!("../testdata/spice-reply-", $name, ".bin")).as_slice()
    };
}

#[test]
fn qemus_version_is_ours() {
    assert_eq!(QEMU_VERSION, rfb::SERVER_VERSION);
    assert_eq!(Version::of_server(QEMU_VERSION), Some(Version::V3_8));
    assert_eq!(recognise(QEMU_VERSION), Greeting::Other);
}

#[test]
fn qemus_security_types() {
    let offered = |kind| Some(Security::Offered(vec![kind]));
    for (options, version, bytes, expected) in [
        ("no options", Version::V3_8, &b"\x01\x01"[..], offered(SecurityType::None)),
        ("no options", Version::V3_7, b"\x01\x01", offered(SecurityType::None)),
        ("no options", Version::V3_3, b"\0\0\0\x01", offered(SecurityType::None)),
        ("password-secret", Version::V3_8, b"\x01\x02", offered(SecurityType::VncAuthentication)),
        // The challenge follows at once.
        (
            "password-secret",
            Version::V3_3,
            b"\0\0\0\x02\x83\xff\x17\xef\x49\x9b\x1a\x25\x57\x81\x88\x5b\x5a\x59\x07\xdf",
            offered(SecurityType::VncAuthentication),
        ),
        ("tls-creds", Version::V3_8, b"\x01\x13", offered(SecurityType::VeNCrypt)),
        ("sasl=on", Version::V3_8, b"\x01\x14", offered(SecurityType::Sasl)),
        // It refuses without a reason, and closes.
        ("tls-creds", Version::V3_3, b"\0\0\0\0", None),
        ("sasl=on", Version::V3_3, b"\0\0\0\0", None),
    ] {
        assert_eq!(rfb::security(version, bytes), Ok(expected), "{options}, {version:?}");
    }
}

#[test]
fn spice_servers_replies() {
    for (reply, expected) in [
        (reply!("ok"), LinkError::Ok),
        (reply!("invalid-magic"), LinkError::InvalidMagic),
        (reply!("invalid-data"), LinkError::InvalidData),
        (reply!("version-mismatch"), LinkError::VersionMismatch),
        (reply!("need-secured"), LinkError::NeedSecured),
    ] {
        assert_eq!(spice::link_reply(reply), Ok(Some(expected)));
        if expected != LinkError::Ok {
            assert_eq!(spice::refusal(expected), reply, "{expected:?}");
        }
    }
}

#[test]
fn spice_html5s_link_messages() {
    let main = b"REDQ\x02\0\0\0\x02\0\0\0\x1a\0\0\0\
        \0\0\0\0\x01\0\x01\0\0\0\x01\0\0\0\x12\0\0\0\x09\0\0\0\x04\0\0\0";
    let display = b"REDQ\x02\0\0\0\x02\0\0\0\x1a\0\0\0\
        \x78\x56\x34\x12\x02\0\x01\0\0\0\x01\0\0\0\x12\0\0\0\x09\0\0\0\x11\x03\0\0";
    let inputs = b"REDQ\x02\0\0\0\x02\0\0\0\x16\0\0\0\
        \x78\x56\x34\x12\x03\0\x01\0\0\0\0\0\0\0\x12\0\0\0\x09\0\0\0";
    for (bytes, connection_id, channel) in
        [(&main[..], 0, 1), (display, 0x1234_5678, 2), (inputs, 0x1234_5678, 3)]
    {
        let channel = Channel(channel);
        let expected = LinkMessage { version: (2, 2), connection_id, channel, channel_id: 0 };
        assert_eq!(spice::link_message(bytes), Ok(Some(expected)));
        assert_eq!(recognise(bytes), Greeting::Spice);
    }
}
