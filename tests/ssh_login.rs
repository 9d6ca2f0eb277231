//! Who we are at an SSH server, and whether it is who it says.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use console_backend::{SshError, SshHost, SshLimits, SshProxy, SshStep};
use harness::Result;
use harness::ssh_server::{Agent, new_key};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixListener};

use crate::ssh_rig::{Rig, quick};

#[tokio::test]
async fn a_login_by_each_kind_of_key_by_agent_and_by_password() -> Result<()> {
    let mut rig = Rig::start().await?;
    let dir = rig.bed.dir().join("login");
    std::fs::create_dir(&dir)?;
    let kinds = ["ed25519", "rsa", "ecdsa"];
    let mut authorized = String::new();
    for kind in kinds {
        authorized += &std::fs::read_to_string(new_key(&dir, kind, kind)?.with_extension("pub"))?;
    }
    std::fs::write(dir.join("authorized"), authorized)?;
    let server =
        rig.remote.ssh_server(&format!("AuthorizedKeysFile {}/authorized", dir.display()))?;
    let bare = SshHost { keys: Vec::new(), ..rig.host(&server)? };

    for kind in kinds {
        for keys in [true, false] {
            let mut host = bare.clone();
            let list = if keys { &mut host.keys } else { &mut host.usual_keys };
            list.extend([dir.join("none"), dir.join(kind)]);
            rig.attempt(&host, SshLimits::default()).await??;
        }
        std::fs::create_dir(dir.join(format!("{kind}.d")))?;
        let agent = Agent::start(&dir.join(format!("{kind}.d")), &[&dir.join(kind)])?;
        let host = SshHost { agent: Some(agent.socket().to_owned()), ..bare.clone() };
        rig.attempt(&host, SshLimits::default()).await??;
        // Only keys that are named, too.
        let only = SshHost { identities_only: true, ..host.clone() };
        let refused = rig.attempt(&only, SshLimits::default()).await?.unwrap_err().to_string();
        assert!(refused.contains("has no key for it"), "{refused}");
        // The agent's key is named by its public half; its private one is not there.
        std::fs::copy(dir.join(format!("{kind}.pub")), dir.join(format!("half-{kind}.pub")))?;
        let named = SshHost { usual_keys: vec![dir.join(format!("half-{kind}"))], ..only };
        rig.attempt(&named, SshLimits::default()).await??;
    }
    let password = SshHost { password: Some(rig.remote.password().into()), ..bare.clone() };
    rig.attempt(&password, SshLimits::default()).await??;
    // The same keys in the agent and in files are offered once each, so that the password is heard, too.
    let few = rig.remote.ssh_server("MaxAuthTries 4")?;
    let strangers: Vec<_> = (0..3)
        .map(|number| new_key(&dir, &format!("stranger-{number}"), "ed25519"))
        .collect::<Result<_>>()?;
    let paths: Vec<&Path> = strangers.iter().map(std::path::PathBuf::as_path).collect();
    std::fs::create_dir(dir.join("strangers.d"))?;
    let strange = Agent::start(&dir.join("strangers.d"), &paths)?;
    let many = SshHost {
        port: few.port().try_into()?,
        agent: Some(strange.socket().to_owned()),
        usual_keys: strangers,
        ..password.clone()
    };
    rig.attempt(&many, SshLimits::default()).await??;
    // A certificate, which only an agent has.
    let authority = new_key(&dir, "authority", "ed25519")?;
    for kind in kinds {
        let key = new_key(&dir, &format!("certified-{kind}"), kind)?;
        let mut sign = Command::new("ssh-keygen");
        let signed = sign.args(["-q", "-I", "x", "-n", "root", "-s"]).arg(&authority);
        assert!(signed.arg(key.with_extension("pub")).status()?.success());
        let trusting =
            format!("TrustedUserCAKeys {}.pub\nAuthorizedKeysFile none", authority.display());
        let trusting = rig.remote.ssh_server(&trusting)?;
        std::fs::create_dir(dir.join(format!("certified-{kind}.d")))?;
        let agent = Agent::start(&dir.join(format!("certified-{kind}.d")), &[&key])?;
        let host = SshHost {
            port: trusting.port().try_into()?,
            agent: Some(agent.socket().to_owned()),
            ..bare.clone()
        };
        rig.attempt(&host, SshLimits::default()).await?.with_context(|| kind.to_owned())?;
    }
    // Where the server asks for it in a dialogue.
    let pam = rig
        .remote
        .ssh_server("UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes")?;
    rig.attempt(&SshHost { port: pam.port().try_into()?, ..password }, SshLimits::default())
        .await??;
    // And where it wants both.
    let both = format!(
        "AuthorizedKeysFile {}/authorized\nAuthenticationMethods publickey,password",
        dir.display()
    );
    let both = rig.remote.ssh_server(&both)?;
    let mut host = SshHost { port: both.port().try_into()?, keys: vec![dir.join("rsa")], ..bare };
    assert!(rig.attempt(&host, SshLimits::default()).await?.is_err());
    host.password = Some(rig.remote.password().into());
    rig.attempt(&host, SshLimits::default()).await??;
    Ok(())
}

