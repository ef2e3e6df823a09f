//! A batch's lines are requests like any other: answered, billed, limited, and behind whoever waits.

use std::time::{Duration, Instant};

use insula_model::Money;
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::batch::{CHAT, EMBEDDINGS, chats, content, line, output, over, read, start};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::{Node, eventually, eventually_within, usd};
use serde_json::{Value, json};

#[tokio::test]
async fn every_line_is_answered_and_billed() {
    let node = Node::start().await;
    let tenant = node.tenant("answered").await;
    let id = start(&tenant.service, &chats(60), CHAT).await;
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["status"], "completed", "{batch}");
    assert_eq!(batch["request_counts"], json!({"total": 60, "completed": 60, "failed": 0}));
    for field in ["created_at", "in_progress_at", "finalizing_at", "completed_at", "expires_at"] {
        assert!(batch[field].is_i64(), "{field}: {batch}");
    }
    assert_eq!((&batch["error_file_id"], &batch["errors"]), (&json!(null), &json!(null)));
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    assert_eq!(found.len(), 60);
    for (custom_id, line) in &found {
        assert!(line["id"].as_str().unwrap().starts_with("batch_req_"), "{line}");
        assert_eq!((&line["error"], &line["response"]["status_code"]), (&json!(null), &json!(200)));
        let said = line["response"]["body"]["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(said.contains(&custom_id.replace('-', " ")), "{custom_id}: {said}");
        assert!(line["response"]["request_id"].as_str().unwrap().starts_with("req_"));
    }
    assert_eq!(node.simulator().count(), 60);
    let usage = tenant.usage().await;
    assert_eq!((&usage["requests"], &usage["attempts"]), (&json!(60), &json!(60)), "{usage}");
    let by_key = tenant.usage_by("key").await;
    assert_eq!(by_key[0]["group"].as_str(), Some(tenant.service_key.as_str()), "{by_key:?}");
    let listed = tenant.service.get("/v1/batches").await.expect(200).json();
    assert_eq!((&listed["data"][0]["id"], &listed["has_more"]), (&json!(id), &json!(false)));
}

#[tokio::test]
async fn embeddings_come_whole() {
    let node = Node::start().await;
    let tenant = node.tenant("embedded").await;
    let lines: String =
        (0..20).map(|n| line(&n.to_string(), EMBEDDINGS, &json!({"model": "sim-embed", "input": n.to_string()}))).collect();
    let batch = over(&tenant.service, &start(&tenant.service, &lines, EMBEDDINGS).await).await;
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    assert_eq!(found.len(), 20);
    let direct = tenant.service.post(EMBEDDINGS, &json!({"model": "sim-embed", "input": "7"})).await.expect(200).json();
    assert_eq!(found["7"]["response"]["body"]["data"], direct["data"]);
}

#[tokio::test]
async fn a_line_that_asks_for_what_is_not_there_is_in_the_error_file() {
    let node = Node::start().await;
    let tenant = node.tenant("not-there").await;
    let ask = |retrieval: Value| {
        let messages = json!([{"role": "user", "content": "hi"}]);
        json!({"model": "sim-small", "messages": messages, "insula": {"retrieval": retrieval}})
    };
    let lines = [
        line("corpus", CHAT, &ask(json!({"corpora": ["nowhere"]}))),
        line("store", CHAT, &ask(json!({"vector_store_ids": ["vs_00000000000000000000000000"]}))),
        line("right", CHAT, &ask(json!(true))),
    ];
    let batch = over(&tenant.service, &start(&tenant.service, &lines.concat(), CHAT).await).await;
    assert_eq!((&batch["status"], &batch["request_counts"]["failed"]), (&json!("completed"), &json!(2)), "{batch}");
    let errors = output(&tenant.service, &batch["error_file_id"]).await;
    for (id, param) in [("corpus", "insula.retrieval.corpora"), ("store", "insula.retrieval.vector_store_ids")] {
        let response = &errors[id]["response"];
        let error = &response["body"]["error"];
        assert_eq!(
            (&response["status_code"], &error["code"], &error["param"]),
            (&json!(404), &json!("not_found"), &json!(param))
        );
    }
    assert!(output(&tenant.service, &batch["output_file_id"]).await.contains_key("right"));
}

