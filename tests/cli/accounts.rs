//! `insula budget`, `limit`, `usage`, `statement`, `credit`, `explain`, `request` and `ledger`.

use insula_tests::Node;
use insula_tests::amounts::chat_cost;
use insula_tests::tenant::chat;
use insula_tests::{Prices, usd};

use super::json;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_are_set_one_by_one() {
    let node = Node::start().await;
    json(&node.insula(&["budget", "set", "acme", "--limit-usd", "10.00", "--alert-at", "0.8", "--json"]).await);
    json(
        &node.insula(&["budget", "set", "acme", "--window", "day", "--limit-tokens", "500", "--mode", "soft", "--json"]).await,
    );
    let shown = json(&node.insula(&["budget", "list", "acme", "--json"]).await);
    assert_eq!(shown["data"].as_array().unwrap().len(), 2, "{shown}");
    let table = node.insula(&["budget", "list", "acme"]).await;
    assert!(table.stdout.contains("10.00") && table.stdout.contains("500"), "{table:?}");

    let key = &node.dev_env()["INSULA_ACME_KEY"];
    json(&node.insula(&["budget", "set", "acme", "--limit-usd", "0", "--json"]).await);
    node.anyone.with(key).post(CHAT, &chat("hi")).await.openai_error(429, "budget_exceeded");
    json(&node.insula(&["budget", "clear", "acme", "--window", "month", "--json"]).await);
    node.anyone.with(key).post(CHAT, &chat("hi")).await.expect(200);
    json(&node.insula(&["budget", "set", "--platform", "--window", "hour", "--limit-usd", "0", "--json"]).await);
    node.anyone.with(key).post(CHAT, &chat("hi")).await.openai_error(429, "budget_exceeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_are_set_and_given() {
    let node = Node::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plan.json");
    let plan = r#"{"limits": {"concurrency": 4}, "budgets": [{"window": "month", "limit_usd": "20.00"}]}"#;
    std::fs::write(&file, plan).unwrap();
    let file = file.to_str().unwrap();
    for catalogue in ["plan", "segment"] {
        let set = json(&node.insula(&[catalogue, "set", "pro", "--file", file, "--json"]).await);
        assert_eq!((&set["name"], &set["version"]), (&serde_json::json!("pro"), &serde_json::json!(1)));
        let table = node.insula(&[catalogue, "list"]).await;
        assert!(table.stdout.contains("20.00 USD a month") && table.stdout.contains("concurrency=4"), "{table:?}");
    }
    assert_eq!(node.insula(&["segment", "delete", "pro"]).await.code, 0);
    assert_eq!(node.insula(&["segment", "show", "pro"]).await.code, 3);

    json(&node.insula(&["tenant", "update", "acme", "--plan", "pro", "--json"]).await);
    assert_eq!(node.insula(&["plan", "delete", "pro"]).await.code, 5, "acme has it");
    // What is inherited is not made its own.
    json(&node.insula(&["budget", "set", "acme", "--window", "day", "--limit-usd", "1", "--json"]).await);
    let effective = json(&node.insula(&["tenant", "effective", "acme", "--json"]).await);
    let origins: Vec<_> = effective["budgets"].as_array().unwrap().iter().map(|budget| budget["origin"].clone()).collect();
    assert_eq!(origins, ["own", "plan"]);
    let table = node.insula(&["tenant", "effective", "acme"]).await;
    assert!(table.stdout.contains("20.00 USD a month") && table.stdout.contains("default"), "{table:?}");
    let updated = json(&node.insula(&["tenant", "update", "acme", "--no-plan", "--model", "sim-small", "--json"]).await);
    assert_eq!((&updated["plan"], &updated["models"]), (&serde_json::Value::Null, &serde_json::json!(["sim-small"])));
    let updated = json(&node.insula(&["tenant", "update", "acme", "--no-models", "--json"]).await);
    assert!(updated["models"].is_null());
    assert_eq!(node.insula(&["plan", "delete", "pro"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn end_users_and_labels_are_shown() {
    let node = Node::start().await;
    let caller = node.anyone.with(&node.dev_env()["INSULA_ACME_KEY"]);
    let mut body = chat("hi");
    (body["user"], body["metadata"]) = (serde_json::json!("a/b"), serde_json::json!({"team": "search"}));
    let id = caller.post(CHAT, &body).await.expect(200).request_id().to_owned();
    let set = ["budget", "set", "acme", "--end-user", "a/b", "--window", "day", "--limit-usd", "0", "--json"];
    let shown = json(&node.insula(&set).await);
    assert_eq!((&shown["data"][0]["subject"], &shown["data"][0]["level"]), (&"a/b".into(), &"end_user".into()));
    caller.post(CHAT, &body).await.openai_error(429, "budget_exceeded");
    json(&node.insula(&["budget", "clear", "acme", "--end-user", "a/b", "--json"]).await);
    caller.post(CHAT, &body).await.expect(200);

    let listed = json(&node.insula(&["end-user", "list", "acme", "--json"]).await);
    assert_eq!(listed["data"][0]["id"], "a/b");
    for (flags, group) in [(["--group-by", "end-user"], "a/b"), (["--by-tag", "team"], "search")] {
        let usage = json(&node.insula(&["usage", "acme", flags[0], flags[1], "--json"]).await);
        assert_eq!((&usage["data"][0]["group"], &usage["data"][0]["requests"]), (&group.into(), &2.into()), "{usage}");
    }
    let table = node.insula(&["request", "show", &id]).await;
    assert!(table.stdout.contains("a/b") && table.stdout.contains("team=search"), "{table:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_set_one_by_one() {
    let node = Node::start().await;
    json(&node.insula(&["limit", "set", "acme", "--requests-per-minute", "100", "--json"]).await);
    let shown = json(&node.insula(&["limit", "set", "acme", "--concurrency", "5", "--json"]).await);
    assert_eq!((&shown["requests_per_minute"], &shown["concurrency"]), (&serde_json::json!(100), &serde_json::json!(5)));
    json(&node.insula(&["limit", "set", "acme", "--requests-per-minute", "none", "--json"]).await);
    let shown = json(&node.insula(&["limit", "show", "acme", "--json"]).await);
    assert!(shown.get("requests_per_minute").is_none_or(serde_json::Value::is_null), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_requests_and_the_ledger_tell_the_same_story() {
    let node = Node::start().await;
    let caller = node.anyone.with(&node.dev_env()["INSULA_ACME_KEY"]);
    let id = caller.post(CHAT, &chat("what it cost")).await.expect(200).request_id().to_owned();
    let cost = chat_cost(Prices::small(), &["what it cost"], 64);

    let usage = json(&node.insula(&["usage", "acme", "--json"]).await);
    assert_eq!(usd(&usage["data"][0]["cost_usd"]), cost);
    let all = json(&node.insula(&["usage", "--group-by", "tenant", "--json"]).await);
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
    let table = node.insula(&["usage", "acme"]).await;
    assert!(table.stdout.contains(&cost.to_string()), "{table:?}");

    let request = json(&node.insula(&["request", "show", &id, "--json"]).await);
    assert_eq!(usd(&request["attempts"][0]["cost_usd"]), cost);
    let listed = json(&node.insula(&["request", "list", "acme", "--json"]).await);
    assert_eq!(listed["data"][0]["id"], id);

    let proof = json(&node.insula(&["ledger", "verify", "--json"]).await);
    assert_eq!((&proof["difference_usd"], usd(&proof["ledger_usd"])), (&serde_json::json!("0.00"), cost));
    let human = node.insula(&["ledger", "verify"]).await;
    assert!(human.code == 0 && human.stdout.contains("difference"), "{human:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_explains_itself() {
    let node = Node::start().await;
    let caller = |name: &str| node.anyone.with(&node.dev_env()[name]);
    let id = caller("INSULA_ACME_KEY").post(CHAT, &chat("for acme")).await.expect(200).request_id().to_owned();
    let mut large = chat("for globex");
    large["model"] = serde_json::json!("sim-large");
    caller("INSULA_GLOBEX_KEY").post(CHAT, &large).await.expect(200);
    let cost = chat_cost(Prices::small(), &["for acme"], 64);

    let statement = json(&node.insula(&["statement", "acme", "--json"]).await);
    assert_eq!((usd(&statement["amount_usd"]), &statement["timezone"]), (cost, &serde_json::json!("UTC")));
    json(&node.insula(&["credit", "give", "acme", "--amount-usd", "0.01", "--reason", "an outage", "--json"]).await);
    let table = node.insula(&["statement", "acme", "--margin"]).await;
    for said in ["sim-small", "an outage", "margin", &cost.to_string()] {
        assert!(table.stdout.contains(said), "{said}: {table:?}");
    }
    let listed = node.insula(&["credit", "list", "acme"]).await;
    assert!(listed.code == 0 && listed.stdout.contains("an outage"), "{listed:?}");
    let future = node.insula(&["statement", "acme", "--month", "2999-01"]).await;
    assert!(future.code != 0 && future.stderr.contains("has not begun"), "{future:?}");

    let words = node.insula(&["statement", "compare", "acme", "globex"]).await;
    assert!(words.code == 0 && words.stdout.contains("globex used models that acme did not"), "{words:?}");
    let explained = node.insula(&["explain", &id]).await;
    for said in ["█", "send", "at 1.00/M", "at 2.00/M", &cost.to_string()] {
        assert!(explained.code == 0 && explained.stdout.contains(said), "{said}: {explained:?}");
    }
}
