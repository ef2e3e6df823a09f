//! What it costs to be kept apart at the providers: an "of which" in every book, nothing beside them.

use std::sync::Arc;

use insula_model::{Clock, Money, SystemClock};
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::cluster::Shared;
use insula_tests::tenant::{list, streamed_chat};
use insula_tests::{Caller, Node, TestTenant, config::ServeConfig, eventually, node::Setup, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const FIGURES: [&str; 2] = ["isolation_tokens", "isolation_cached_tokens"];

/// What some of a book's lines say together: tokens, those of them from a cache, and money.
type Overhead = ([u64; 2], Money);

fn overhead(line: &Value) -> Overhead {
    let count = |field: &str| line[field].as_u64().unwrap_or_else(|| panic!("no {field}: {line}"));
    (FIGURES.map(count), usd(&line["isolation_usd"]))
}

fn summed<'a>(lines: impl IntoIterator<Item = &'a Value>) -> Overhead {
    lines
        .into_iter()
        .map(overhead)
        .fold(Default::default(), |(sum, money), (tokens, more)| ([sum[0] + tokens[0], sum[1] + tokens[1]], money + more))
}

/// A provider whose form has a word for it, and two others whose forms have none.
async fn node(setup: Setup) -> Node {
    let provider = vec!["cache_isolation = \"prompt_cache_key\"".to_owned()];
    // What fails here fails on purpose: no circuit opens over it.
    let more = vec![("routing", "retry_wait_ms_first = 1\ncircuit_outcomes_min = 128".to_owned())];
    setup.serve(ServeConfig { provider, with_vendors: true, more, ..ServeConfig::default() }).start().await
}

async fn apart(node: &Node, slug: &str) -> TestTenant {
    let tenant = node.tenant(slug).await;
    tenant.set_limits(json!({"provider_isolation": "prefixed"})).await;
    tenant
}