#[tokio::test]
async fn a_refused_login_says_all_that_was_tried() -> Result<()> {
    let mut rig = Rig::start().await?;
    let dir = rig.bed.dir().to_owned();
    let server = rig.remote.ssh_server("")?;
    let stranger = new_key(&dir, "stranger", "ed25519")?;
    let secret = new_key(&dir, "secret", "ed25519")?;
    let sealed = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "s3cret", "-f"])
        .stdout(std::process::Stdio::null())
        .arg(&secret)
        .status()?;
    assert!(sealed.success());
    // Of the agent's two one has been refused as a file by then.
    let other = new_key(&dir, "other", "ed25519")?;
    let agent = Agent::start(&dir, &[&stranger, &other])?;
    let mut host = rig.host(&server)?;
    host.keys = vec![dir.join("none"), secret, stranger.clone()];
    host.agent = Some(agent.socket().to_owned());
    host.password = Some("wr0ng".into());
    let refused = rig.attempt(&host, SshLimits::default()).await?.unwrap_err();
    let text = refused.to_string();
    for part in [
        &*format!("the SSH server {}:{} refuses the login root", rig.remote.v4(), server.port()),
        "it accepts publickey, password",
        &format!("key {} is not there", dir.join("none").display()),
        "has a passphrase, which nobody is there to type",
        &format!("key {} refused", stranger.display()),
        "the agent's key root@",
        "password refused",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("wr0ng") && !format!("{refused:?}").contains("wr0ng"), "{text}");
    assert!(refused.remedy().contains("authorized_keys"), "{}", refused.remedy());

    // Nothing to try.
    let nothing = SshHost { keys: Vec::new(), agent: None, password: None, ..host.clone() };
    let text = rig.attempt(&nothing, SshLimits::default()).await?.unwrap_err().to_string();
    assert!(text.ends_with("there is no key, agent or password to try"), "{text}");
    // A server that hangs up on who tries too often.
    let strict = rig.remote.ssh_server("MaxAuthTries 1")?;
    let many = SshHost { port: strict.port().try_into()?, ..host.clone() };
    let text = rig.attempt(&many, SshLimits::default()).await?.unwrap_err().to_string();
    assert!(text.contains("has closed the connection; tried:"), "{text}");
    Ok(())
}

/// On this test's one thread, an agent that blocked it would block the time-out, too.
#[tokio::test]
async fn an_agent_that_says_nothing_costs_no_more_than_the_time_out() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let socket = rig.bed.dir().join("silent.sock");
    let _listener = UnixListener::bind(&socket)?;
    let host = SshHost { keys: Vec::new(), agent: Some(socket), ..rig.host(&server)? };
    let start = Instant::now();
    let error = rig.attempt(&host, quick()).await?.unwrap_err();
    assert!(matches!(*error, SshError::TimedOut { step: SshStep::Authentication, .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    Ok(())
}

#[tokio::test]
async fn each_step_that_fails_is_named() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let silent = TcpListener::bind((rig.remote.near_v4(), 0)).await?;
    let closed = TcpListener::bind((rig.remote.near_v4(), 0)).await?.local_addr()?;
    let near = |port: u16| -> Result<SshHost> {
        let mut near = SshHost::new(rig.remote.near_v4().to_string(), "root");
        near.port = port.try_into()?;
        Ok(near)
    };
    let mut nameless = host.clone();
    nameless.hostname = "nobody.invalid".into();
    let mut command = host.clone();
    command.proxy = SshProxy::Command;
    let mut unreadable = host.clone();
    unreadable.known_hosts = vec![rig.bed.dir().to_owned()];
    let other = TcpListener::bind((rig.remote.near_v4(), 0)).await?;
    let no_ssh = near(other.local_addr()?.port())?;
    tokio::spawn(async move {
        let (mut stream, _) = other.accept().await?;
        stream.write_all(b"RFB 003.008\n").await?;
        stream.shutdown().await
    });
    let deaf = rig.deaf().await?;
    let mut late = near(deaf.address.port())?;
    late.connect_timeout = Some(Duration::from_millis(1500));
    let behind =
        |gate: SshHost, inner: SshHost| SshHost { proxy: SshProxy::Jump(Arc::new(gate)), ..inner };
    let stranger = SshHost { keys: Vec::new(), ..host.clone() };
    for (host, error, reason) in [
        (
            late.clone(),
            "did not take the connection within 1.5s",
            "the hypervisor's SSH server did not answer in time",
        ),
        (
            behind(stranger, host.clone()),
            "there is no key, agent or password to try",
            "the hypervisor's SSH server cannot be reached",
        ),
        (
            behind(near(closed.port())?, host.clone()),
            "refused",
            "the hypervisor's SSH server cannot be reached",
        ),
        (
            behind(host.clone(), near(closed.port())?),
            "could not connect to",
            "the hypervisor's SSH server cannot be reached",
        ),
        (
            behind(late, host.clone()),
            "did not take the connection within 1.5s",
            "the hypervisor's SSH server cannot be reached",
        ),
        (
            nameless,
            "the SSH server's name nobody.invalid cannot be resolved",
            "the hypervisor's SSH server cannot be reached",
        ),
        (
            near(closed.port())?,
            "cannot be reached",
            "the hypervisor's SSH server cannot be reached",
        ),
        (
            near(silent.local_addr()?.port())?,
            "did not finish the key exchange within 2s",
            "the hypervisor's SSH server did not answer in time",
        ),
        (
            no_ssh,
            "does not get through the key exchange",
            "the hypervisor's SSH server cannot be talked to",
        ),
        (command, "behind a ProxyCommand", "the console proxy's SSH settings need attention"),
        (unreadable, "cannot be read", "the console proxy's SSH settings need attention"),
    ] {
        let found = rig.attempt(&host, quick()).await?.unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(found.clone()));
        assert!(text.contains(error), "{error}: {text}");
        assert_eq!(found.public_reason(), reason);
        assert!(!found.remedy().is_empty());
    }
    Ok(())
}
