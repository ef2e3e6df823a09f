//! Lines of embeddings go together, and each has what it would have had alone.

use std::collections::HashSet;

use insula_model::Money;
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::batch::{EMBEDDINGS, embeds, line, output, over, read, start};
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::{Node, TestTenant, eventually, usd};
use serde_json::{Value, json};

/// Lines that go together where nothing stands in the way.
const TOGETHER: usize = 100;

async fn completed(tenant: &TestTenant, lines: &str) -> Value {
    let id = start(&tenant.service, lines, EMBEDDINGS).await;
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["status"], "completed", "{batch}");
    batch
}

/// The texts, or tokens, of each call that reached the provider.
fn calls(node: &Node) -> Vec<Vec<String>> {
    let inputs = |body: Value| match &body["input"] {
        Value::Array(inputs) => inputs.iter().map(Value::to_string).collect(),
        one => vec![one.to_string()],
    };
    node.simulator().requests().into_iter().map(|request| inputs(request.body.unwrap())).collect()
}

#[tokio::test]
async fn a_thousand_lines_are_a_few_calls() {
    let node = Node::start().await;
    let tenant = node.tenant("thousand").await;
    let batch = completed(&tenant, &embeds(1_000)).await;
    assert_eq!(batch["request_counts"], json!({"total": 1_000, "completed": 1_000, "failed": 0}));
    assert_eq!(node.simulator().count() as usize, 1_000 / TOGETHER);
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    assert_eq!(found.len(), 1_000);
    let (mut tokens, mut ids, mut requests) = (0, HashSet::new(), HashSet::new());
    for line in found.values() {
        assert_eq!(line["response"]["status_code"], 200, "{line}");
        tokens += line["response"]["body"]["usage"]["prompt_tokens"].as_u64().unwrap();
        ids.insert(line["id"].as_str().unwrap());
        requests.insert(line["response"]["request_id"].as_str().unwrap());
    }
    assert_eq!((ids.len(), requests.len()), (1_000, 1_000 / TOGETHER));
    // What the lines say that they used is what the bill says.
    let usage = tenant.usage().await;
    assert_eq!((&usage["attempts"], &usage["tokens"]["input"]), (&json!(10), &json!(tokens)), "{usage}");
    let attempts = tenant.request(requests.into_iter().next().unwrap()).await;
    assert_eq!(attempts["attempts"].as_array().unwrap().len(), 1);
    for n in (0..1_000).step_by(23) {
        let direct = tenant.service.post(EMBEDDINGS, &insula_tests::batch::embed(n)).await.expect(200).json();
        assert_eq!(found[&format!("line-{n}")]["response"]["body"], direct, "line {n}");
    }
}

#[tokio::test]
async fn every_kind_of_line_has_what_it_would_have_alone() {
    let node = Node::start().await;
    let tenant = node.tenant("kinds").await;
    let mut bodies = Vec::new();
    for n in 0..40 {
        let text = "x".repeat(n % 9 + 1);
        bodies.push(json!({"model": "sim-embed", "input": [text, format!("second of {n}")]}));
        bodies.push(json!({"model": "sim-embed", "input": text, "dimensions": 8}));
        bodies.push(json!({"input": text, "encoding_format": "base64", "dimensions": 8, "model": "sim-embed"}));
        bodies.push(json!({"model": "sim-embed", "input": [n, n + 1, n + 2]}));
        bodies.push(json!({"model": "sim-embed", "input": [[n], [n, 7]]}));
        bodies.push(json!({"model": "sim-embed", "input": text, "user": format!("user-{}", n % 2)}));
        bodies.push(json!({"model": "nobody", "input": text}));
    }
    let lines: String = bodies.iter().enumerate().map(|(n, body)| line(&n.to_string(), EMBEDDINGS, body)).collect();
    let batch = completed(&tenant, &lines).await;
    let (answers, errors) =
        (output(&tenant.service, &batch["output_file_id"]).await, output(&tenant.service, &batch["error_file_id"]).await);
    // One call for each kind, and two for the 120 inputs of tokens: lists of them and single ones are of one kind.
    assert_eq!(node.simulator().count(), 7);
    assert_eq!((answers.len(), errors.len()), (240, 40));
    for (n, body) in bodies.iter().enumerate() {
        let direct = tenant.service.post(EMBEDDINGS, body).await;
        let id = n.to_string();
        if body["model"] == "nobody" {
            assert_eq!(errors[&id]["response"]["body"]["error"]["code"], direct.expect(404).json()["error"]["code"]);
        } else {
            assert_eq!(answers[&id]["response"]["body"], direct.expect(200).json(), "{body}");
        }
    }
}

