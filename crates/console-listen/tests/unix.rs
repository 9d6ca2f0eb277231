//! UNIX sockets: their mode, what they replace, and what they leave behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly, and a child tells its parent"
)]

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use console_listen::{Address, LOCK_TIMEOUT, ListenError, Passed, Socket, UnixSocket, open};
use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

#[allow(dead_code, reason = "each test file needs another part of it")]
mod child;

#[test]
fn child() {
    let Some(role) = child::role() else { return };
    let path = PathBuf::from(std::env::var_os("AT").unwrap());
    match role.split_once(' ').unwrap() {
        ("umask", mask) => {
            let mask = u32::from_str_radix(mask, 8).unwrap();
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
            let _socket = listen(&path, 0o640).unwrap();
            child::tell(&format!("{:o}", fs::metadata(&path).unwrap().mode() & 0o7777));
        }
        // Waits for the start, so that several run at once.
        ("race", _) => {
            child::tell("ready");
            child::stay();
            let socket = listen(&path, 0o600);
            let done = PathBuf::from(std::env::var_os("DONE").unwrap());
            let mut text = match &socket {
                Ok(_) => "listens".to_owned(),
                Err(error) => error.to_string(),
            };
            text.push('\n');
            fs::write(&done, text).unwrap();
            // Until all have tried.
            let folder = done.parent().unwrap();
            while fs::read_dir(folder).unwrap().count() < RACERS {
                std::thread::yield_now();
            }
        }
        _ => {
            let _socket = listen(&path, 0o600).unwrap();
            child::tell("listens");
            child::stay();
        }
    }
}

fn at(path: &Path, mode: u32) -> Address {
    Address::Unix { path: path.to_owned(), mode }
}

fn listen(path: &Path, mode: u32) -> Result<UnixSocket, ListenError> {
    let mut opened = open(&[at(path, mode)], Passed::none())?;
    match opened.remove(0).socket {
        Socket::Unix(socket) => Ok(socket),
        Socket::Tcp(_) => panic!("not UNIX"),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_listener_takes_connections_without_blocking() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    let socket = listen(&path, 0o660).unwrap();
    assert_eq!(socket.listener().accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    UnixStream::connect(&path).unwrap();
    socket.listener().accept().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing but the socket");
    let opened = Socket::Unix(socket).to_string();
    assert_eq!(opened, format!("unix:{}", path.display()));
}

#[test]
fn the_umask_has_no_part_in_the_mode() {
    for mask in ["0", "777", "27"] {
        let folder = folder();
        let mut command = child::command(&format!("umask {mask}"));
        let output = command.env("AT", folder.path().join("x.sock")).output().unwrap();
        assert_eq!(child::told(&output.stdout), ["640"], "{output:?}");
    }
}

/// It never listened: one that did may live on for a moment in a child that another test is just starting.
fn leave_over(path: &Path) {
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
}

#[test]
fn a_socket_left_over_is_replaced() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    leave_over(&path);
    let _socket = listen(&path, 0o600).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_live_socket_is_refused_and_its_process_named() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    let mut command = child::command("listen -");
    command.env("AT", &path);
    let other = child::Running::start(command);
    let before = fs::metadata(&path).unwrap().ino();
    let error = listen(&path, 0o600).unwrap_err();
    let ListenError::TakenPath { holders, .. } = &error else { panic!("{error}") };
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].pid, Some(other.id()));
    let text = error.to_string();
    let start = format!("unix socket {} is taken by unix-", path.display());
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(error.remedy().unwrap(), "stop it, or choose another path");
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_full_backlog_and_a_datagram_socket_are_alive() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let datagram = folder.path().join("datagram.sock");
    let _datagram = UnixDatagram::bind(&datagram).unwrap();
    for path in [path, datagram] {
        let error = listen(&path, 0o600).unwrap_err();
        let ListenError::TakenPath { holders, .. } = &error else { panic!("{error}") };
        assert_eq!(holders[0].pid, Some(std::process::id()), "{error}");
    }
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let stale = folder.path().join("stale");
    leave_over(&stale);
    let link = folder.path().join("link");
    symlink(&stale, &link).unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    for (path, found) in [(&file, "a file"), (&link, "a symbolic link"), (&inner, "a directory")] {
        let error = listen(path, 0o600).unwrap_err();
        let expected =
            format!("unix socket {}: there is {found} already, and no socket", path.display());
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::metadata(&stale).unwrap().file_type().is_socket());
}

#[test]
fn a_socket_takes_its_own_file_with_it_and_no_other() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    drop(listen(&path, 0o600).unwrap());
    assert!(!path.exists());

    // In two parts: the file goes with its own.
    let (listener, file) = listen(&path, 0o600).unwrap().into_parts();
    drop(listener);
    assert!(path.exists());
    drop(file);
    assert!(!path.exists());

    let ours = listen(&path, 0o600).unwrap();
    fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    drop(ours);
    UnixStream::connect(&path).unwrap();
    drop(successor);
}

