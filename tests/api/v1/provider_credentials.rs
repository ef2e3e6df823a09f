//! `/api/v1/tenants/{tenant}/provider-credentials`.

use std::sync::Arc;

use insula_model::Money;
use insula_tests::cluster::Shared;
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::list;
use insula_tests::{Caller, Node, TestTenant, eventually, usd};
use serde_json::{Value, json};

const KEY: &str = "sk-own-0123456789-abcd";

async fn on_one_node() -> Node {
    Setup::default().serve(ServeConfig::default()).start().await
}

async fn on_a_cluster() -> Node {
    Node::clustered().await
}

fn path(tenant: &TestTenant, provider: &str) -> String {
    tenant.path(&format!("/provider-credentials/{provider}"))
}

async fn store(by: &Caller, tenant: &TestTenant, key: &str) -> Value {
    by.put(&path(tenant, "sim"), &json!({"api_key": key})).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_stored_shown_without_its_secret_and_removed() {
    for node in [on_one_node().await, on_a_cluster().await] {
        let (tenant, other) = (node.tenant("owner").await, node.tenant("other").await);
        let stored = store(&tenant.admin, &tenant, KEY).await;
        assert_eq!(
            (&stored["provider"], &stored["kind"], &stored["state"]),
            (&json!("sim"), &json!("openai"), &json!("active"))
        );
        assert_eq!((&stored["ends_with"], &stored["origin"]), (&json!("abcd"), &json!(node.simulator_url())));
        assert_eq!(tenant.admin.get(&path(&tenant, "sim")).await.expect(200).json(), stored);
        assert_eq!(list(node.operator().get(&tenant.path("/provider-credentials")).await), std::slice::from_ref(&stored));
        assert!(list(other.admin.get(&other.path("/provider-credentials")).await).is_empty());

        // Another in its place: an operator may store one too. Too short for its end to be shown.
        let replaced = store(&node.operator(), &tenant, "short-one").await;
        assert_eq!((&replaced["ends_with"], &replaced["created_at"]), (&Value::Null, &stored["created_at"]));
        assert_ne!(replaced["updated_at"], stored["updated_at"]);

        for answer in [
            other.admin.get(&path(&tenant, "sim")).await,
            other.admin.put(&path(&tenant, "sim"), &json!({"api_key": KEY})).await,
            other.admin.delete(&path(&tenant, "sim")).await,
            other.admin.get(&path(&other, "sim")).await,
            tenant.admin.get(&path(&tenant, "nobody")).await,
            tenant.admin.put(&path(&tenant, "nobody"), &json!({"api_key": KEY})).await,
        ] {
            answer.expect(404);
        }
        tenant.service.put(&path(&tenant, "sim"), &json!({"api_key": KEY})).await.expect(403);
        tenant.admin.delete(&path(&tenant, "sim")).await.expect(204);
        tenant.admin.delete(&path(&tenant, "sim")).await.expect(404);
        assert!(list(tenant.admin.get(&tenant.path("/provider-credentials")).await).is_empty());
        assert!(!node.said().contains(KEY));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_key_is_refused_and_not_repeated() {
    let node = on_one_node().await;
    let tenant = node.tenant("wrong").await;
    let long = "x".repeat(4097);
    for wrong in ["", "two words", "line\nbreak", "secr\u{e9}t", &long] {
        let reply = tenant.admin.put(&path(&tenant, "sim"), &json!({"api_key": wrong})).await.expect(400);
        assert_eq!(reply.json()["param"], "api_key", "{}", reply.text());
        assert!(wrong.is_empty() || !reply.text().contains(wrong));
    }
    for body in [json!({"api_key": 70_001_234}), json!({"api_key": KEY, "url": "https://elsewhere.example"}), json!({})] {
        let reply = tenant.admin.put(&path(&tenant, "sim"), &body).await.expect(400);
        assert!(!reply.text().contains("70001234") && !reply.text().contains(KEY), "{}", reply.text());
    }
    // The key alone, in whatever form, is not repeated.
    for body in [json!(KEY), json!([KEY])] {
        let reply = tenant.admin.put(&path(&tenant, "sim"), &body).await.expect(400);
        assert!(!reply.text().contains(KEY), "{}", reply.text());
    }
    assert!(list(tenant.admin.get(&tenant.path("/provider-credentials")).await).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_serves_a_tenant_nothing_does_not_exist_for_it() {
    let node = Setup::default().serve(ServeConfig { with_vendors: true, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("narrow").await;
    tenant.operator.patch(&tenant.path(""), &json!({"models": ["gemini-sim"]})).await.expect(200);
    let told = |reply: insula_tests::http::Reply| {
        let mut said = reply.expect(404).json();
        said["request_id"].take();
        said
    };
    let hidden = told(tenant.admin.put(&path(&tenant, "sim"), &json!({"api_key": KEY})).await);
    assert_eq!(hidden, told(tenant.admin.put(&path(&tenant, "nobody"), &json!({"api_key": KEY})).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_may_take_none_for_a_provider() {
    let provider = vec!["tenant_credentials = false".to_owned()];
    let node = Setup::default().serve(ServeConfig { provider, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("refused").await;
    let reply = tenant.admin.put(&path(&tenant, "sim"), &json!({"api_key": KEY})).await.expect(409);
    assert!(reply.text().contains("tenant_credentials"), "{}", reply.text());
}

/// Nothing of the key stands in any file of the node: it is sealed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_nowhere_in_the_open_and_goes_with_its_tenant() {
    let mut node = on_one_node().await;
    let tenant = node.tenant("sealed").await;
    store(&tenant.admin, &tenant, KEY).await;
    tenant.chat("with it").await.expect(200);
    node.stop();
    assert_holds(&node, KEY, false);
    node.start_again().await;
    let tenant = tenant.at(&node.anyone);
    let operator = node.operator();
    assert_eq!(operator.get(&path(&tenant, "sim")).await.expect(200).json()["ends_with"], "abcd", "after a restart");
    operator.delete(&tenant.path("")).await.expect(200);
    operator.get(&path(&tenant, "sim")).await.expect(404);
}

fn assert_holds(node: &Node, text: &str, holds: bool) {
    let mut folders = vec![node.data_dir()];
    let mut found = false;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    found |= bytes.windows(text.len()).any(|window| window == text.as_bytes());
                }
            }
        }
    }
    assert_eq!(found, holds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bill_takes_off_what_the_tenant_paid_itself() {
    let shared = Arc::new(Shared::create(None, None).await);
    let clustered = Setup::default().serve(ServeConfig::default()).shared(shared).start().await;
    for node in [on_one_node().await, clustered] {
        for sells in [false, true] {
            let tenant = node.tenant(if sells { "sold" } else { "at-cost" }).await;
            if sells {
                let prices = json!([{"model": "*", "input_usd_per_million": "5", "output_usd_per_million": "9"}]);
                node.operator().put("/api/v1/plans/pro", &json!({"prices": prices})).await.expect(200);
                tenant.operator.patch(&tenant.path(""), &json!({"plan": "pro"})).await.expect(200);
            }
            let platform = tenant.chat("by the platform's account").await.expect(200).request_id().to_owned();
            store(&tenant.admin, &tenant, KEY).await;
            let own = tenant.chat("by the tenant's").await.expect(200).request_id().to_owned();
            tenant.admin.delete(&path(&tenant, "sim")).await.expect(204);
            let again = tenant.chat("by the platform's again").await.expect(200).request_id().to_owned();
            for (id, whose) in [(&platform, "platform"), (&own, "tenant"), (&again, "platform")] {
                assert_eq!(tenant.request(id).await["attempts"][0]["credential"], whose);
            }
            assert_bill(&tenant).await;
        }
    }
}

/// Statement, usage and export of this month agree, and own attempts cost the tenant nothing.
async fn assert_bill(tenant: &TestTenant) {
    let month = list(tenant.admin.get(&tenant.path("/statements")).await)[0]["month"].as_str().unwrap().to_owned();
    let path = tenant.path(&format!("/statements/{month}"));
    let statement = tenant.admin.get(&path).await.expect(200).json();
    let amount = |row: &Value| usd(&row["amount_usd"]);
    let credits = statement["credits"].as_array().unwrap();
    assert_eq!(
        (credits.len(), &credits[0]["reason"], &credits[0]["id"]),
        (1, &json!("own provider credentials"), &Value::Null)
    );
    let credited = usd(&statement["credited_usd"]);
    assert!(credited > Money::ZERO && credited < amount(&statement) && credited == amount(&credits[0]));
    assert_eq!(usd(&statement["closing_usd"]), usd(&statement["opening_usd"]) + amount(&statement) - credited);

    // Its link leads to exactly the attempts that it takes off.
    let drill = credits[0]["drill"].as_str().unwrap();
    let behind = list(tenant.admin.get(drill).await);
    assert_eq!(behind.iter().map(amount).sum::<Money>(), credited);
    assert!(behind.iter().all(|attempt| attempt["credential"] == "tenant") && behind.len() == 1);

    let usage = list(tenant.admin.get(&tenant.path("/usage?group_by=credential")).await);
    let groups: Vec<_> = usage.iter().map(|row| (row["group"].as_str().unwrap(), row["attempts"].as_u64().unwrap())).collect();
    assert_eq!(groups, [("platform", 2), ("tenant", 1)]);
    assert_eq!(usage.iter().map(|row| usd(&row["cost_usd"])).sum::<Money>(), amount(&statement));
    assert_eq!(usd(&usage[1]["cost_usd"]), credited);

    // To the operator: the platform's attempts alone cost it something and leave it something.
    let costs = list(tenant.operator.get(&tenant.path("/usage?group_by=credential")).await);
    let with_margin = tenant.operator.get(&format!("{path}?include=margin")).await.expect(200).json();
    assert_eq!(usd(&with_margin["cost_usd"]), usd(&costs[0]["cost_usd"]));
    assert_eq!(usd(&with_margin["margin_usd"]), amount(&statement) - credited - usd(&with_margin["cost_usd"]));

    // Where nodes share a database server, others' transactions hold back for a moment what is complete.
    let rows = eventually("all rows are exported", || async {
        let export = tenant.operator.get(&tenant.path("/usage/export")).await.expect(200).text();
        let rows: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (rows.len() == 3).then_some(rows)
    })
    .await;
    let own = rows.iter().filter(|row| row["credential"] == "tenant");
    assert_eq!(own.map(|row| usd(&row["cost_usd"])).sum::<Money>(), usd(&costs[1]["cost_usd"]));
    let verified = tenant.operator.get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!(verified["mismatches"], json!([]), "{verified}");
}