#[tokio::test]
async fn a_line_that_the_provider_refuses_fails_alone() {
    let node = Node::start().await;
    let tenant = node.tenant("bad-lines").await;
    // The simulator takes no empty input, as its models do not.
    let body =
        |n: usize| if n == 71 { json!({"model": "sim-embed", "input": ["a", ""]}) } else { insula_tests::batch::embed(n) };
    let lines: String = (0..TOGETHER - 1).map(|n| line(&format!("line-{n}"), EMBEDDINGS, &body(n))).collect();
    let batch = completed(&tenant, &lines).await;
    assert_eq!(batch["request_counts"], json!({"total": 99, "completed": 98, "failed": 1}));
    let errors = output(&tenant.service, &batch["error_file_id"]).await;
    assert_eq!(errors["line-71"]["response"]["status_code"], 400, "{errors:?}");
    // Halved until it is found: twice as many calls as halvings, and the first.
    let halvings = (TOGETHER as f64).log2().ceil() as u64;
    assert!(node.simulator().count() <= 1 + 2 * halvings, "{} calls", node.simulator().count());
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    for n in [70, 72] {
        let direct = tenant.service.post(EMBEDDINGS, &body(n)).await.expect(200).json();
        assert_eq!(found[&format!("line-{n}")]["response"]["body"], direct);
    }
}

#[tokio::test]
async fn where_all_are_refused_they_are_not_refused_for_ever() {
    let node = Node::start().await;
    let tenant = node.tenant("all-bad").await;
    let body = json!({"model": "sim-embed", "input": "a", "dimensions": 100_000});
    let lines: String = (0..TOGETHER).map(|n| line(&n.to_string(), EMBEDDINGS, &body)).collect();
    let batch = completed(&tenant, &lines).await;
    assert_eq!(batch["request_counts"]["failed"], 100);
    let sent = node.simulator().count();
    assert!((101..=150).contains(&sent), "{sent} calls");
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), Money::ZERO);
}

#[tokio::test]
async fn an_answer_that_lacks_a_vector_gives_no_line_anothers() {
    let node = Node::start().await;
    let tenant = node.tenant("lacking").await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::MissingVector, 1.0)], ..Scenario::default() });
    let batch = completed(&tenant, &embeds(12)).await;
    assert_eq!(batch["request_counts"], json!({"total": 12, "completed": 12, "failed": 0}), "{batch}");
    // Three times together, then each alone.
    assert_eq!(node.simulator().count(), 3 + 12);
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    for n in 0..12 {
        let direct = tenant.service.post(EMBEDDINGS, &insula_tests::batch::embed(n)).await.expect(200).json();
        assert_eq!(found[&format!("line-{n}")]["response"]["body"], direct);
    }
    // What the provider counted is owed, whatever its answers were worth.
    assert_eq!(tenant.usage().await["attempts"], 3 + 12 + 12);
}

#[tokio::test]
async fn no_call_has_lines_of_two_tenants_or_batches() {
    let node = Node::start().await;
    let (one, other) = (node.tenant("one").await, node.tenant("other").await);
    let lines = |of: &str| -> String {
        let body = |n| json!({"model": "sim-embed", "input": format!("{of} {n}")});
        (0..250).map(|n| line(&n.to_string(), EMBEDDINGS, &body(n))).collect()
    };
    let [first, second, third] = ["first", "second", "third"].map(lines);
    let (first, second, third) = tokio::join!(
        start(&one.service, &first, EMBEDDINGS),
        start(&one.service, &second, EMBEDDINGS),
        start(&other.service, &third, EMBEDDINGS)
    );
    tokio::join!(over(&one.service, &first), over(&one.service, &second), over(&other.service, &third));
    let calls = calls(&node);
    assert_eq!(calls.len(), 9);
    for call in calls {
        let of: HashSet<&str> = call.iter().map(|input| input.split(' ').next().unwrap()).collect();
        assert_eq!(of.len(), 1, "{call:?}");
    }
}

