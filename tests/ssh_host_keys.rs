//! Whether an SSH server is who it says.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use console_backend::{HostKeys, SshHost, SshLimits};
use harness::Result;
use harness::ssh_server::new_key;

use crate::ssh_rig::Rig;

#[tokio::test]
async fn host_keys_are_judged_as_ssh_does_but_never_asked_for() -> Result<()> {
    let mut rig = Rig::start().await?;
    let dir = rig.bed.dir().to_owned();
    let keys: Vec<_> = ["ed25519", "rsa", "ecdsa"]
        .map(|kind| new_key(&dir, &format!("host-{kind}"), kind))
        .into_iter()
        .collect::<Result<_>>()?;
    let line = |key: &Path| -> Result<String> {
        let public = std::fs::read_to_string(key.with_extension("pub"))?;
        Ok(public.split(' ').take(2).collect::<Vec<_>>().join(" "))
    };
    let options = |keys: &[&Path]| -> String {
        keys.iter().map(|key| format!("HostKey {}\n", key.display())).collect()
    };
    let all = rig.remote.ssh_server(&options(&[&keys[0], &keys[1], &keys[2]]))?;
    let [ed25519, rsa, ecdsa] = [line(&keys[0])?, line(&keys[1])?, line(&keys[2])?];
    let known_hosts = dir.join("judged");
    let address = rig.remote.v4();
    let name = format!("[{address}]:{}", all.port());
    let mut host = rig.host(&all)?;
    host.known_hosts = vec![dir.join("missing"), known_hosts.clone()];

    // Known: in each way of writing it, and whichever of the server's keys it is.
    for text in [
        format!("{name} {ed25519}\n"),
        format!("# comment\n\nbroken\nother,{name} {rsa}\n"),
        format!("{name} {ecdsa}"),
        format!("[198.18.*]:* {rsa}\n"),
        format!("{address} {ed25519}\n"),
        format!(
            "{name} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n{name} {ed25519}\n"
        ),
    ] {
        std::fs::write(&known_hosts, &text)?;
        rig.attempt(&host, SshLimits::default()).await?.with_context(|| text.clone())?;
    }
    std::fs::write(&known_hosts, format!("{name} {ed25519}\n"))?;
    let hashed = Command::new("ssh-keygen")
        .args([OsStr::new("-H"), "-f".as_ref(), known_hosts.as_ref()])
        .output()?;
    assert!(hashed.status.success() && std::fs::read_to_string(&known_hosts)?.starts_with("|1|"));
    rig.attempt(&host, SshLimits::default()).await??;
    let alias = SshHost { host_key_alias: Some("Alias".into()), ..host.clone() };
    std::fs::write(&known_hosts, format!("alias {ed25519}\n"))?;
    rig.attempt(&alias, SshLimits::default()).await??;

    // Unknown, changed, revoked: each with what a person needs.
    let believing = SshHost { host_keys: HostKeys::AcceptNew, ..host.clone() };
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    for (text, expected, remedy) in [
        (String::new(), "no host key is known for the SSH server", "ssh-keyscan -p"),
        (format!("!{name},!{address},* {ed25519}\n"), "no host key is known", "ssh-keyscan"),
        (format!("@cert-authority * {ed25519}\n"), "no host key is known", "ssh-keyscan"),
        (format!("\n{name} {other}\n"), "HAS CHANGED", "ssh-keygen -R"),
        (format!("{name} {ed25519}\n@revoked * {ed25519}\n"), "is revoked", "new key"),
    ] {
        std::fs::write(&known_hosts, &text)?;
        let error = rig.attempt(&host, SshLimits::default()).await?.unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert!(error.remedy().contains(remedy), "{text}: {}", error.remedy());
        assert!(error.to_string().contains("SHA256:"), "{error}");
        if text.contains(other) || text.contains("@revoked") {
            let error = rig.attempt(&believing, SshLimits::default()).await?.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("line 2"), "{error}");
            assert_eq!(std::fs::read_to_string(&known_hosts)?, text, "it was changed");
        }
    }
    // The same in a file of revoked keys, which has to be there.
    let revoked = dir.join("revoked_keys");
    std::fs::write(&known_hosts, format!("{name} {ed25519}\n"))?;
    let revoking = SshHost { revoked_host_keys: vec![revoked.clone()], ..believing.clone() };
    for (text, expected) in [
        (None, "cannot be read"),
        (Some(format!("{ecdsa}\n{ed25519}\n")), "revoked_keys line 2"),
        (Some("SSHKRL\n\0".to_owned()), "cannot be read"),
    ] {
        if let Some(text) = text {
            std::fs::write(&revoked, text)?;
        }
        let error = rig.attempt(&revoking, SshLimits::default()).await?.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    std::fs::write(&revoked, format!("{ecdsa}\n"))?;
    rig.attempt(&revoking, SshLimits::default()).await??;
    // A new one is believed once, and is then the one to show.
    let new = dir.join("new/known_hosts");
    let believing = SshHost { known_hosts: vec![new.clone()], ..believing };
    rig.attempt(&believing, SshLimits::default()).await??;
    let remembered = std::fs::read_to_string(&new)?;
    assert_eq!(remembered.lines().count(), 1, "{remembered}");
    assert!(remembered.starts_with(&name), "{remembered}");
    let strict = SshHost { host_keys: HostKeys::Strict, ..believing.clone() };
    rig.attempt(&strict, SshLimits::default()).await??;
    // Between two connections the host gets another key: of the same type, then of another one.
    for key in [new_key(&dir, "host-later", "ed25519")?, keys[1].clone()] {
        all.kill(rig.remote.libvirtd_mut())?;
        all.change(&options(&[&key]))?;
        all.revive(rig.remote.libvirtd_mut())?;
        let error = rig.attempt(&believing, SshLimits::default()).await?.unwrap_err().to_string();
        assert!(error.contains("HAS CHANGED"), "{error}");
    }
    Ok(())
}