#[test]
fn if_another_address_fails_the_file_is_removed() {
    let folder = folder();
    let (first, second) = (folder.path().join("x.sock"), folder.path().join("missing/x.sock"));
    open(&[at(&first, 0o600), at(&second, 0o600)], Passed::none()).unwrap_err();
    assert!(!first.exists());
}

#[test]
fn of_several_that_start_at_once_one_listens() {
    let folder = folder();
    let done = folder.path().join("done");
    fs::create_dir(&done).unwrap();
    let path = folder.path().join("x.sock");
    // Each of them would remove it.
    leave_over(&path);
    let racers: Vec<_> = (0..RACERS)
        .map(|number| {
            let mut command = child::command("race -");
            command.env("AT", &path).env("DONE", done.join(number.to_string()));
            child::Running::start(command)
        })
        .collect();
    // All go before the first is waited for.
    let racers: Vec<_> = racers.into_iter().map(child::Running::release).collect();
    drop(racers);
    let texts: Vec<String> = fs::read_dir(&done)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(texts.len(), RACERS);
    assert_eq!(texts.iter().filter(|text| *text == "listens\n").count(), 1, "{texts:?}");
    assert_eq!(texts.iter().filter(|text| text.contains("is taken by unix-")).count(), RACERS - 1);
}

/// Takes [`LOCK_TIMEOUT`]: that the lock keeps a second one out shows only when nobody gives it up.
#[test]
fn nobody_binds_while_another_has_the_folder_locked() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    leave_over(&path);
    let lock = fs::File::open(folder.path()).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    let error = listen(&path, 0o600).unwrap_err();
    let expected = format!(
        "unix socket {}: another process has had its folder locked for {LOCK_TIMEOUT:?}",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
    drop(lock);
    let _socket = listen(&path, 0o600).unwrap();
}

#[test]
fn a_path_is_absolute_and_short_enough() {
    for path in ["x.sock", "/", "/run/..", "", "/run/x.sock/", "/run/x.sock/."] {
        let error = listen(Path::new(path), 0o600).unwrap_err();
        let expected = format!("unix socket {path} is not the absolute path of a file");
        assert_eq!(error.to_string(), expected);
    }
    let folder = folder();
    let start = folder.path().as_os_str().len() + 1;
    let longest = folder.path().join("x".repeat(107 - start));
    drop(listen(&longest, 0o600).unwrap());
    let longer = folder.path().join("x".repeat(108 - start));
    let error = listen(&longer, 0o600).unwrap_err();
    let expected = "has a path of 108 bytes, and 107 is the system's limit";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn a_missing_folder_is_named_with_the_one_above() {
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o750)).unwrap();
    let path = folder.path().join("missing/x.sock");
    let text = listen(&path, 0o600).unwrap_err().to_string();
    let above = folder.path().display();
    let start =
        format!("unix socket {}: there is no folder {above}/missing: {above}", path.display());
    assert!(text.starts_with(&start), "{text}");
    assert!(text.contains(" with mode 0750, and we run as "), "{text}");
}

/// What listening fails with on a thread that is nobody, where the tests run as root, whom no mode keeps out.
fn refused_as_nobody(path: &Path) -> ListenError {
    let path = path.to_owned();
    let refused = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::thread::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        listen(&path, 0o600).unwrap_err()
    });
    refused.join().unwrap()
}

#[test]
fn a_folder_that_is_not_for_us_is_named() {
    let folder = folder();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let link = folder.path().join("link");
    symlink("inner", &link).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    for mode in [0o555, 0o711, 0o000] {
        // Of root's own folders, 0711 leaves nobody no reading.
        let mode = if rustix::process::geteuid().is_root() { mode } else { mode & 0o555 };
        fs::set_permissions(&inner, Permissions::from_mode(mode)).unwrap();
        // As /var/run leads to /run.
        for path in [inner.join("x.sock"), link.join("x.sock")] {
            let error = refused_as_nobody(&path);
            let text = error.to_string();
            let start = format!(
                "unix socket {}: permission denied: {} belongs to ",
                path.display(),
                inner.display()
            );
            assert!(text.starts_with(&start), "{text}");
            assert!(text.contains(&format!(" with mode {mode:04o}, and we run as ")), "{text}");
            assert!(error.remedy().unwrap().starts_with("give the folder to our user"));
        }
    }
    fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
}

/// Left by a program that ran as somebody else, in a folder that is ours.
#[test]
fn a_socket_that_is_not_for_us_is_named() {
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("x.sock");
    leave_over(&path);
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let error = refused_as_nobody(&path);
    let shown = path.display();
    let start = format!("unix socket {shown}: another one is there already: {shown} belongs to ");
    assert!(error.to_string().starts_with(&start), "{error}");
    assert!(error.remedy().unwrap().contains("remove it"));
    assert!(path.exists());
}

const RACERS: usize = 6;