#[tokio::test]
async fn a_budget_for_some_lines_is_used_by_some() {
    let node = Node::start().await;
    let tenant = node.tenant("thrifty").await;
    // Forty lines of 10 tokens at a tenth of a dollar for a million; their bound is their bytes.
    tenant.set_monthly_budget(usd(&json!("0.00005"))).await;
    let body = |n: usize| json!({"model": "sim-embed", "input": format!("{n:040}")});
    let lines: String = (0..90).map(|n| line(&n.to_string(), EMBEDDINGS, &body(n))).collect();
    let id = start(&tenant.service, &lines, EMBEDDINGS).await;
    let waiting = eventually("the batch waits for money", || async {
        let batch = read(&tenant.service, &id).await;
        (batch["waiting_for"] == "budget").then_some(batch)
    })
    .await;
    assert_eq!(waiting["status"], "in_progress");
    let done = waiting["request_counts"]["completed"].as_u64().unwrap();
    assert!((1..90).contains(&done), "{waiting}");
    assert!(tenant.settled().await <= usd(&json!("0.00005")));
    tenant.set_monthly_budget(Money::from_usd("10").unwrap()).await;
    let batch = over(&tenant.service, &id).await;
    assert_eq!(batch["request_counts"], json!({"total": 90, "completed": 90, "failed": 0}), "{batch}");
    assert_eq!(output(&tenant.service, &batch["output_file_id"]).await.len(), 90);
    assert_eq!(tenant.usage().await["tokens"]["input"], 900);
}

#[tokio::test]
async fn lines_do_not_get_around_their_pace_together() {
    let node = Node::start().await;
    let tenant = node.tenant("paced-together").await;
    tenant.set_limits(json!({"tokens_per_minute": 4_000})).await;
    let body = |n: usize| json!({"model": "sim-embed", "input": format!("{n:0100}")});
    let lines: String = (0..90).map(|n| line(&n.to_string(), EMBEDDINGS, &body(n))).collect();
    completed(&tenant, &lines).await;
    let calls = calls(&node);
    // No call takes more than a quarter of what there is in a minute.
    assert!((3..12).contains(&calls.len()), "{} calls", calls.len());
    for call in calls {
        assert!(call.iter().map(String::len).sum::<usize>() <= 4_000, "{call:?}");
    }
}

#[tokio::test]
async fn gemini_gets_no_more_than_it_takes() {
    let more = vec![("batches", "embedding_inputs_max = 2048".to_owned())];
    let node = Setup::default().serve(ServeConfig { kind: Some("gemini"), more, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("gemini-lines").await;
    let batch = completed(&tenant, &embeds(250)).await;
    assert_eq!(batch["request_counts"]["completed"], 250, "{batch}");
    assert_eq!(node.simulator().count(), 3);
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    for n in [0, 99, 100, 249] {
        let direct = tenant.service.post(EMBEDDINGS, &insula_tests::batch::embed(n)).await.expect(200).json();
        assert_eq!(found[&format!("line-{n}")]["response"]["body"]["data"], direct["data"]);
    }
    let over = json!({"model": "sim-embed", "input": vec!["a"; 101]});
    tenant.service.post(EMBEDDINGS, &over).await.openai_error(400, "invalid_request");
}

#[tokio::test]
async fn where_answers_are_cached_each_line_is_looked_for() {
    let node = Node::start().await;
    let tenant = node.tenant("cached-lines").await;
    tenant.enable_cache().await;
    for _ in 0..2 {
        let batch = completed(&tenant, &embeds(8)).await;
        assert_eq!(batch["request_counts"]["completed"], 8);
        assert_eq!(node.simulator().count(), 8);
    }
}

#[tokio::test]
async fn a_line_with_more_than_its_input_waits_for_no_other() {
    let node = Node::start().await;
    let tenant = node.tenant("wide-lines").await;
    let wide = json!({"model": "sim-embed", "input": "wide", "own": "x".repeat(70_000)});
    let body = |n: usize| if n.is_multiple_of(5) { wide.clone() } else { insula_tests::batch::embed(n) };
    let lines: String = (0..20).map(|n| line(&format!("line-{n}"), EMBEDDINGS, &body(n))).collect();
    let batch = completed(&tenant, &lines).await;
    assert_eq!(batch["request_counts"], json!({"total": 20, "completed": 20, "failed": 0}));
    // The four that are long go alone, although they are alike; all others together.
    let mut sizes: Vec<usize> = calls(&node).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 1, 1, 16]);
    let found = output(&tenant.service, &batch["output_file_id"]).await;
    for n in [0, 1, 19] {
        let direct = tenant.service.post(EMBEDDINGS, &body(n)).await.expect(200).json();
        assert_eq!(found[&format!("line-{n}")]["response"]["body"], direct, "line {n}");
    }
}
