//! A tenant on a plan with prices of its own sees what it is charged, the same in every book, and nowhere what that costs.

use insula_model::{Clock, Money, SystemClock};
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Caller, Node, TestTenant, eventually, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// Groups by which usage is told.
const GROUPS: [&str; 9] = ["key", "model", "tenant", "day", "operation", "end_user", "cause", "plan", "tag:team"];

fn price(model: &str, input: &str, output: &str) -> Value {
    json!({
        "model": model, "input_usd_per_million": input, "output_usd_per_million": output,
        "cache_read_usd_per_million": "0.123457",
    })
}

async fn put_prices(node: &Node, plan: &str, prices: Value) -> Value {
    let path = format!("/api/v1/plans/{plan}");
    node.operator().put(&path, &json!({"prices": prices})).await.expect(200).json()["prices"].take()
}

async fn give(tenant: &TestTenant, plan: Value) {
    tenant.operator.patch(&tenant.path(""), &json!({"plan": plan})).await.expect(200);
}

/// Chats of two models, streams, embeddings, and ways in which a provider fails.
async fn spend(node: &Node, tenant: &TestTenant) {
    for kind in [None, Some(FaultKind::ServerError), Some(FaultKind::MissingUsage)] {
        let faults = kind.map(|kind| Fault::new(kind, 1.0)).into_iter().collect();
        node.scenario(Scenario { faults, cached_tokens: 3, reasoning_tokens: 5, ..Scenario::default() });
        let mut plain = chat("plain");
        plain["metadata"] = json!({"team": "core"});
        plain["user"] = json!("ada");
        tenant.service.post(CHAT, &plain).await;
        tenant.service.stream(CHAT, &streamed_chat("stream")).await.into_reply().await;
        let mut large = chat("large");
        large["model"] = json!("sim-large");
        tenant.admin.post(CHAT, &large).await;
        tenant.service.post("/v1/embeddings", &json!({"model": "sim-embed", "input": "embedded"})).await;
    }
    node.scenario(Scenario::default());
}

/// A tenant's requests at cost, under two plans, and before and after a price changed.
async fn furnished(node: &Node) -> TestTenant {
    let tenant = node.tenant("sold").await;
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "100"}])).await;
    put_prices(node, "beside", json!([price("*", "1", "1")])).await;
    spend(node, &tenant).await;
    let mut prices =
        put_prices(node, "pro", json!([price("sim-small", "3.7", "8.123457"), price("sim-large", "1", "2")])).await;
    give(&tenant, json!("pro")).await;
    spend(node, &tenant).await;
    let mut dearer = price("sim-small", "5.000001", "11");
    dearer["effective_from"] = json!(SystemClock::default().now().to_string());
    prices.as_array_mut().unwrap().push(dearer);
    put_prices(node, "pro", prices).await;
    spend(node, &tenant).await;
    put_prices(node, "gold", json!([price("*", "0.5", "0.25")])).await;
    give(&tenant, json!("gold")).await;
    spend(node, &tenant).await;
    tenant
}

fn total<'a>(rows: impl IntoIterator<Item = &'a Value>, field: &str) -> Money {
    rows.into_iter().map(|row| usd(&row[field])).sum()
}

/// What a tenant's usage comes to for a caller; every group adds up to it.
async fn used(by: &Caller, tenant: &TestTenant) -> Money {
    let usage = async |query: &str| list(by.get(&tenant.path(&format!("/usage{query}"))).await);
    let all = total(&usage("").await, "cost_usd");
    for group in GROUPS {
        assert_eq!(total(&usage(&format!("?group_by={group}")).await, "cost_usd"), all, "by {group}");
    }
    all
}

