//! Opening routes on this machine, and the errors of those that cannot be opened.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::error::Error as _;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use console_backend::{Backend, OpenError, Opener, SshHost, SshLimits};
use console_route::Route as AnyRoute;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

const LIMIT: Duration = Duration::from_secs(10);

type Route = AnyRoute<Arc<SshHost>>;

async fn open(route: &Route, limit: Duration) -> Result<Backend, OpenError> {
    Opener::new(limit, SshLimits::default()).open(route).await
}

fn tcp(host: &str, port: u16) -> Route {
    Route::Tcp { host: host.into(), port: NonZeroU16::new(port).unwrap(), prefer: None }
}

#[tokio::test]
async fn a_tcp_console_opens_and_half_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // localhost may resolve to ::1 first, where nothing listens: the next address is tried.
    let route = tcp("localhost", port);
    let (opened, accepted) = tokio::join!(open(&route, LIMIT), listener.accept());
    let (mut backend, mut server) = (opened.unwrap(), accepted.unwrap().0);
    backend.write_all(b"keys").await.unwrap();
    backend.shutdown().await.unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    server.write_all(b"picture").await.unwrap();
    drop(server);
    let mut back = Vec::new();
    backend.read_to_end(&mut back).await.unwrap();
    assert_eq!((got.as_slice(), back.as_slice()), (&b"keys"[..], &b"picture"[..]));
}

#[tokio::test]
async fn a_unix_console_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vnc.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let route = Route::Unix { path: path.to_str().unwrap().into() };
    let (opened, accepted) = tokio::join!(open(&route, LIMIT), listener.accept());
    accepted.unwrap().0.write_all(b"RFB").await.unwrap();
    let mut got = [0; 3];
    opened.unwrap().read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"RFB");
}

#[tokio::test]
async fn a_closed_port_is_refused_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = open(&tcp("127.0.0.1", port), LIMIT).await.unwrap_err();
    assert!(matches!(error, OpenError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("tcp 127.0.0.1:{port} refused the connection: nothing listens there")
    );
}

#[tokio::test]
async fn a_full_backlog_ends_in_the_time_out() {
    // With the accept queue full Linux drops the SYN: the same silence as behind a firewall.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let route = tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let mut fillers = Vec::new();
    let error = loop {
        match open(&route, Duration::from_millis(200)).await {
            Ok(filler) => fillers.push(filler),
            Err(error) => break error,
        }
        assert!(fillers.len() < 16, "the backlog never filled");
    };
    assert!(matches!(error, OpenError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_socket_keeps_the_systems_words() {
    let error =
        open(&Route::Unix { path: "/nonexistent/vnc.sock".into() }, LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), "unix /nonexistent/vnc.sock cannot be opened");
    assert!(error.source().unwrap().to_string().contains("No such file or directory"));
}

#[tokio::test]
async fn a_symbolic_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.sock"), folder.path().join("vnc.sock"));
    let _listener = UnixListener::bind(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let route = |path: &std::path::Path| Route::Unix { path: path.to_str().unwrap().into() };
    let error = open(&route(&link), LIMIT).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("unix {} is a symbolic link, not a socket", link.display())
    );
    open(&route(&real), LIMIT).await.unwrap();
    // Of a folder above it, a link is as good as any.
    let above = folder.path().join("above");
    std::os::unix::fs::symlink(folder.path(), &above).unwrap();
    open(&route(&above.join("real.sock")), LIMIT).await.unwrap();
}

#[tokio::test]
async fn what_is_no_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, found) in [(file.as_path(), "a file"), (folder.path(), "a directory")] {
        let error =
            open(&Route::Unix { path: path.to_str().unwrap().into() }, LIMIT).await.unwrap_err();
        assert_eq!(error.to_string(), format!("unix {} is {found}, not a socket", path.display()));
    }
}

#[tokio::test]
async fn a_socket_whose_backlog_is_full_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vnc.sock");
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    // As QEMU's VNC server does.
    let listener = socket.listen(1).unwrap();
    let route = Route::Unix { path: path.to_str().unwrap().into() };
    let mut waiting = Vec::new();
    let error = loop {
        match open(&route, Duration::from_millis(100)).await {
            Ok(one) => waiting.push(one),
            Err(error) => break error,
        }
        assert!(waiting.len() < 16, "the backlog never filled");
    };
    assert!(matches!(error, OpenError::TimedOut { .. }), "{error:?}");
    let accept_all = async {
        loop {
            listener.accept().await.unwrap();
        }
    };
    tokio::select! {
        opened = open(&route, LIMIT) => drop(opened.unwrap()),
        () = accept_all => {}
    }
}

/// On a thread that is nobody, where the tests run as root, whom no mode keeps out. Threads that the runtime starts inherit it.
fn as_nobody<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let nobody = std::thread::spawn(|| {
        if rustix::process::geteuid().is_root() {
            let id = rustix::thread::Uid::from_raw(NOBODY);
            rustix::thread::set_thread_res_uid(id, id, id).unwrap();
        }
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    });
    nobody.join().unwrap()
}

#[test]
fn permission_denied_names_the_obstacle_its_owner_and_us() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(folder.path(), 0o711);
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("vnc.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let owner = if std::fs::metadata(&path).unwrap().uid() == 0 {
        "belongs to root:"
    } else {
        "belongs to "
    };
    let us = if rustix::process::geteuid().is_root() {
        "and we run as nobody"
    } else {
        "and we run as "
    };
    let route = Route::Unix { path: path.to_str().unwrap().into() };
    for (folder_mode, socket_mode, obstacle, shown) in
        [(0o755, 0o000, &path, "0000"), (0o000, 0o777, &inner, "0000")]
    {
        mode(&path, socket_mode);
        mode(&inner, folder_mode);
        let route = route.clone();
        let error = as_nobody(async move { open(&route, LIMIT).await.unwrap_err() }).to_string();
        let start = format!(
            "unix {}: permission denied: {} belongs to ",
            path.display(),
            obstacle.display()
        );
        assert!(error.starts_with(&start) && error.contains(owner), "{error}");
        assert!(error.contains(&format!("with mode {shown}, {us}")), "{error}");
        mode(&inner, 0o755);
    }
}

const NOBODY: u32 = 65534;
