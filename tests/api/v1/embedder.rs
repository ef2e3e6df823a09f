//! `/api/v1/tenants/{tenant}/embedder`, and what is embedded by a provider's model.

mod asking;
mod changing;

use std::sync::Arc;
use std::time::Duration;

use insula_model::{Money, TokenCounts};
use insula_simulator::{Fault, FaultKind, RequestRecord, Scenario};
use insula_tests::cluster::Shared;
use insula_tests::config::ServeConfig;
use insula_tests::documents::{found, hand_in, over, publish, search};
use insula_tests::eventually_within;
use insula_tests::ledger::{Comparison, attempts, request_ids, stored};
use insula_tests::node::Setup;
use insula_tests::tenant::list;
use insula_tests::{Node, Prices, TestTenant, usd};
use serde_json::{Value, json};

/// What waits goes on within this.
const SOON: Duration = Duration::from_secs(90);

/// A text of so many chunks, all different.
fn chunks(count: usize, word: &str) -> String {
    // A heading begins a chunk.
    let clause = |n| {
        format!("## Clause {n}\n\n{}\n\n", format!("Clause {n} of the {word} speaks of matter m{n} at length. ").repeat(20))
    };
    (0..count).map(clause).collect()
}

/// Where `sim-embed` embeds for everybody, four texts a call.
fn by_the_simulator() -> Setup {
    let more = vec![
        ("knowledge", "embedder = \"sim-embed\"".to_owned()),
        ("batches", "embedding_inputs_max = 4".to_owned()),
        ("[embedders]", "name = \"narrow\"\nmodel = \"sim-embed\"\ndimensions = 16".to_owned()),
    ];
    Setup::default().serve(ServeConfig { more, ..ServeConfig::default() })
}

async fn clustered(setup: Setup) -> Node {
    setup.shared(Arc::new(Shared::create(None, None).await)).start().await
}

