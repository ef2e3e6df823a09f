//! Budgets: what is refused, how it is told, and whose money it was.

use insula_model::Money;
use insula_tests::amounts::{chat_cost, times};
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Node, Prices, Reply, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// A refusal by a budget, as the contract shows it.
#[track_caller]
fn assert_over_budget(reply: &Reply, level: &str, window: &str) -> Value {
    let error = reply.openai_error(429, "budget_exceeded");
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!((&error["level"], &error["window"]), (&json!(level), &json!(window)), "{error}");
    for member in ["unit", "used", "limit", "resets_at"] {
        assert!(error.get(member).is_some_and(|value| !value.is_null()), "`error` lacks `{member}`: {error}");
    }
    assert!(insula_model::Timestamp::parse(error["resets_at"].as_str().unwrap()).is_ok(), "{error}");
    error
}

#[tokio::test]
async fn a_budget_of_nothing_refuses_everything() {
    let node = Node::start().await;
    let tenant = node.tenant("nothing").await;
    for window in ["month", "day", "hour"] {
        tenant.set_budgets(json!([{"window": window, "limit_usd": "0", "mode": "hard"}])).await;
        for body in [chat("hi"), streamed_chat("hi")] {
            let reply = tenant.service.post(CHAT, &body).await;
            let error = assert_over_budget(&reply, "tenant", window);
            assert_eq!((usd(&error["used"]), usd(&error["limit"])), (Money::ZERO, Money::ZERO));
            assert_eq!(error["unit"], "usd");
        }
        let embed = json!({"model": "sim-embed", "input": "hi"});
        assert_over_budget(&tenant.service.post("/v1/embeddings", &embed).await, "tenant", window);
    }
    assert_eq!(node.simulator().count(), 0);
}

#[tokio::test]
async fn a_budget_that_ran_out_says_what_was_used() {
    let node = Node::start().await;
    let tenant = node.tenant("ran-out").await;
    let mut body = chat("spend");
    body["max_tokens"] = json!(64);
    let cost = chat_cost(Prices::small(), &["spend"], 64);
    tenant.set_monthly_budget(times(cost, 3)).await;
    let mut served = 0;
    let refused = loop {
        let reply = tenant.service.post(CHAT, &body).await;
        if reply.status != 200 {
            break reply;
        }
        served += 1;
    };
    let error = assert_over_budget(&refused, "tenant", "month");
    assert!((2..=3).contains(&served), "{served} served");
    assert_eq!(usd(&error["used"]), times(cost, served));
    assert_eq!(usd(&error["limit"]), times(cost, 3));
    // More money, and it goes on at once.
    tenant.set_monthly_budget(times(cost, 10)).await;
    tenant.service.post(CHAT, &body).await.expect(200);
    assert_eq!(tenant.settled().await, times(cost, served + 1), "a replaced budget remembers what was spent");
}

#[tokio::test]
async fn a_key_has_a_budget_of_its_own() {
    let node = Node::start().await;
    let tenant = node.tenant("keys").await;
    let (id, caller) = tenant.key("service").await;
    let path = tenant.path(&format!("/keys/{id}/budgets"));
    tenant.operator.put(&path, &json!([{"window": "day", "limit_usd": "0"}])).await.expect(200);
    assert_over_budget(&caller.post(CHAT, &chat("hi")).await, "key", "day");
    tenant.chat("the other key").await.expect(200);
    let shown = list(tenant.operator.get(&path).await);
    assert_eq!((shown[0]["level"].as_str(), shown[0]["mode"].as_str()), (Some("key"), Some("hard")));
}

#[tokio::test]
async fn the_platform_has_a_budget_over_all_tenants() {
    let node = Node::start().await;
    let (one, two) = (node.tenant("one").await, node.tenant("two").await);
    let operator = node.operator();
    operator.put("/api/v1/platform/budgets", &json!([{"window": "hour", "limit_usd": "0"}])).await.expect(200);
    assert_over_budget(&one.chat("hi").await, "platform", "hour");
    assert_over_budget(&two.chat("hi").await, "platform", "hour");
    operator.put("/api/v1/platform/budgets", &json!([{"window": "hour", "limit_usd": "1"}])).await.expect(200);
    one.chat("hi").await.expect(200);
    two.chat("hi").await.expect(200);
    let shown = list(operator.get("/api/v1/platform/budgets").await);
    assert_eq!(usd(&shown[0]["used_usd"]), times(chat_cost(Prices::small(), &["hi"], 64), 2));
}

#[tokio::test]
async fn a_soft_budget_counts_and_never_refuses() {
    let node = Node::start().await;
    let tenant = node.tenant("soft").await;
    tenant.set_budgets(json!([{"window": "month", "limit_usd": "0.000001", "mode": "soft", "alert_at": [0.8]}])).await;
    for _ in 0..3 {
        tenant.chat("on and on").await.expect(200);
    }
    assert_eq!(tenant.settled().await, times(chat_cost(Prices::small(), &["on and on"], 64), 3));
}

