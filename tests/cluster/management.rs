//! What is changed through one node holds on all of them when the call returns.

use std::time::{Duration, Instant};

use insula_simulator::Scenario;
use insula_tests::tenant::{chat, list};
use insula_tests::{Cluster, TestTenant};
use serde_json::json;

use super::CHAT;

const NODES: usize = 3;
const ROUNDS: usize = 50;
const RACES: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_made_the_others_use_at_once() {
    let cluster = Cluster::start(NODES).await;
    cluster.scenario(Scenario { output_tokens: 1, ..Scenario::default() });
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| node.anyone.clone()).collect();
    let begun = Instant::now();
    let (mut changes, mut slowest) = (0_u32, Duration::ZERO);
    for round in 0..ROUNDS {
        // A tenant and its keys by the first, then each change at one node and its effect at the two others.
        let tenant = cluster.tenant(&format!("round-{round}")).await;
        let at = |node: usize| tenant.at(&nodes[node % NODES]);
        for node in [1, 2] {
            at(node).chat("the tenant").await.expect(200);
        }
        let mut timed = Instant::now();
        let mut lap = || {
            slowest = slowest.max(timed.elapsed());
            changes += 1;
            timed = Instant::now();
        };
        let (key, made) = at(1).key("service").await;
        lap();
        for node in [2, 0] {
            made.at(&nodes[node]).post(CHAT, &chat("the key")).await.expect(200);
        }
        lap();
        at(2).set_limits(json!({"requests_per_minute": 1})).await;
        lap();
        at(0).chat("the limit").await.expect(200);
        at(1).chat("the limit").await.openai_error(429, "rate_limit_exceeded");
        lap();
        at(0).set_limits(json!({})).await;
        lap();
        at(0).set_budgets(json!([{"window": "month", "limit_usd": "0", "mode": "hard"}])).await;
        lap();
        for node in [1, 2] {
            at(node).chat("the budget").await.openai_error(429, "budget_exceeded");
        }
        lap();
        at(1).set_budgets(json!([])).await;
        at(2).operator.delete(&tenant.path(&format!("/keys/{key}"))).await;
        lap();
        for node in [0, 1] {
            made.at(&nodes[node]).post(CHAT, &chat("the key")).await.openai_error(401, "invalid_api_key");
            at(node).chat("the other key").await.expect(200);
        }
    }
    println!("{ROUNDS} rounds in {:?}, the slowest step {slowest:?} of {changes}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_holds_on_every_node_at_once() {
    let cluster = Cluster::start(NODES).await;
    cluster.scenario(Scenario { output_tokens: 1, ..Scenario::default() });
    let monthly = |limit: &str| json!({"budgets": [{"window": "month", "limit_usd": limit}], "models": ["sim-small"]});
    let tenant = cluster.tenant("planned").await;
    let everywhere = cluster.everywhere(&tenant);
    for round in 0..ROUNDS / 5 {
        let [one, two, three] = [0, 1, 2].map(|node| &everywhere[(round + node) % NODES]);
        let (free, pro) = (format!("/api/v1/plans/free-{round}"), format!("/api/v1/plans/pro-{round}"));
        one.operator.put(&free, &monthly("0")).await.expect(200);
        two.operator.put(&pro, &monthly("5")).await.expect(200);
        three.operator.patch(&tenant.path(""), &json!({"plan": format!("free-{round}")})).await.expect(200);
        for at in &everywhere {
            let error = at.chat("free").await.openai_error(429, "budget_exceeded");
            assert_eq!(error["level"], "plan", "{error}");
        }
        one.operator.patch(&tenant.path(""), &json!({"plan": format!("pro-{round}")})).await.expect(200);
        for at in &everywhere {
            at.chat("pro").await.expect(200);
        }
        // The plan itself, at one node, and a tenant of it at the others.
        let mut changed = monthly("5");
        changed["models"] = json!(["sim-large"]);
        two.operator.put(&pro, &changed).await.expect(200);
        for at in &everywhere {
            at.chat("no longer").await.openai_error(404, "model_not_found");
        }
    }
}

/// A change at one node beside another at another: neither undoes the other.
async fn race(cluster: &Cluster, tenant: &TestTenant, round: usize) {
    let everywhere = cluster.everywhere(tenant);
    let (renaming, suspending) = (&everywhere[round % NODES], &everywhere[(round + 1) % NODES]);
    let (key, caller) = tenant.key("service").await;
    let name = format!("name {round}");
    let (key_path, tenant_path) = (tenant.path(&format!("/keys/{key}")), tenant.path(""));
    let tags = json!({"tags": {"round": round.to_string()}});
    let rename = json!({"name": name});
    let (renamed, tagged, rotated, revoked) = tokio::join!(
        renaming.operator.patch(&tenant_path, &rename),
        suspending.operator.patch(&tenant_path, &tags),
        renaming
            .operator
            .call(http::Method::POST, &format!("{key_path}/rotate"))
            .json(&json!({"overlap_seconds": 3_600}))
            .send(),
        suspending.operator.delete(&key_path),
    );
    renamed.expect(200);
    tagged.expect(200);
    assert!(matches!(rotated.status, 201 | 404 | 409), "{}", rotated.text());
    assert!((200..300).contains(&revoked.status), "{}", revoked.text());
    for at in &everywhere {
        let shown = at.operator.get(&tenant_path).await.expect(200).json();
        assert_eq!((&shown["name"], &shown["tags"]["round"]), (&json!(name), &json!(round.to_string())), "{shown}");
        caller.at(&at.service).post(CHAT, &chat("revoked")).await.openai_error(401, "invalid_api_key");
        let keys = list(at.operator.get(&tenant.path("/keys?limit=200")).await);
        let own = keys.iter().find(|row| row["id"] == key.as_str());
        assert!(own.is_none_or(|row| !row["revoked_at"].is_null()), "{own:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_two_nodes_do_not_undo_each_other() {
    let cluster = Cluster::start(NODES).await;
    cluster.scenario(Scenario { output_tokens: 1, ..Scenario::default() });
    let tenant = cluster.tenant("raced").await;
    let begun = Instant::now();
    for round in 0..RACES {
        race(&cluster, &tenant, round).await;
    }
    println!("{RACES} races in {:?}", begun.elapsed());
}