/// All texts that were sent to be embedded, each as often as it was.
fn texts(log: &[RequestRecord]) -> Vec<String> {
    let inputs =
        log.iter().filter(|record| record.path.ends_with("/embeddings")).map(
            |record| match &record.body.as_ref().unwrap()["input"] {
                Value::Array(inputs) => inputs.clone(),
                one => vec![one.clone()],
            },
        );
    inputs.flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// How often the text was sent that was sent most.
fn most_often(texts: &[String]) -> usize {
    texts.iter().map(|text| texts.iter().filter(|other| *other == text).count()).max().unwrap_or_default()
}

/// What the log says that it costs.
fn price(log: &[RequestRecord]) -> Money {
    let used = log.iter().filter_map(|record| record.usage.as_ref()).map(|usage| usage["prompt_tokens"].as_u64().unwrap());
    Prices::embed().cost(&TokenCounts { input: used.sum(), ..TokenCounts::default() }).unwrap()
}

/// The ledger's rows are the provider's, each a cause of its own, and nothing of the texts is in the traces.
async fn every_row_is_an_embedding(node: &Node, tenant: &TestTenant) {
    let rows = attempts(&tenant.admin, &tenant.id).await;
    let log = node.simulator().requests();
    let compared = Comparison::of(&rows, &log);
    assert!(compared.is_sound() && compared.equal == log.len(), "{compared:?}");
    assert_eq!(rows.iter().map(|row| row.cost).sum::<Money>(), price(&log));
    for id in request_ids(&tenant.admin, &tenant.id).await {
        let request = tenant.admin.get(&format!("/api/v1/requests/{id}?include=content")).await.expect(200).json();
        assert_eq!(request["content"], Value::Null, "{request}");
        assert!(request["attempts"].as_array().unwrap().iter().all(|attempt| attempt["cause"] == "embedding"), "{request}");
    }
}

async fn at_their_tenants_cost(node: &Node) {
    let tenant = node.tenant("payer").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    let id = publish(&tenant, "lease.md", &chunks(10, "lease")).await;
    let document = tenant.admin.get(&tenant.path(&format!("/documents/{id}"))).await.expect(200).json();
    assert_eq!(document["embedding"]["model"], "sim-embed");
    assert_eq!((&document["waiting"], &document["progress"]), (&Value::Null, &json!({"done": 10, "total": 10})));
    let sent = texts(&node.simulator().requests());
    assert_eq!((sent.len(), most_often(&sent), node.simulator().count()), (10, 1, 3), "four texts go together");

    let answer =
        tenant.admin.post(&tenant.path("/search"), &json!({"query": "matter m7", "limit": 10})).await.expect(200).json();
    assert_eq!((answer["data"].as_array().unwrap().len(), &answer["degraded"]), (10, &Value::Null));
    assert_eq!(texts(&node.simulator().requests()).last().unwrap(), "matter m7");
    let shown = tenant.admin.get(&tenant.path("/embedder")).await.expect(200).json();
    assert_eq!((&shown["embedder"], &shown["origin"], &shown["next"]), (&json!("sim-embed"), &json!("default"), &Value::Null));
    assert_eq!(shown["serving"]["embedder"], "sim-embed");

    every_row_is_an_embedding(node, &tenant).await;
    assert_eq!(tenant.settled().await, price(&node.simulator().requests()));
    // Whoever asks pays with its key as well.
    let keys = tenant.usage_by("key").await;
    let of_key = keys.iter().find(|row| row["group"] == json!(tenant.admin_key)).unwrap_or_else(|| panic!("{keys:?}"));
    assert_eq!(of_key["attempts"], 1);
}

#[tokio::test]
async fn documents_and_questions_are_embedded_at_their_tenants_cost() {
    at_their_tenants_cost(&by_the_simulator().start().await).await;
}

#[tokio::test]
async fn documents_and_questions_are_embedded_at_their_tenants_cost_in_a_cluster() {
    at_their_tenants_cost(&clustered(by_the_simulator()).await).await;
}

#[tokio::test]
async fn a_budget_that_is_used_up_lets_documents_wait() {
    let node = by_the_simulator().start().await;
    let tenant = node.tenant("poor").await;
    let text = chunks(20, "lease");
    // For some of it.
    tenant.set_monthly_budget(Prices::embed().cost(&TokenCounts { input: 2_500, ..TokenCounts::default() }).unwrap()).await;
    let id = hand_in(&tenant, &json!({"name": "lease.md", "text": text})).await;
    let path = tenant.path(&format!("/documents/{id}"));
    let waits = eventually_within(SOON, "the document waits", || async {
        let document = tenant.admin.get(&path).await.expect(200).json();
        (document["waiting"] == "budget").then_some(document)
    })
    .await;
    assert_eq!(waits["status"], "embedding", "{waits}");
    let before = texts(&node.simulator().requests());
    assert!((1..20).contains(&before.len()), "{}", before.len());
    let first = publish_by_words(&node, "rich").await;
    assert!(!first.is_empty(), "another tenant's go on");

    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    assert_eq!(over(&tenant.admin, &path).await["status"], "ready");
    let own: Vec<String> = texts(&node.simulator().requests()).into_iter().filter(|text| text.contains("lease")).collect();
    assert_eq!((own.len(), most_often(&own)), (20, 1), "nothing is paid twice");
    // A question that no budget covers is refused, and costs nothing.
    tenant.set_monthly_budget(Money::from_pico(1)).await;
    let count = node.simulator().count();
    tenant.admin.post(&tenant.path("/search"), &json!({"query": "matter m7"})).await.problem(429, "budget_exceeded");
    assert_eq!(node.simulator().count(), count);
}

async fn publish_by_words(node: &Node, slug: &str) -> String {
    publish(&node.tenant(slug).await, "note", "The harbour is closed in winter.").await
}

async fn killed(mut node: Node) {
    let tenant = node.tenant("killed").await;
    node.scenario(Scenario { latency_ms: 150, ..Scenario::default() });
    let id = hand_in(&tenant, &json!({"name": "lease.md", "text": chunks(40, "lease")})).await;
    eventually_within(SOON, "some of it is embedded", || async { (node.simulator().count() >= 4).then_some(()) }).await;
    node.kill();
    node.start_again().await;
    let tenant = tenant.at(&node.operator());
    let document = over(&tenant.admin, &tenant.path(&format!("/documents/{id}"))).await;
    assert_eq!((&document["status"], &document["progress"]["done"]), (&json!("ready"), &json!(40)), "{document}");
    let sent = texts(&node.simulator().requests());
    assert!((40..=44).contains(&sent.len()) && most_often(&sent) <= 2, "{} of 40, {} times", sent.len(), most_often(&sent));
    assert_eq!(search(&tenant, &json!({"query": "matter m39", "limit": 50})).await.len(), 40);
    let compared = nothing_lost(&node, &tenant).await;
    assert!(compared.is_sound() && compared.estimated <= 1, "{compared:?}");
}

/// The ledger beside the log of a node that was killed, once what was under way is swept. Of nodes that share a database it is read there: what
/// ended just before the kill may be missing in the list of requests.
async fn nothing_lost(node: &Node, tenant: &TestTenant) -> Comparison {
    eventually_within(SOON, "all of it is in the ledger", || async {
        let rows = match node.is_clustered() {
            true => stored(node.database()).await,
            false => attempts(&tenant.admin, &tenant.id).await,
        };
        let compared = Comparison::of(&rows, &node.simulator().requests());
        compared.lost.is_empty().then_some(compared)
    })
    .await
}

#[tokio::test]
async fn a_kill_costs_one_batch_at_most() {
    killed(by_the_simulator().start().await).await;
}

#[tokio::test]
async fn a_kill_costs_one_batch_at_most_in_a_cluster() {
    killed(clustered(by_the_simulator()).await).await;
}

#[tokio::test]
async fn words_are_searched_while_the_provider_is_down() {
    let node = by_the_simulator().start().await;
    let tenant = node.tenant("down").await;
    let quince = publish(&tenant, "quince", "The quince ripens in October.").await;
    publish(&tenant, "medlar", "The medlar is eaten late.").await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::ServerError, 1.0)], ..Scenario::default() });
    let ask = json!({"query": "quince"});
    let answer = tenant.admin.post(&tenant.path("/search"), &ask).await.expect(200).json();
    assert_eq!(answer["degraded"], "words_alone");
    assert_eq!(answer["data"].as_array().unwrap().len(), 1, "only what has the word: {answer}");
    assert_eq!(answer["data"][0]["document"], json!(quince));

    let id = hand_in(&tenant, &json!({"name": "sloe", "text": "The sloe needs frost."})).await;
    let path = tenant.path(&format!("/documents/{id}"));
    eventually_within(SOON, "the document waits", || async {
        (tenant.admin.get(&path).await.expect(200).json()["waiting"] == "provider").then_some(())
    })
    .await;
    node.scenario(Scenario::default());
    assert_eq!(over(&tenant.admin, &path).await["status"], "ready");
    eventually_within(SOON, "questions are embedded again", || async {
        let answer = tenant.admin.post(&tenant.path("/search"), &ask).await.expect(200).json();
        (answer["degraded"].is_null() && answer["data"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_embedder_is_chosen_by_name_and_inherited() {
    let node = Node::start().await;
    let (operator, tenant) = (node.operator(), node.tenant("heir").await);
    let path = tenant.path("/embedder");
    let shown = tenant.admin.get(&path).await.expect(200).json();
    assert_eq!(shown, json!({"embedder": "lexical-hashing-1", "origin": "default", "serving": null, "next": null}));
    let problem = operator.put(&path, &json!({"embedder": "nonesuch"})).await.problem(400, "invalid_request");
    assert_eq!(problem["param"], "embedder");
    assert!(problem["detail"].as_str().unwrap().contains("sim-embed"), "{problem}");
    operator.put(&path, &json!({"embedder": "sim-small"})).await.problem(400, "invalid_request");
    operator.put("/api/v1/plans/basic", &json!({"embedder": "nonesuch"})).await.problem(400, "invalid_request");

    operator.put("/api/v1/plans/basic", &json!({"embedder": "sim-embed"})).await.expect(200);
    operator.patch(&tenant.path(""), &json!({"plan": "basic"})).await.expect(200);
    let effective = tenant.admin.get(&tenant.path("/effective")).await.expect(200).json();
    assert_eq!(effective["embedder"], json!({"value": "sim-embed", "origin": "plan"}));
    operator.put(&path, &json!({"embedder": "lexical-hashing-1"})).await.expect(200);
    let effective = tenant.admin.get(&tenant.path("/effective")).await.expect(200).json();
    assert_eq!(effective["embedder"], json!({"value": "lexical-hashing-1", "origin": "own"}));
    operator.put(&path, &json!({"embedder": null})).await.expect(200);
    assert_eq!(tenant.admin.get(&path).await.expect(200).json()["origin"], "plan");

    // Models that the tenant may call are its callers' matter; what the operator chose embeds all the same.
    operator.patch(&tenant.path(""), &json!({"models": ["sim-small"]})).await.expect(200);
    let id = publish(&tenant, "quince", "The quince ripens in October.").await;
    assert_eq!(found(&tenant, &json!({"query": "quince"})).await, [id]);
    tenant
        .service
        .post("/v1/embeddings", &json!({"model": "sim-embed", "input": "x"}))
        .await
        .openai_error(404, "model_not_found");
    assert_eq!(list(tenant.admin.get(&tenant.path("/documents")).await)[0]["embedding"]["model"], "sim-embed");
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), price(&node.simulator().requests()));
}