fn asking(model: &str, more: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "a question of some length, for the sum"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The only attempt of a chat, as its request tells it.
async fn attempt(tenant: &TestTenant, model: &str) -> Value {
    let id = tenant.service.post(CHAT, &asking(model, json!({}))).await.expect(200).request_id().to_owned();
    let mut request = tenant.request(&id).await;
    assert_eq!(overhead(&request["cost"]), summed(request["attempts"].as_array().unwrap()), "{request}");
    request["attempts"][0].take()
}

/// What tokens of these prices cost, in USD per million.
fn cost(tokens: &[(u64, &str)]) -> Money {
    let token = |usd: &str| i128::from(insula_model::Price::token_pico(usd).unwrap());
    Money::from_pico(tokens.iter().map(|(count, usd)| i128::from(*count) * token(usd)).sum())
}

#[tokio::test]
async fn an_attempt_tells_it_by_where_it_stood() {
    let node = node(Setup::default()).await;
    let (tenant, plain) = (apart(&node, "apart").await, node.tenant("plain").await);
    let fresh = attempt(&tenant, "gemini-sim").await;
    let ([tokens, cached], money) = overhead(&fresh);
    // A line of 18 signs, most of them digits: neither a word nor a sign for each.
    assert!((6..=18).contains(&tokens), "{fresh}");
    assert_eq!((cached, money), (0, cost(&[(tokens, "3.00")])), "{fresh}");
    assert!(tokens <= fresh["tokens"]["input"].as_u64().unwrap() && money < usd(&fresh["cost_usd"]), "{fresh}");
    assert_eq!(overhead(&attempt(&tenant, "gemini-sim").await), overhead(&fresh), "the same line every time");

    // What the provider had in its cache is what the prompt began with; and so on with what it wrote there.
    node.scenario(Scenario { cached_tokens: 4, ..Scenario::default() });
    let cached = attempt(&tenant, "gemini-sim").await;
    assert_eq!(overhead(&cached), ([tokens, 4], cost(&[(4, "0.30"), (tokens - 4, "3.00")])), "{cached}");
    node.scenario(Scenario { cached_tokens: 1_000, ..Scenario::default() });
    assert_eq!(overhead(&attempt(&tenant, "gemini-sim").await), ([tokens, tokens], cost(&[(tokens, "0.30")])));
    node.scenario(Scenario { cached_tokens: 1, cache_write_tokens: 2, cache_write_1h_tokens: 1, ..Scenario::default() });
    let written = attempt(&tenant, "claude-sim").await;
    let want = cost(&[(1, "0.40"), (1, "8.00"), (2, "5.00"), (tokens - 4, "4.00")]);
    assert_eq!(overhead(&written), ([tokens, 1], want), "{written}");

    for (tenant, model) in [(&tenant, "sim-small"), (&plain, "gemini-sim"), (&plain, "claude-sim")] {
        assert_eq!(overhead(&attempt(tenant, model).await), ([0, 0], Money::ZERO), "{model}");
    }
    let embed = json!({"model": "gemini-sim-embed", "input": "a text"});
    let id = tenant.service.post("/v1/embeddings", &embed).await.expect(200).request_id().to_owned();
    assert_eq!(overhead(&tenant.request(&id).await["attempts"][0]), ([0, 0], Money::ZERO));
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::ServerError, 1.0)], ..Scenario::default() });
    let id = tenant.service.post(CHAT, &asking("gemini-sim", json!({}))).await.request_id().to_owned();
    let refused = tenant.request(&id).await;
    assert!(refused["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty()), "{refused}");
    assert_eq!(overhead(&refused["cost"]), ([0, 0], Money::ZERO), "what used nothing added nothing: {refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_tells_it() {
    let node = node(Setup::default()).await;
    let tenant = apart(&node, "told").await;
    node.scenario(Scenario { cached_tokens: 4, ..Scenario::default() });
    let id = tenant.service.post(CHAT, &asking("gemini-sim", json!({}))).await.expect(200).request_id().to_owned();
    let ([tokens, _], money) = overhead(&tenant.request(&id).await["cost"]);
    for (arguments, said) in [
        (vec!["explain", &id], format!("{money} for {tokens} tokens, 4 cached")),
        (vec!["statement", "told"], format!("{money} USD for {tokens} tokens")),
        (vec!["usage", "told"], format!("{money} USD")),
    ] {
        let shown = node.insula(&arguments).await;
        assert!(shown.code == 0 && shown.stdout.to_lowercase().contains("of which isolation"), "{shown:?}");
        assert!(shown.stdout.contains(&said), "{said}: {shown:?}");
    }
}

/// Chats and streams, what is cached, estimated and refused among them.
async fn spend(node: &Node, tenant: &TestTenant) {
    for kind in [None, Some(FaultKind::ServerError), Some(FaultKind::MissingUsage)] {
        let faults = kind.map(|kind| Fault::new(kind, 1.0)).into_iter().collect();
        node.scenario(Scenario { faults, cached_tokens: 3, cache_write_tokens: 2, ..Scenario::default() });
        for model in ["sim-small", "gemini-sim", "claude-sim"] {
            tenant.service.post(CHAT, &asking(model, json!({}))).await;
            let mut streamed = streamed_chat("streamed");
            streamed["model"] = json!(model);
            tenant.admin.stream(CHAT, &streamed).await.into_reply().await;
        }
    }
    node.scenario(Scenario::default());
}

/// What a tenant's usage says to a caller; every group adds up to it.
async fn used(by: &Caller, tenant: &TestTenant) -> Overhead {
    let usage = async |query: &str| list(by.get(&tenant.path(&format!("/usage{query}"))).await);
    let all = summed(&usage("").await);
    for group in ["key", "model", "day", "operation", "end_user", "cause", "plan", "tag:team"] {
        assert_eq!(summed(&usage(&format!("?group_by={group}")).await), all, "by {group}");
    }
    all
}

/// What a tenant's export says to a caller, the same in every format, once all its rows are there.
async fn exported(by: &Caller, tenant: &TestTenant, rows: u64) -> Overhead {
    let read = async |format: &str| by.get(&tenant.path(&format!("/usage/export?format={format}"))).await.expect(200).text();
    let lines = eventually("everything is exported", || async {
        let lines: Vec<Value> = read("jsonl").await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.len() as u64 >= rows).then_some(lines)
    })
    .await;
    let events: Vec<Value> = read("cloudevents").await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(summed(events.iter().map(|event| &event["data"])), summed(&lines));
    let csv = read("csv").await;
    let mut cells = csv.lines().map(|line| line.rsplitn(5, ',').map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(cells.next().unwrap()[1..4], ["isolation_usd", "isolation_cached_tokens", "isolation_tokens"]);
    let line = |cells: Vec<String>| {
        let count = |cell: &str| cell.parse::<u64>().unwrap();
        json!({"isolation_usd": cells[1], "isolation_cached_tokens": count(&cells[2]), "isolation_tokens": count(&cells[3])})
    };
    assert_eq!(summed(&cells.map(line).collect::<Vec<_>>()), summed(&lines));
    summed(&lines)
}

/// What a tenant's requests say to a caller, one by one.
async fn requested(by: &Caller, tenant: &TestTenant) -> Overhead {
    let mut attempts = Vec::new();
    for line in list(by.get(&tenant.path("/requests?limit=200")).await) {
        let mut request = by.get(&format!("/api/v1/requests/{}", line["id"].as_str().unwrap())).await.expect(200).json();
        let Value::Array(own) = request["attempts"].take() else { panic!("no attempts: {request}") };
        assert_eq!(overhead(&request["cost"]), summed(&own), "{request}");
        attempts.extend(own);
    }
    summed(&attempts)
}

/// What a tenant's statement says: in total, and the same by line, by every view, and by the attempts behind it.
async fn stated(by: &Caller, tenant: &TestTenant) -> (Overhead, u64) {
    let path = tenant.path(&format!("/statements/{}", &SystemClock::default().now().to_string()[..7]));
    let statement = by.get(&path).await.expect(200).json();
    for view in ["charges", "by_model", "by_operation", "by_key"] {
        assert_eq!(summed(statement[view].as_array().unwrap()), overhead(&statement), "{view}: {statement}");
    }
    for line in statement["charges"].as_array().unwrap() {
        assert!(usd(&line["isolation_usd"]) <= usd(&line["amount_usd"]), "{line}");
        let behind = list(by.get(line["drill"].as_str().unwrap()).await);
        assert_eq!(summed(&behind), overhead(line), "{line}");
    }
    (overhead(&statement), statement["attempts"].as_u64().unwrap())
}

async fn every_book_agrees(node: &Node) {
    let (tenant, plain) = (apart(node, "books").await, node.tenant("beside").await);
    let prices = |input: &str| {
        let price = json!({"model": "gemini-sim", "input_usd_per_million": input, "output_usd_per_million": "9",
            "cache_read_usd_per_million": "0.123457"});
        json!({"prices": [price]})
    };
    for by in [&tenant, &plain] {
        spend(node, by).await;
    }
    let at_cost = used(&tenant.admin, &tenant).await;
    assert!(at_cost.0[0] > at_cost.0[1] && at_cost.0[1] > 0 && at_cost.1 > Money::ZERO);
    assert_eq!(used(&tenant.operator, &tenant).await, at_cost);
    assert_eq!(stated(&tenant.admin, &tenant).await.0, at_cost);

    // One of the models is sold from now on.
    node.operator().put("/api/v1/plans/pro", &prices("7.000001")).await.expect(200);
    tenant.operator.patch(&tenant.path(""), &json!({"plan": "pro"})).await.expect(200);
    spend(node, &tenant).await;
    let (charged, attempts) = stated(&tenant.admin, &tenant).await;
    assert_eq!(stated(&tenant.operator, &tenant).await.0, charged, "a statement says what is charged");
    assert_eq!(used(&tenant.admin, &tenant).await, charged);
    assert_eq!(exported(&tenant.admin, &tenant, attempts).await, charged);
    assert_eq!(requested(&tenant.admin, &tenant).await, charged);
    let costs = used(&tenant.operator, &tenant).await;
    assert_eq!((costs.0, costs.1), (charged.0, at_cost.1 + at_cost.1), "the same again, at cost");
    assert!(charged.1 > costs.1, "{charged:?} {costs:?}");
    assert_eq!(exported(&tenant.operator, &tenant, attempts).await, costs);
    assert_eq!(requested(&tenant.operator, &tenant).await, costs);

    let (nothing, attempts) = stated(&plain.admin, &plain).await;
    assert_eq!(nothing, ([0, 0], Money::ZERO));
    assert_eq!(exported(&plain.admin, &plain, attempts).await, nothing);
    assert_eq!(used(&plain.operator, &plain).await, nothing);
    let all = list(node.operator().get("/api/v1/usage").await);
    assert_eq!(summed(&all), costs);
    let proof = node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!((&proof["difference_usd"], &proof["mismatches"]), (&json!("0.00"), &json!([])), "{proof}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_book_tells_the_same() {
    every_book_agrees(&node(Setup::default()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_book_of_a_cluster_tells_the_same() {
    let setup = Setup::default().shared(Arc::new(Shared::create(None, None).await));
    every_book_agrees(&node(setup).await).await;
}
