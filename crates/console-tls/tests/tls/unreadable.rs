//! Files that our user may not read: what stands in the way, whose it is, and who we are.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use console_tls::{Tls, TlsError};
use rustix::process::{geteuid, getgid, getuid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::rig::{Chain, Files, settings};

/// Does something as a user who owns nothing: root passes every door, and is left for it by this thread alone.
fn as_nobody<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if getuid().is_root() {
                let nobody = 65534;
                set_thread_groups(&[]).unwrap();
                set_thread_gid(rustix::process::Gid::from_raw(nobody)).unwrap();
                set_thread_uid(rustix::process::Uid::from_raw(nobody)).unwrap();
            }
            what()
        });
        thread.join().unwrap()
    })
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// `id` knows the names that the message has to have.
fn id(arguments: &[&str]) -> String {
    let output = std::process::Command::new("id").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// `… belongs to OWNER with mode MODE, and we run as USER`
fn assert_denied(error: &TlsError, file: &Path, obstacle: &Path, mode: &str) {
    let (owner, group) = (id(&["-un"]), id(&["-gn"]));
    let user = if geteuid().is_root() { id(&["-un", "65534"]) } else { owner.clone() };
    assert_eq!(
        error.to_string(),
        format!(
            "{} cannot be read: {} belongs to {owner}:{group} with mode {mode}, and we run as {user}",
            file.display(),
            obstacle.display()
        )
    );
    let source = std::error::Error::source(error).unwrap().to_string();
    assert!(source.starts_with("Permission denied"), "{source}");
    assert_eq!(
        error.remedy(),
        "let the service's user read it: by its group and chmod 640, or in systemd by LoadCredential"
    );
}

/// A folder that everybody may enter, with a chain in it.
fn files() -> (Files, std::path::PathBuf) {
    let files = Files::new();
    set_mode(files.root(), 0o755);
    assert_eq!(fs::metadata(files.root()).unwrap().gid(), getgid().as_raw());
    let path = files.write("all.pem", Chain::new().full());
    (files, path)
}

#[test]
fn the_file_itself() {
    let (_files, path) = files();
    for mode in [0o000, 0o200] {
        set_mode(&path, mode);
        let error = as_nobody(|| Tls::load(settings(&path))).unwrap_err();
        assert_denied(&error, &path, &path, &format!("{mode:04o}"));
    }
    set_mode(&path, 0o644);
    as_nobody(|| Tls::load(settings(&path))).unwrap();
}

#[test]
fn the_key_and_the_clients_authority() {
    let (files, path) = files();
    let chain = Chain::new();
    set_mode(&files.write("all.pem", &chain.leaf.pem), 0o644);
    let mut settings = settings(&path);
    let key = files.write("key.pem", &chain.leaf.key);
    set_mode(&key, 0o000);
    settings.key = Some(key.clone());
    let error = as_nobody(|| Tls::load(settings.clone())).unwrap_err();
    assert_denied(&error, &key, &key, "0000");

    set_mode(&key, 0o644);
    let ca = files.write("ca.pem", &chain.root.pem);
    set_mode(&ca, 0o000);
    let clients = console_tls::ClientCertificates { ca: ca.clone(), required: true };
    settings.clients = Some(clients);
    let error = as_nobody(|| Tls::load(settings)).unwrap_err();
    assert_denied(&error, &ca, &ca, "0000");
}

#[test]
fn a_folder_on_the_way() {
    let (files, _) = files();
    let folder = files.path("private");
    fs::create_dir_all(folder.join("deeper")).unwrap();
    let path = files.write("private/deeper/all.pem", Chain::new().full());
    set_mode(&path, 0o644);
    for mode in [0o600, 0o000] {
        set_mode(&folder, mode);
        let error = as_nobody(|| Tls::load(settings(&path))).unwrap_err();
        set_mode(&folder, 0o700);
        assert_denied(&error, &path, &folder, &format!("{mode:04o}"));
    }
}

#[test]
fn behind_certbots_links() {
    let (files, _) = files();
    fs::create_dir_all(files.path("live/console")).unwrap();
    fs::create_dir_all(files.path("archive/console")).unwrap();
    let target = files.write("archive/console/privkey1.pem", Chain::new().full());
    let link = files.path("live/console/privkey.pem");
    symlink("../../archive/console/privkey1.pem", &link).unwrap();
    for folder in ["live", "live/console", "archive", "archive/console"] {
        set_mode(&files.path(folder), 0o755);
    }
    let archive = files.path("archive").canonicalize().unwrap();
    // The folder that the link leads to, by its own name.
    set_mode(&archive, 0o600);
    let error = as_nobody(|| Tls::load(settings(&link))).unwrap_err();
    set_mode(&archive, 0o755);
    assert_denied(&error, &link, &archive, "0600");
    // The file that the link leads to.
    set_mode(&target, 0o000);
    let error = as_nobody(|| Tls::load(settings(&link))).unwrap_err();
    assert_denied(&error, &link, &archive.join("console/privkey1.pem"), "0000");
    // The folder of the link.
    set_mode(&files.path("live"), 0o600);
    let error = as_nobody(|| Tls::load(settings(&link))).unwrap_err();
    set_mode(&files.path("live"), 0o755);
    assert_denied(&error, &link, &files.path("live"), "0600");
    // A folder that is a link itself.
    symlink("archive", files.path("alias")).unwrap();
    set_mode(&archive, 0o600);
    let path = files.path("alias/console/privkey1.pem");
    let error = as_nobody(|| Tls::load(settings(&path))).unwrap_err();
    set_mode(&archive, 0o755);
    assert_denied(&error, &path, &archive, "0600");
}
