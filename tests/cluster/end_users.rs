//! An end user's budget over several nodes: set at one, spent at all, never passed.

use insula_simulator::Scenario;
use insula_tests::amounts::{chat_cost, times};
use insula_tests::tenant::{chat, list};
use insula_tests::{Cluster, Prices, eventually, usd};
use serde_json::json;
use tokio::task::JoinSet;

use super::CHAT;

const NODES: usize = 2;
const CALLERS: usize = 40;
const AFFORDABLE: u64 = 10;
const OUTPUT_TOKENS: u64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_users_budget_is_one_for_all_nodes() {
    let cluster = Cluster::start(NODES).await;
    cluster.scenario(Scenario { latency_ms: 50, output_tokens: OUTPUT_TOKENS, ..Scenario::default() });
    let tenant = cluster.tenant("users").await;
    let everywhere = cluster.everywhere(&tenant);
    let mut body = chat("race");
    body["user"] = json!("ada");
    body["max_tokens"] = json!(OUTPUT_TOKENS);
    let cost = chat_cost(Prices::small(), &["race"], OUTPUT_TOKENS);
    everywhere[1].service.post(CHAT, &body).await.expect(200);
    // What was spent before, at another node, counts.
    let budget = times(cost, AFFORDABLE + 1);
    let order = json!([{"window": "day", "limit_usd": budget.to_string()}]);
    let path = tenant.path("/end-users/ada/budgets");
    everywhere[0].admin.put(&path, &order).await.expect(200);

    let mut calls = JoinSet::new();
    for number in 0..CALLERS {
        let (caller, body) = (everywhere[number % NODES].service.clone(), body.clone());
        calls.spawn(async move {
            let reply = caller.post(CHAT, &body).await;
            if reply.status != 200 {
                assert_eq!(reply.openai_error(429, "budget_exceeded")["level"], "end_user");
            }
            reply.status == 200
        });
    }
    let served = calls.join_all().await.into_iter().filter(|served| *served).count() as u64;
    assert!((AFFORDABLE - 1..=AFFORDABLE).contains(&served), "{served} of {AFFORDABLE} were served");
    for at in &everywhere {
        let shown = eventually("all is settled", || async {
            let shown = list(at.admin.get(&path).await).remove(0);
            (usd(&shown["reserved_usd"]) == insula_model::Money::ZERO).then_some(shown)
        })
        .await;
        assert_eq!((&shown["subject"], usd(&shown["used_usd"])), (&json!("ada"), times(cost, served + 1)));
    }
    // Taken away at one node, it holds nobody at the other.
    everywhere[0].admin.put(&path, &json!([])).await.expect(200);
    everywhere[1].service.post(CHAT, &body).await.expect(200);
    assert_eq!(everywhere[0].usage_by("end_user").await[0]["group"], "ada");
}
