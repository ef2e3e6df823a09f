//! What is wrong with a batch is told line by line, and nothing of it is sent.

use insula_tests::Node;
use insula_tests::batch::{CHAT, EMBEDDINGS, chats, create, file, line, over, start};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use serde_json::{Value, json};

fn chat() -> Value {
    json!({"model": "sim-small", "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn wrong_lines_are_listed() {
    let node = Node::start().await;
    let tenant = node.tenant("invalid").await;
    let lines = [
        line("a", CHAT, &chat()),
        "{\"custom_id\": \"b\"\n".to_owned(),
        "\n".to_owned(),
        line("a", CHAT, &chat()),
        line("c", EMBEDDINGS, &chat()),
        line("d", CHAT, &chat()).replace("POST", "GET"),
        line("e", CHAT, &json!("text")),
        line("", CHAT, &chat()),
        "[1]\n".to_owned(),
        line("f", CHAT, &chat()).trim_end().to_owned(),
    ];
    let batch = start(&tenant.service, &lines.concat(), CHAT).await;
    let batch = over(&tenant.service, &batch).await;
    assert_eq!(batch["status"], "failed");
    assert!(batch["failed_at"].is_i64(), "{batch}");
    let errors = batch["errors"]["data"].as_array().unwrap();
    let found: Vec<_> = errors.iter().map(|error| (error["line"].as_u64().unwrap(), error["code"].as_str().unwrap())).collect();
    let wanted = [
        (2, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "mismatched_url"),
        (6, "invalid_method"),
        (7, "missing_required_parameter"),
        (8, "invalid_custom_id"),
        (9, "invalid_json_line"),
    ];
    assert_eq!(found, wanted, "{batch}");
    assert_eq!(node.simulator().count(), 0);
}

#[tokio::test]
async fn bounds_are_told() {
    let more = vec![("batches", "lines_max = 3\nline_bytes_max = 300\nactive_per_tenant_max = 1".to_owned())];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("bounded").await;
    let long = line("long", CHAT, &json!({"model": "sim-small", "messages": [{"role": "user", "content": "x".repeat(300)}]}));
    for (content, code) in [(String::new(), "empty_file"), (chats(4), "too_many_lines"), (long, "line_too_long")] {
        let batch = over(&tenant.service, &start(&tenant.service, &content, CHAT).await).await;
        assert_eq!((&batch["status"], &batch["errors"]["data"][0]["code"]), (&"failed".into(), &code.into()), "{batch}");
    }
    node.scenario(insula_simulator::Scenario { latency_ms: 2_000, ..Default::default() });
    let id = file(&tenant.service, &chats(1)).await;
    create(&tenant.service, &id, CHAT).await.expect(200);
    create(&tenant.service, &id, CHAT).await.openai_error(429, "rate_limit_exceeded");
}

#[tokio::test]
async fn wrong_orders_name_the_field() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("orders").await, node.tenant("other-orders").await);
    let (id, foreign) = (file(&tenant.service, &chats(1)).await, file(&other.service, &chats(1)).await);
    let right = json!({"input_file_id": id, "endpoint": CHAT, "completion_window": "24h"});
    let changed = |field: &str, value: Value| {
        let mut body = right.clone();
        body[field] = value;
        body
    };
    for (body, param) in [
        (changed("endpoint", json!("/v1/completions")), "endpoint"),
        (changed("completion_window", json!("1h")), "completion_window"),
        (changed("metadata", json!({"x": "y".repeat(513)})), "metadata"),
        (changed("priority", json!(1)), "priority"),
    ] {
        let error = tenant.service.post("/v1/batches", &body).await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], param);
    }
    let never = format!("{}0", &foreign[..foreign.len() - 1]);
    let mut answers = Vec::new();
    for id in [foreign, never, "file_x".to_owned()] {
        let reply = tenant.service.post("/v1/batches", &changed("input_file_id", json!(id))).await;
        answers.push(reply.openai_error(404, "not_found"));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(node.simulator().count(), 0);
}
