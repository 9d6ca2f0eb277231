//! nginx and HAProxy in front of the program, with what docs/operations.md tells people to write.

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lease::Leashed;
use crate::ports::PortRange;
use crate::{packages, paths, wait};

/// From start to the first connection.
const READY: Duration = Duration::from_secs(20);

/// A running reverse proxy; dropping it ends it.
#[derive(Debug)]
pub struct ReverseProxy {
    process: Leashed,
    address: SocketAddr,
    _ports: PortRange,
}

impl ReverseProxy {
    /// nginx with `locations` in its only server; with `certificate` (key included) it speaks TLS.
    ///
    /// # Errors
    ///
    /// It is missing, or refuses its configuration.
    pub fn nginx(dir: &Path, locations: &str, certificate: Option<&Path>) -> Result<Self> {
        let ports = PortRange::claim()?;
        let address = address(&ports);
        let folder = folder(dir, "nginx")?;
        let at = folder.display();
        let tls = match certificate {
            Some(file) => {
                let file = file.display();
                format!("listen {address} ssl; ssl_certificate {file}; ssl_certificate_key {file};")
            }
            None => format!("listen {address};"),
        };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             server {{\n{tls}\n{locations}\n}}\n}}\n"
        );
        let config = folder.join("nginx.conf");
        fs::write(&config, text)?;
        let args = [
            OsStr::new("-e"),
            "stderr".as_ref(),
            "-p".as_ref(),
            folder.as_os_str(),
            "-c".as_ref(),
            config.as_os_str(),
        ];
        Self::start("nginx", &packages::nginx()?, &args, &folder, ports)
    }

    /// HAProxy with these sections, in which `BIND` stands for the address to listen on.
    ///
    /// # Errors
    ///
    /// It is missing, or refuses its configuration.
    pub fn haproxy(dir: &Path, sections: &str) -> Result<Self> {
        let ports = PortRange::claim()?;
        let folder = folder(dir, "haproxy")?;
        let config = folder.join("haproxy.cfg");
        fs::write(&config, sections.replace("BIND", &address(&ports).to_string()) + "\n")?;
        let args = [OsStr::new("-db"), "-f".as_ref(), config.as_os_str()];
        Self::start("haproxy", &packages::haproxy()?, &args, &folder, ports)
    }

    fn start(
        name: &str,
        program: &Path,
        args: &[&OsStr],
        dir: &Path,
        ports: PortRange,
    ) -> Result<Self> {
        let mut process = Leashed::start(name, program, args, &[], dir)?;
        let address = address(&ports);
        wait::until(&format!("{name} to listen"), READY, || {
            if let Some(status) = process.try_wait()? {
                bail!("{name} ended at once: {status}");
            }
            Ok(TcpStream::connect(address).ok().map(drop))
        })
        .map_err(|error| wait::with_log(&error, name, &process.log()))?;
        Ok(Self { process, address, _ports: ports })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it said.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// The blocks of this language in docs/operations.md, in their order.
///
/// # Errors
///
/// The page cannot be read.
pub fn snippets(language: &str) -> Result<Vec<String>> {
    let page = paths::workspace().join("docs/operations.md");
    let text =
        fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let start = format!("\n```{language}\n");
    let blocks = text.split(&start).skip(1);
    Ok(blocks.filter_map(|block| block.split("\n```").next()).map(str::to_owned).collect())
}

fn address(ports: &PortRange) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], *ports.displays().start()))
}

/// A new folder for one of them.
fn folder(dir: &Path, name: &str) -> Result<std::path::PathBuf> {
    let folder =
        (0..).map(|number| dir.join(format!("{name}-{number}"))).find(|folder| !folder.exists());
    let folder = folder.context("no name is free")?;
    fs::create_dir(&folder)?;
    Ok(folder)
}