/// What a tenant's export comes to for a caller, in every format, once all its rows are there.
async fn exported(by: &Caller, tenant: &TestTenant, rows: u64) -> Money {
    let read = async |format: &str| by.get(&tenant.path(&format!("/usage/export?format={format}"))).await.expect(200).text();
    let lines = eventually("everything is exported", || async {
        let lines: Vec<Value> = read("jsonl").await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.len() as u64 >= rows).then_some(lines)
    })
    .await;
    let events: Vec<Value> = read("cloudevents").await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let csv = read("csv").await;
    let mut cells = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let column = cells.next().unwrap().iter().position(|name| *name == "cost_usd").unwrap();
    let all = total(&lines, "cost_usd");
    assert_eq!(total(events.iter().map(|event| &event["data"]), "cost_usd"), all);
    assert_eq!(cells.map(|cells| usd(&json!(cells[column]))).sum::<Money>(), all);
    all
}

/// What a tenant's requests come to for a caller, listed and one by one.
async fn requested(by: &Caller, tenant: &TestTenant) -> Money {
    let listed = list(by.get(&tenant.path("/requests?limit=200")).await);
    for line in &listed {
        let request = by.get(&format!("/api/v1/requests/{}", line["id"].as_str().unwrap())).await.expect(200).json();
        assert_eq!(request["cost_usd"], line["cost_usd"], "{request}");
        assert_eq!(request["cost"]["total_usd"], line["cost_usd"], "{request}");
        let attempts = request["attempts"].as_array().unwrap();
        assert_eq!(total(attempts, "cost_usd"), usd(&line["cost_usd"]), "{request}");
    }
    total(&listed, "cost_usd")
}

