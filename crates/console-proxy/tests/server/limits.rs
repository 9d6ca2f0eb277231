//! What is bounded: sessions, connections, and every wait for a client.

use std::time::Duration;

use console_config::ServerSettings;
use console_proxy::{Listener, Opener, SshLimits, run};
use harness::websocket::{Client, Message, PATIENCE, raw_http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::rig::{Answer, Server, accept, path, quick};

#[tokio::test]
async fn one_session_too_many_is_told_so() {
    let (server, backend) =
        Server::with_backend(ServerSettings { max_sessions: 2, ..quick() }).await;
    let mut first = Client::open(server.address, &path(), &[]).await.unwrap();
    let console = accept(&backend).await;
    let _second = Client::open(server.address, &path(), &[]).await.unwrap();
    let _other = accept(&backend).await;
    let mut third = Client::open(server.address, &path(), &[]).await.unwrap();
    assert_eq!(third.closed().await.unwrap().code, 1013);
    // A place that is given back can be taken again.
    drop(console);
    assert_eq!(first.closed().await.unwrap().code, 1000);
    loop {
        let mut again = Client::open(server.address, &path(), &[]).await.unwrap();
        tokio::select! {
            _console = accept(&backend) => break,
            closed = again.closed() => assert_eq!(closed.unwrap().code, 1013),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let server =
        Server::start(ServerSettings { max_connections: 1, ..quick() }, Answer::Never).await;
    let mut holder = TcpStream::connect(server.address).await.unwrap();
    holder.write_all(b"GET / HT").await.unwrap();
    // Served as soon as the first one's time is over.
    let answer =
        raw_http(server.address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200 "));
    server.stop().await;
}

#[tokio::test]
async fn a_listener_that_nobody_connects_to_takes_no_place() {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let listeners = listeners.map(|listener| {
        listener.set_nonblocking(true).unwrap();
        Listener::from(TcpListener::from_std(listener).unwrap())
    });
    let settings = ServerSettings { max_connections: 1, ..quick() };
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let opener = Opener::new(settings.connect_timeout, SshLimits::default());
    let run = run(listeners.into(), None, settings, opener, Answer::Never, shutdown);
    let server = tokio::spawn(run);
    let [one, other] = addresses;
    for address in [one, one, other, other] {
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = timeout(PATIENCE, raw_http(address, request)).await.unwrap();
        assert!(answer.unwrap().starts_with("HTTP/1.1 200 "));
    }
    drop(stop);
    timeout(PATIENCE, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_cut_off() {
    let server = Server::start(quick(), Answer::Never).await;
    for beginning in ["", "G", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        // The last one is a complete request: its idle connection is not kept either.
        let read = timeout(Duration::from_secs(30), stream.read_to_end(&mut all)).await;
        assert!(read.is_ok(), "after {beginning:?} the connection stayed open");
    }
    server.stop().await;
}

#[tokio::test]
async fn ended_sessions_and_connections_leave_no_task() {
    let (server, backend) = Server::with_backend(quick()).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // `run` itself and its one listener's.
    let before = 2;
    for round in 0..4 {
        let mut held = Vec::new();
        for _ in 0..25 {
            let client = Client::open(server.address, &path(), &[]).await.unwrap();
            held.push((client, accept(&backend).await));
            held.last_mut().unwrap().0.send(Message::binary(&b"x"[..])).await.unwrap();
        }
        let unfinished = TcpStream::connect(server.address).await.unwrap();
        assert!(tasks() >= before + 25, "{} tasks in round {round}", tasks());
        // Ended by the clients, by the backends, or both at once.
        for (index, (client, console)) in held.into_iter().enumerate() {
            match index % 3 {
                0 => drop(client),
                1 => drop(console),
                _ => drop((client, console)),
            }
        }
        let settled = async {
            while tasks() > before {
                tokio::task::yield_now().await;
            }
        };
        let settled = timeout(Duration::from_secs(30), settled).await;
        assert!(settled.is_ok(), "{} tasks, {before} before", tasks());
        drop(unfinished);
    }
    server.stop().await;
}
