//! What looking at an SSH server says of it, without a console and without a trace.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use console_backend::{
    Attempt, Forwarding, HostKeyState, HostKeys, Opener, SshError, SshFailure, SshHost, SshLimits,
    SshProxy, SshReport,
};
use harness::Result;
use harness::ssh_server::new_key;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::ssh_rig::{Rig, logins, until};

/// What one opener that has nothing else to do finds out.
async fn examine(host: &SshHost) -> Result<Result<SshReport, SshFailure>> {
    let opener = Opener::new(PATIENCE, SshLimits::default());
    let found = timeout(PATIENCE, opener.examine(&Arc::new(host.clone()))).await?;
    opener.close().await;
    Ok(found)
}

#[tokio::test]
async fn the_login_is_reported_with_what_was_tried_before() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let key = rig.remote.ssh_key();

    let report = examine(&host).await??;
    assert_eq!(report.server, format!("{}:{}", rig.remote.v4(), server.port()));
    assert_eq!(report.user, "root");
    assert!(report.host_key.starts_with("ssh-ed25519 SHA256:"), "{}", report.host_key);
    assert_eq!(report.host_key_state, HostKeyState::Known);
    assert_eq!(report.method, format!("key {}", key.display()));
    assert_eq!(report.attempts, []);
    assert!(!report.round_trip.is_zero() && report.round_trip < Duration::from_secs(5));
    // The bed's hypervisor has libvirtd's socket where every hypervisor has it.
    assert_eq!(report.tcp_forwarding, Forwarding::Allowed);
    assert_eq!(report.socket_forwarding, Forwarding::Allowed);
    // One login, which has ended.
    assert_eq!(logins(&server.log()), 1, "{}", server.log());
    until("the connection to end", || server.log().contains("Disconnected from user root")).await;

    // A console's connection is neither used nor touched.
    let opener = Opener::new(PATIENCE, SshLimits::default());
    let mut console = opener.open(&rig.route(&host)?).await?;
    opener.examine(&Arc::new(host.clone())).await?;
    assert_eq!(logins(&server.log()), 3, "{}", server.log());
    crate::ssh_rig::echo(&mut console, b"hello").await?;
    opener.close().await;

    let stranger = new_key(rig.bed.dir(), "stranger", "ed25519")?;
    let missing = rig.bed.dir().join("missing");
    let by_password = SshHost {
        keys: vec![missing.clone(), stranger.clone()],
        password: Some(rig.remote.password().into()),
        ..host
    };
    let report = examine(&by_password).await??;
    assert_eq!(report.method, "password");
    let attempt = |what: &std::path::Path, outcome: &str| Attempt {
        what: format!("key {}", what.display()),
        outcome: outcome.to_owned(),
    };
    assert_eq!(report.attempts, [attempt(&missing, "is not there"), attempt(&stranger, "refused")]);
    assert!(!format!("{report:?}").contains(rig.remote.password()));
    // None of it works: the same error as a console's.
    let refused = SshHost { password: None, ..by_password };
    let failure = examine(&refused).await?.unwrap_err();
    assert_eq!(failure.host_key_state, Some(HostKeyState::Known));
    assert!(!failure.passed_keys_unknown);
    assert!(
        matches!(&*failure.error, SshError::Authentication { attempts, .. } if attempts.len() == 2)
    );
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_not_known_is_not_written_down_by_looking() -> Result<()> {
    let mut rig = Rig::start().await?;
    let (gate, server) = (rig.remote.ssh_server("")?, rig.remote.ssh_server("")?);
    let new = rig.bed.dir().join("new/known_hosts");
    let host = SshHost { known_hosts: vec![new.clone()], ..rig.host(&server)? };
    let error = examine(&host).await?.unwrap_err();
    assert!(matches!(*error.error, SshError::HostKeyUnknown { .. }), "{error}");
    assert_eq!((error.host_key_state, error.passed_keys_unknown), (None, false));

    let gate = SshHost { known_hosts: vec![new.clone()], ..rig.host(&gate)? };
    let believing = |host: SshHost| SshHost { host_keys: HostKeys::AcceptNew, ..host };
    let behind =
        SshHost { proxy: SshProxy::Jump(Arc::new(believing(gate))), ..believing(host.clone()) };
    // The login fails, and all that was passed before is told: here the jump host's key only, there both.
    let nobody = |host: SshHost| SshHost { keys: vec![], password: None, ..host };
    let failure = examine(&nobody(behind.clone())).await?.unwrap_err();
    assert!(matches!(*failure.error, SshError::Authentication { .. }), "{failure}");
    assert_eq!(failure.host_key_state, Some(HostKeyState::WouldBeAccepted));
    assert!(failure.passed_keys_unknown);
    let strict = SshHost { host_keys: HostKeys::Strict, ..behind.clone() };
    let failure = examine(&strict).await?.unwrap_err();
    assert!(matches!(*failure.error, SshError::HostKeyUnknown { .. }), "{failure}");
    assert_eq!((failure.host_key_state, failure.passed_keys_unknown), (None, true));
    let known = SshHost { known_hosts: vec![rig.remote.ssh_known_hosts()], ..behind.clone() };
    let report = examine(&known).await??;
    assert_eq!((report.host_key_state, report.would_write), (HostKeyState::Known, true));
    for host in [believing(host.clone()), behind] {
        let report = examine(&host).await??;
        assert_eq!(report.host_key_state, HostKeyState::WouldBeAccepted);
        assert!(report.would_write);
        assert_eq!(report.tcp_forwarding, Forwarding::Allowed);
        assert!(!new.parent().context("a folder")?.exists(), "something was written");
    }
    // A console's login writes it, and then it is known.
    rig.attempt(&believing(host.clone()), SshLimits::default()).await??;
    assert_eq!(examine(&host).await??.host_key_state, HostKeyState::Known);
    Ok(())
}

#[tokio::test]
async fn what_the_server_forbids_is_told_apart() -> Result<()> {
    #[derive(Debug, PartialEq)]
    enum Kind {
        Allowed,
        Forbidden,
        Unknown,
    }
    let kind = |found: &Forwarding| match found {
        Forwarding::Allowed => Kind::Allowed,
        Forwarding::Forbidden(_) => Kind::Forbidden,
        Forwarding::Unknown(_) => Kind::Unknown,
    };
    let mut rig = Rig::start().await?;
    for (options, tcp, socket) in [
        ("AllowTcpForwarding no", Kind::Forbidden, Kind::Unknown),
        ("AllowStreamLocalForwarding no", Kind::Allowed, Kind::Unknown),
        ("DisableForwarding yes", Kind::Forbidden, Kind::Unknown),
        ("PermitOpen none", Kind::Forbidden, Kind::Unknown),
        ("MaxSessions 0", Kind::Allowed, Kind::Allowed),
    ] {
        let server = rig.remote.ssh_server(options)?;
        let report = examine(&rig.host(&server)?).await??;
        let found = (kind(&report.tcp_forwarding), kind(&report.socket_forwarding));
        assert_eq!(found, (tcp, socket), "{options}: {report:?}");
        if let Forwarding::Forbidden(why) = &report.tcp_forwarding {
            let target = format!("a tunnel to 127.0.0.1:{}", server.port());
            assert_eq!(*why, format!("administratively prohibited: {target}"), "{options}");
        }
        if let Forwarding::Unknown(why) = &report.socket_forwarding {
            assert!(why.contains("/run/libvirt/libvirt-sock, "), "{options}: {why}");
        }
    }
    Ok(())
}
