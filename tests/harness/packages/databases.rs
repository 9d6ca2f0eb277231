//! The database servers: PostgreSQL, whose packages and folders are called after its version, and MariaDB.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::apt::{self, Apt};
use super::list::{MARIADB, MARIADBD, POSTGRES};
use super::unpack;
use crate::paths;

/// Where Debian keeps PostgreSQL's versions, each in a folder with a `bin` in it.
const VERSIONS: &str = "usr/lib/postgresql";

/// The folder that has PostgreSQL's `initdb` and `postgres`.
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn postgres() -> Result<PathBuf> {
    let system = version(Path::new("/")).map(|(_, bin)| Path::new("/").join(bin));
    let unpacked = unpack::dir(POSTGRES).join("wrapper");
    system
        .or_else(|| Some(paths::program("initdb")?.parent()?.to_owned()))
        .into_iter()
        .chain([unpacked])
        .find(|bin| is_whole(bin))
        .context("PostgreSQL is missing: run `cargo xtask setup` (package postgresql)")
}

fn is_whole(bin: &Path) -> bool {
    bin.join("initdb").is_file() && bin.join("postgres").is_file()
}

/// The newest version under `root`, and its programs' folder relative to `root`.
fn version(root: &Path) -> Option<(u32, PathBuf)> {
    let versions = fs::read_dir(root.join(VERSIONS)).ok()?.flatten();
    versions
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.parse().ok()?, Path::new(VERSIONS).join(name).join("bin")))
        })
        .filter(|(_, bin)| is_whole(&root.join(bin)))
        .max()
}

/// What a MariaDB of one's own is made of.
#[derive(Clone, Debug)]
pub struct MariaDbFiles {
    /// mariadbd(8).
    pub server: PathBuf,
    /// The folder with its messages and with the SQL that makes its system tables.
    pub share: PathBuf,
}

/// MariaDB's server.
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn mariadb() -> Result<MariaDbFiles> {
    let system = paths::program("mariadbd").map(|server| (server, PathBuf::from("/")));
    let unpacked = unpack::wrapper(MARIADB, "mariadbd").map(|it| (it, unpack::dir(MARIADB)));
    [system, unpacked]
        .into_iter()
        .flatten()
        .flat_map(|(server, root)| {
            // Debian's, and that of most others.
            ["usr/share/mysql", "usr/share/mariadb"]
                .map(|share| MariaDbFiles { server: server.clone(), share: root.join(share) })
        })
        .find(|files| files.share.join("mysql_system_tables.sql").is_file())
        .context("MariaDB is missing: run `cargo xtask setup` (package mariadb-server-core)")
}

pub(super) fn unpack_postgres(apt: &mut Apt) -> Result<()> {
    let package = apt::dependency(POSTGRES, "postgresql-")?;
    let closure = libraries(apt, &package)?;
    let version = package.trim_start_matches("postgresql-");
    let programs = ["initdb", "postgres"].map(|name| format!("{VERSIONS}/{version}/bin/{name}"));
    unpack::unpack(apt, POSTGRES, &closure, &programs.each_ref().map(String::as_str))
}

pub(super) fn unpack_mariadb(apt: &mut Apt) -> Result<()> {
    let closure = libraries(apt, MARIADB)?;
    unpack::unpack(apt, MARIADB, &closure, &[MARIADBD])
}

/// `package` and the libraries that it lacks. The rest of what it depends on runs it as a service: Perl, debconf, a certificate.
fn libraries(apt: &Apt, package: &str) -> Result<Vec<String>> {
    let mut closure = apt.closure(package)?;
    closure.retain(|pinned| {
        let name = pinned.split_once('=').map_or(pinned.as_str(), |(name, _)| name);
        name == package || is_needed(name)
    });
    if !closure.iter().any(|pinned| pinned.starts_with(&format!("{package}="))) {
        // Installed already, in its newest version: apt would do nothing.
        closure.push(package.to_owned());
    }
    Ok(closure)
}

fn is_needed(name: &str) -> bool {
    // LLVM (and its libz3) compiles PostgreSQL's queries, which is switched off, and is bigger than all the rest. A C library of another version
    // than the machine's does not go with its loader.
    name.starts_with("lib")
        && !["-perl", "-dev"].iter().any(|no| name.ends_with(no))
        && !["libllvm", "libz3", "libperl", "libc6", "libc-"].iter().any(|no| name.starts_with(no))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_needed_and_what_runs_a_service_is_not() {
        let offered = [
            "libpq5",
            "libllvm14",
            "libperl5.36",
            "libjson-perl",
            "perl",
            "libpq-dev",
            "libc6",
            "libldap-2.5-0",
        ];
        let needed: Vec<&str> = offered.into_iter().filter(|name| is_needed(name)).collect();
        assert_eq!(needed, ["libpq5", "libldap-2.5-0"]);
    }
}
