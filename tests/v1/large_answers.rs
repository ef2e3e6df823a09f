//! Large answers: together they hold no more than the node allows, and those of one tenant leave room for others'.

use insula_tests::{Node, Reply, TestTenant, config::ServeConfig, eventually, node::Setup, raw};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const EMBEDDINGS: &str = "/v1/embeddings";
/// More than what a connection takes in although its reader reads nothing.
const LARGE: usize = 10 * 1024 * 1024;

/// Asks for an answer of more than [`LARGE`], of which less than twice as much.
fn large() -> Value {
    json!({"model": "sim-embed", "input": vec!["a"; 400], "dimensions": 3_072})
}

async fn ask(tenant: &TestTenant, body: &Value) -> Reply {
    tenant.service.post(EMBEDDINGS, body).await
}

/// A caller that asks for a large answer and reads no more than its beginning.
async fn unread(node: &Node, tenant: &TestTenant) -> TcpStream {
    let (key, body) = (tenant.service.credential().unwrap(), large().to_string());
    let mut socket = raw::connect(node.url()).await;
    let head = format!(
        "POST {EMBEDDINGS} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_reads_takes_the_room_of_its_tenant_alone() {
    // One answer fits into a tenant's quarter, two do not.
    let more = vec![("bounds", format!("answers_bytes_max = {}", 4 * 2 * LARGE))];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let (idle, other) = (node.tenant("idle").await, node.tenant("other").await);
    let held = unread(&node, &idle).await;
    // More refusals than failures that a circuit would open for.
    for _ in 0..4 {
        let error = ask(&idle, &large()).await.openai_error(503, "unavailable");
        assert!(error["message"].as_str().unwrap().contains("your other answers"), "{error}");
    }
    // What the provider did was done, and is on the bill.
    assert_eq!(idle.usage().await["attempts"], 5);
    // Small answers need no room, and others have theirs.
    ask(&idle, &json!({"model": "sim-embed", "input": "a"})).await.expect(200);
    let answer = ask(&other, &large()).await.expect(200);
    assert!((LARGE..2 * LARGE).contains(&answer.body.len()), "{} bytes", answer.body.len());
    drop(held);
    eventually("there is room again", || async { (ask(&idle, &large()).await.status == 200).then_some(()) }).await;
}
