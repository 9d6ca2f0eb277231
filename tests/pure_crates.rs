//! The I/O line: the pure crates depend on what is written down beside them, and on nothing else.

use std::process::Command;

use harness::{Result, paths};

#[test]
fn pure_crates_depend_on_what_is_listed() -> Result<()> {
    for name in [
        "console-token",
        "database-url",
        "django-settings",
        "host-endpoint",
        "libvirt-graphics",
        "console-route",
        "console-greeting",
    ] {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "tree",
                "--locked",
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--format",
                "{p}",
                "--package",
                name,
            ])
            .current_dir(paths::workspace())
            .output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout)?;
        let mut found: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        found.sort_unstable();
        found.dedup();
        let list = paths::workspace().join("crates").join(name).join("dependencies.txt");
        let listed = std::fs::read_to_string(&list)?;
        let listed: Vec<&str> = listed.lines().collect();
        assert_eq!(found, listed, "the dependencies of {name} are not those of {}", list.display());
        let root = paths::workspace().join("crates").join(name).join("src/lib.rs");
        assert!(std::fs::read_to_string(root)?.contains("\n#![no_std]\n"), "{name} is not no_std");
    }
    Ok(())
}