#[tokio::test]
async fn a_line_that_is_refused_is_in_the_error_file() {
    let node = Node::start().await;
    let tenant = node.tenant("refused").await;
    let message = json!([{"role": "user", "content": "hi"}]);
    let lines = [
        line("right", CHAT, &json!({"model": "sim-small", "messages": message})),
        line("no-model", CHAT, &json!({"model": "nobody", "messages": message})),
        line("stream", CHAT, &json!({"model": "sim-small", "messages": message, "stream": true})),
        line("wrong", CHAT, &json!({"model": "sim-small"})),
    ];
    let batch = over(&tenant.service, &start(&tenant.service, &lines.concat(), CHAT).await).await;
    assert_eq!(batch["status"], "completed");
    assert_eq!(batch["request_counts"], json!({"total": 4, "completed": 1, "failed": 3}));
    assert_eq!(output(&tenant.service, &batch["output_file_id"]).await.len(), 1);
    let errors = output(&tenant.service, &batch["error_file_id"]).await;
    let of = |id: &str| {
        let response = &errors[id]["response"];
        (response["status_code"].as_u64().unwrap(), response["body"]["error"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("no-model"), (404, "model_not_found".to_owned()));
    assert_eq!(of("stream"), (400, "invalid_request".to_owned()));
    assert_eq!(of("wrong"), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn a_provider_that_fails_now_and_then_is_asked_again() {
    let node = Node::start().await;
    let tenant = node.tenant("again").await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::ServerError, 0.2)], seed: 3, ..Scenario::default() });
    let batch = over(&tenant.service, &start(&tenant.service, &chats(30), CHAT).await).await;
    let (done, failed) = (&batch["request_counts"]["completed"], &batch["request_counts"]["failed"]);
    assert!(done.as_u64().unwrap() >= 28 && done.as_u64().unwrap() + failed.as_u64().unwrap() == 30, "{batch}");
}

/// However busy the machine is, the first lines use up the pace within this.
const PACED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn limits_on_pace_are_waited_for() {
    let node = Node::start().await;
    let tenant = node.tenant("paced").await;
    tenant.set_limits(json!({"requests_per_minute": 300, "concurrency": 8})).await;
    let id = start(&tenant.service, &chats(260), CHAT).await;
    // A quarter of the pace stays free for others, who are not refused while the batch runs.
    eventually_within(PACED_WITHIN, "the batch waits for pace", || async {
        (read(&tenant.service, &id).await["waiting_for"] == "pace").then_some(())
    })
    .await;
    for n in 0..20 {
        tenant.chat(&format!("in between {n}")).await.expect(200);
    }
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["request_counts"], json!({"total": 260, "completed": 260, "failed": 0}), "{batch}");
    assert_eq!(batch["waiting_for"], json!(null));
}

#[tokio::test]
async fn lines_wait_for_money() {
    let node = Node::start().await;
    let tenant = node.tenant("poor").await;
    tenant.set_monthly_budget(usd(&json!("0.000000001"))).await;
    let id = start(&tenant.service, &chats(3), CHAT).await;
    eventually("the batch waits", || async {
        let batch = read(&tenant.service, &id).await;
        (batch["waiting_for"] == "budget").then(|| assert_eq!(batch["status"], "in_progress"))
    })
    .await;
    tenant.set_monthly_budget(Money::from_usd("10").unwrap()).await;
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["request_counts"]["completed"], 3, "{batch}");
}

#[tokio::test]
async fn who_waits_goes_before_the_lines() {
    let config = ServeConfig { provider: vec!["concurrency_max = 2".to_owned()], ..ServeConfig::default() };
    let node = Setup::default().serve(config).start().await;
    let tenant = node.tenant("patient").await;
    node.scenario(Scenario { latency_ms: 150, ..Scenario::default() });
    let id = start(&tenant.service, &chats(60), CHAT).await;
    eventually("lines wait", || async { (node.simulator().count() >= 4).then_some(()) }).await;
    for n in 0..5 {
        let begun = Instant::now();
        tenant.chat(&format!("hurry {n}")).await.expect(200);
        // At most one line before it, and its own time: behind fifteen lines it would be a second and more.
        assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
    }
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["request_counts"]["completed"], 60);
}

#[tokio::test]
async fn the_command_line_shows_and_the_output_is_a_file() {
    let node = Node::start().await;
    let tenant = node.tenant("shown").await;
    let id = start(&tenant.service, &chats(8), CHAT).await;
    let batch = over(&tenant.service, &id).await;
    let data_dir = ["--data-dir", "data"];
    let listed = node.insula(&[&["batch"], &data_dir[..], &["list", "shown"]].concat()).await;
    assert!(listed.stdout.contains(&id) && listed.stdout.contains("8 of 8, 100%"), "{}{}", listed.stdout, listed.stderr);
    let shown = node.insula(&[&["batch"], &data_dir[..], &["show", "shown", &id]].concat()).await;
    assert!(shown.stdout.contains("completed"), "{}", shown.stdout);
    let refused = node.insula(&[&["batch"], &data_dir[..], &["cancel", "shown", &id]].concat()).await;
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let file = batch["output_file_id"].as_str().unwrap();
    assert_eq!(content(&tenant.service, file).await.lines().count(), 8);
    let of_outputs = tenant.service.get("/v1/files?purpose=batch_output").await.expect(200).json();
    assert_eq!(of_outputs["data"][0]["id"], file);
}