async fn every_book_agrees(node: &Node) {
    let tenant = furnished(node).await;
    let cost = tenant.settled().await;
    let month = &SystemClock::default().now().to_string()[..7];
    let path = tenant.path(&format!("/statements/{month}"));
    let statement = tenant.admin.get(&path).await.expect(200).json();
    let (charged, attempts) = (usd(&statement["amount_usd"]), statement["attempts"].as_u64().unwrap());
    assert_ne!(charged, cost);
    assert_eq!(used(&tenant.admin, &tenant).await, charged);
    assert_eq!(exported(&tenant.admin, &tenant, attempts).await, charged);
    assert_eq!(requested(&tenant.admin, &tenant).await, charged);

    let margin = tenant.operator.get(&format!("{path}?include=margin")).await.expect(200).json();
    assert_eq!((usd(&margin["amount_usd"]), usd(&margin["cost_usd"])), (charged, cost));
    assert_eq!(used(&tenant.operator, &tenant).await, cost);
    assert_eq!(exported(&tenant.operator, &tenant, attempts).await, cost);
    assert_eq!(requested(&tenant.operator, &tenant).await, cost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_book_of_a_tenant_agrees_with_its_statement() {
    every_book_agrees(&Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_book_of_a_tenant_of_a_cluster_agrees_with_its_statement() {
    every_book_agrees(&Node::clustered().await).await;
}

#[tokio::test]
async fn a_request_is_priced_as_it_is_charged() {
    let node = Node::start().await;
    let tenant = node.tenant("request").await;
    put_prices(&node, "pro", json!([price("*", "3", "7")])).await;
    give(&tenant, json!("pro")).await;
    node.scenario(Scenario { cached_tokens: 4, ..Scenario::default() });
    let id = tenant.chat("how much").await.expect(200).request_id().to_owned();
    let (own, operators) = (tenant.request(&id).await, node.operator().get(&format!("/api/v1/requests/{id}")).await.json());
    let (attempt, at_cost) = (&own["attempts"][0], &operators["attempts"][0]);
    assert_eq!((&attempt["rates"]["input_usd"], &attempt["rates"]["output_usd"]), (&json!("3.00"), &json!("7.00")), "{own}");
    assert!(attempt["price_row"].as_str().unwrap().starts_with("pro/*@"), "{own}");
    assert!(attempt["reserved_usd"].is_null() && at_cost["reserved_usd"].is_string(), "what is held is cost");
    assert_eq!((&at_cost["rates"]["input_usd"], &at_cost["rates"]["output_usd"]), (&json!("1.00"), &json!("2.00")));
    // Four tokens of the cache at 0.123457 rather than 3 a million.
    assert_eq!(own["cost"]["cache_savings_usd"], "0.000011506172");
    assert_ne!(own["cost_usd"], operators["cost_usd"]);
}

#[tokio::test]
async fn budgets_of_money_are_told_in_percent() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("percent").await, node.tenant("amounts").await);
    put_prices(&node, "pro", json!([price("*", "3", "7")])).await;
    for tenant in [&tenant, &other] {
        let budgets = json!([{"window": "month", "limit_usd": "0.001"}, {"window": "day", "limit_tokens": 100_000}]);
        tenant.set_budgets(budgets).await;
    }
    give(&tenant, json!("pro")).await;
    tenant.chat("once").await.expect(200);
    let used = tenant.settled().await;
    let own = list(tenant.admin.get(&tenant.path("/budgets")).await);
    let (money, tokens) = (&own[0], &own[1]);
    let percent = used.pico() * 100 / Money::from_usd("0.001").unwrap().pico();
    assert_eq!(money["used_percent"], json!(percent as u64));
    assert!(["limit_usd", "used_usd", "reserved_usd"].iter().all(|field| money.get(field).is_none()), "{money}");
    assert_eq!(tokens["limit_tokens"], 100_000);
    let effective = tenant.admin.get(&tenant.path("/effective")).await.expect(200).json();
    assert!(!effective["budgets"].to_string().contains("usd"), "{effective}");
    assert!(tenant.operator.get(&tenant.path("/effective")).await.text().contains("limit_usd"));

    let mut dear = chat("twice");
    dear["max_tokens"] = json!(2_000);
    let error = tenant.service.post(CHAT, &dear).await.openai_error(429, "budget_exceeded");
    let told = ["level", "window", "unit", "used", "limit"].map(|field| error[field].as_str().unwrap().to_owned());
    assert_eq!(told, ["tenant", "month", "percent", &percent.to_string(), "100"], "{error}");
    assert!(error["resets_at"].is_string() && !error.to_string().contains("0.00"), "{error}");
    let error = other.service.post(CHAT, &dear).await.openai_error(429, "budget_exceeded");
    assert_eq!((&error["unit"], &error["used"], &error["limit"]), (&json!("usd"), &json!("0.00"), &json!("0.001")));
}

#[tokio::test]
async fn no_cap_of_its_own_tells_a_tenant_the_cost() {
    let node = Node::start().await;
    let tenant = node.tenant("caps").await;
    put_prices(&node, "pro", json!([price("*", "3", "7")])).await;
    give(&tenant, json!("pro")).await;
    let (money, tokens) = (json!([{"window": "day", "limit_usd": "1"}]), json!([{"window": "day", "limit_tokens": 9}]));
    for below in [format!("/keys/{}/budgets", tenant.service_key), "/end-users/ada/budgets".to_owned()] {
        let path = tenant.path(&below);
        let refused = tenant.admin.put(&path, &money).await.problem(400, "invalid_request");
        assert_eq!(refused["param"], "[0].limit_usd", "{refused}");
        tenant.admin.put(&path, &tokens).await.expect(200);
        tenant.operator.put(&path, &money).await.expect(200);
        assert_eq!(list(tenant.admin.get(&path).await)[0]["used_percent"], 0);
    }
    give(&tenant, Value::Null).await;
    tenant.admin.put(&tenant.path("/end-users/ada/budgets"), &money).await.expect(200);
}

#[tokio::test]
async fn what_a_plan_said_in_past_months_stays() {
    let node = Node::start().await;
    let mut backwards = price("*", "3", "7");
    backwards["effective_from"] = json!("2020-01-01T00:00:00Z");
    let refused = node.operator().put("/api/v1/plans/pro", &json!({"prices": [backwards]})).await;
    let refused = refused.problem(400, "invalid_request");
    assert_eq!(refused["param"], "prices[0].effective_from", "{refused}");
    let first = put_prices(&node, "pro", json!([price("*", "3", "7")])).await;
    assert_eq!(put_prices(&node, "pro", json!([price("*", "3", "7")])).await, first, "the same again changes nothing");
    let month = &SystemClock::default().now().to_string()[..7];
    assert_eq!(first[0]["effective_from"], json!(format!("{month}-01T00:00:00Z")));
}
