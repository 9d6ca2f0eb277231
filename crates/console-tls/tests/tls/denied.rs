//! Files that the service's user may not read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use console_tls::Identity;
use console_tls::rustls::crypto::aws_lc_rs;
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;

use crate::rig::{Chain, write};

/// The error as a user has it who is nobody's; only this thread becomes one.
fn refused(path: &Path) -> String {
    let path = path.to_owned();
    let load = move || {
        if rustix::process::geteuid().is_root() {
            let nobody = Uid::from_raw(65534);
            set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        Identity::load(&path, None, &aws_lc_rs::default_provider()).unwrap_err()
    };
    let error = std::thread::spawn(load).join().unwrap();
    assert!(error.remedy().contains("chmod 640"), "{}", error.remedy());
    error.to_string()
}

#[test]
fn the_error_names_the_obstacle_its_mode_and_who_we_are() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    let chain = Chain::new();
    let file = write(dir, "cert.pem", format!("{}{}", chain.own, chain.key));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let said = refused(&file);
    let expected = format!("{0} cannot be read: {0} belongs to ", file.display());
    assert!(
        said.starts_with(&expected) && said.contains(" with mode 0000, and we run as "),
        "{said}"
    );

    // As certbot has it: a link into a folder that is root's alone.
    let archive = dir.join("archive");
    fs::create_dir(&archive).unwrap();
    write(&archive, "cert1.pem", "x");
    fs::create_dir(dir.join("live")).unwrap();
    let link = dir.join("live/cert.pem");
    symlink("../archive/cert1.pem", &link).unwrap();
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o600)).unwrap();
    let said = refused(&link);
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(said.starts_with(&format!("{} cannot be read: ", link.display())), "{said}");
    assert!(said.contains("archive belongs to ") && said.contains(" with mode 0600"), "{said}");
}
