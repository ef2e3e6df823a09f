//! The accept loop over a real socket.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

struct Served {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<usize>,
}

async fn served(world: &World, settings: ServerSettings) -> Served {
    let app = App::new(world.app.engine.clone(), settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    Served { address, stop, served: tokio::spawn(crate::serve(listener, app, stopped)) }
}

/// Sends bytes and reads until the server closes.
async fn exchange(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(bytes).await.expect("writes");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn serves_and_stops() {
    let world = World::new().await;
    let node = served(&world, ServerSettings::default()).await;
    let answer = exchange(node.address, b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    // An idle connection does not hold up the stop.
    let _idle = TcpStream::connect(node.address).await.expect("connects");
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.stop.send(()).expect("still there");
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), node.served).await.expect("stops").expect("cleanly"), 0);
    assert!(TcpStream::connect(node.address).await.is_err());
}

#[tokio::test]
async fn a_stop_is_announced_first() {
    let world = World::new().await;
    let settings = ServerSettings { stop_notice: Duration::from_millis(500), ..ServerSettings::default() };
    let node = served(&world, settings).await;
    let ask = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        exchange(node.address, request.as_bytes()).await
    };
    assert!(ask("/readyz").await.starts_with("HTTP/1.1 200"));
    node.stop.send(()).expect("still there");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(ask("/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(ask("/livez").await.starts_with("HTTP/1.1 200"));
    node.served.await.expect("stops");
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let world = World::new().await;
    let node = served(&world, ServerSettings::default()).await;
    let long = format!("GET /livez HTTP/1.1\r\nx-long: {}\r\n\r\n", "x".repeat(70 * 1024));
    assert!(exchange(node.address, long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "x-a: b\r\n".repeat(101));
    assert!(exchange(node.address, many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    assert!(exchange(node.address, b"GET /livez HTTP/1.1\r\nx: a\0b\r\n\r\n").await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let world = World::new().await;
    let settings = ServerSettings { header_read_max: Duration::from_millis(100), ..ServerSettings::default() };
    let node = served(&world, settings).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), exchange(node.address, b"GET /livez HTTP/1.1\r\nx:")).await;
    assert!(answer.is_ok(), "the server closed");
}

#[tokio::test]
async fn connections_are_bounded() {
    let world = World::new().await;
    let settings =
        ServerSettings { connections_max: 1, header_read_max: Duration::from_millis(300), ..ServerSettings::default() };
    let node = served(&world, settings).await;
    let first = TcpStream::connect(node.address).await.expect("connects");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let request = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let second = tokio::spawn(async move { exchange(node.address, request).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!second.is_finished(), "it waits for the first to go");
    drop(first);
    assert!(second.await.expect("answered").starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_outlasts_the_drain_is_cut_off() {
    let world = World::new().await;
    let settings = ServerSettings { drain_max: Duration::from_millis(100), ..ServerSettings::default() };
    let node = served(&world, settings).await;
    let mut stuck = TcpStream::connect(node.address).await.expect("connects");
    let head =
        format!("POST /api/v1/tenants HTTP/1.1\r\nauthorization: Bearer {}\r\ncontent-length: 10\r\n\r\n", world.operator);
    stuck.write_all(head.as_bytes()).await.expect("writes");
    tokio::time::sleep(Duration::from_millis(50)).await;
    node.stop.send(()).expect("still there");
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), node.served).await.expect("stops").expect("cleanly"), 1);
}