#[tokio::test]
async fn a_budget_in_tokens() {
    let node = Node::start().await;
    let tenant = node.tenant("tokens").await;
    tenant.set_budgets(json!([{"window": "day", "limit_tokens": 400, "mode": "hard"}])).await;
    let mut body = chat("tokens");
    body["max_tokens"] = json!(64);
    let mut served = 0;
    let refused = loop {
        let reply = tenant.service.post(CHAT, &body).await;
        if reply.status != 200 {
            break reply;
        }
        served += 1;
    };
    let error = assert_over_budget(&refused, "tenant", "day");
    assert_eq!(
        (&error["unit"], error["limit"].as_u64().or_else(|| error["limit"].as_str()?.parse().ok())),
        (&json!("tokens"), Some(400))
    );
    assert!((3..=5).contains(&served), "{served} served");
    let shown = tenant.budgets().await;
    assert_eq!(shown[0]["limit_tokens"], 400);
}

#[tokio::test]
async fn every_window_counts_and_the_tightest_refuses() {
    let node = Node::start().await;
    let tenant = node.tenant("windows").await;
    let budgets = json!([
        {"window": "month", "limit_usd": "100"},
        {"window": "day", "limit_usd": "10"},
        {"window": "hour", "limit_usd": "0.0003"}
    ]);
    tenant.set_budgets(budgets).await;
    let mut body = chat("first");
    body["max_tokens"] = json!(64);
    tenant.service.post(CHAT, &body).await.expect(200);
    assert_over_budget(&tenant.service.post(CHAT, &body).await, "tenant", "hour");
    let shown = tenant.budgets().await;
    assert_eq!(shown.len(), 3);
    let cost = chat_cost(Prices::small(), &["first"], 64);
    assert!(shown.iter().all(|budget| usd(&budget["used_usd"]) == cost), "{shown:?}");
}

#[tokio::test]
async fn what_has_no_bound_is_refused_by_name_under_a_hard_budget() {
    let node = Node::start().await;
    let tenant = node.tenant("unbounded").await;
    let mut tier = chat("hi");
    tier["service_tier"] = json!("a-tier-of-next-year");
    let mut hosted = chat("hi");
    hosted["web_search_options"] = json!({});
    tenant.service.post(CHAT, &tier).await.expect(200);
    tenant.set_monthly_budget(Money::from_usd("1000").unwrap()).await;
    for (field, body) in [("service_tier", tier), ("web_search_options", hosted)] {
        let error = tenant.service.post(CHAT, &body).await.openai_error(400, "cost_unbounded");
        assert!(error["message"].as_str().unwrap().contains(field), "{error}");
    }
    assert_eq!(node.simulator().count(), 1);
}

#[tokio::test]
async fn one_tenants_empty_purse_is_nobody_elses() {
    let node = Node::start().await;
    let (poor, rich) = (node.tenant("poor").await, node.tenant("rich").await);
    poor.set_monthly_budget(Money::ZERO).await;
    rich.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    assert_over_budget(&poor.chat("hi").await, "tenant", "month");
    rich.chat("hi").await.expect(200);
    assert_eq!(poor.settled().await, Money::ZERO);
}

/// A flood of batch-like calls in one day, under a month's budget that could pay for all of it.
#[tokio::test]
async fn a_days_flood_leaves_the_month_untouched_beyond_the_days_limit() {
    const AFFORDABLE: u64 = 5;
    const CALLS: u64 = 60;
    let node = Node::start().await;
    let tenant = node.tenant("flood").await;
    let cost = chat_cost(Prices::small(), &["row of a batch"], 64);
    let day = times(cost, AFFORDABLE);
    let budgets = json!([{"window": "month", "limit_usd": times(cost, CALLS * 2).to_string()}, {"window": "day", "limit_usd": day.to_string()}]);
    tenant.set_budgets(budgets).await;
    let mut body = chat("row of a batch");
    body["max_tokens"] = json!(64);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let (caller, body) = (tenant.service.clone(), body.clone());
        calls.spawn(async move { caller.post(CHAT, &body).await });
    }
    let replies = calls.join_all().await;
    let (served, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert!((AFFORDABLE - 1..=AFFORDABLE).contains(&(served.len() as u64)), "{} served", served.len());
    for reply in refused {
        assert_over_budget(reply, "tenant", "day");
    }
    let settled = tenant.settled().await;
    assert_eq!(settled, times(cost, served.len() as u64));
    let shown = tenant.budgets().await;
    assert!(shown.iter().all(|budget| usd(&budget["used_usd"]) == settled), "{shown:?}");
    assert!(settled <= day, "the month paid for more than a day: {settled} of {day}");
}
