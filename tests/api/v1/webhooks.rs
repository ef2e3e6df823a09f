//! `/api/v1/webhooks` and `/api/v1/tenants/{tenant}/webhooks`: who is told what, how often, and what is never reached.

use std::collections::BTreeSet;
use std::time::Duration;

use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::receiver::{Answer, Receiver};
use insula_tests::tenant::list;
use insula_tests::{Caller, Node, TestTenant, eventually, eventually_within};
use serde_json::{Value, json};

/// A node whose webhooks may lie on this machine, and that does not wait long before it tries again.
async fn node() -> Node {
    let lines = ["allow_private = [\"127.0.0.0/8\"]", "tenants_allow_private = [\"127.0.0.0/8\"]", "retry_first_ms = 5"];
    let quick = ["timeout_ms_max = 1000", "attempts_max = 3"];
    let more = lines.iter().chain(&quick).map(|line| ("webhooks", (*line).to_owned())).collect();
    Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await
}

/// Makes a webhook: its path and its secret.
async fn webhook(by: &Caller, path: &str, receiver: &Receiver) -> (String, String) {
    let made = by.post(path, &json!({"url": receiver.url})).await.expect(201).json();
    (format!("{path}/{}", made["id"].as_str().unwrap()), made["secret"].as_str().unwrap().to_owned())
}

/// Spends until a budget refuses, and once more.
async fn exhaust(tenant: &TestTenant) {
    let mut refused = 0;
    while refused < 2 {
        match tenant.chat("spend it").await.status {
            200 => {}
            429 => refused += 1,
            other => panic!("unexpected {other}"),
        }
    }
}

/// The types of all events in a webhook's log.
async fn logged(by: &Caller, webhook: &str) -> Vec<Value> {
    list(by.get(&format!("{webhook}/deliveries")).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_fills_up_is_told_once_signed_and_again_until_it_arrives() {
    let node = node().await;
    let (tenant, other) = (node.tenant("told").await, node.tenant("other").await);
    let (own, platforms, strangers) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    own.answer(&[Answer::Status(500), Answer::Status(302)]);
    let (path, secret) = webhook(&tenant.admin, &tenant.path("/webhooks"), &own).await;
    let (_, platforms_secret) = webhook(&tenant.operator, "/api/v1/webhooks", &platforms).await;
    webhook(&other.admin, &other.path("/webhooks"), &strangers).await;
    tenant.set_budgets(json!([{"window": "month", "limit_tokens": 6000, "mode": "hard", "alert_at": [0.8]}])).await;
    exhaust(&tenant).await;

    // Each of the two events, and two more for the answers that were none.
    own.nth(4).await;
    let told = own.told();
    let ids: BTreeSet<_> = told.iter().map(|told| told.id.clone()).collect();
    assert_eq!((told.len(), ids.len()), (4, 2), "{told:?}");
    for told in &told {
        assert_eq!(told.signatures_of(&secret), 1, "{told:?}");
        assert_eq!(told.signatures_of(&platforms_secret), 0);
    }
    let of = |kind: &str| told.iter().find(|told| told.kind() == kind).unwrap_or_else(|| panic!("no {kind}")).json();
    let budget = tenant.budgets().await.remove(0);
    let (alert, exhausted) = (of("budget.alert"), of("budget.exhausted"));
    assert_eq!((&alert["data"]["share"], &exhausted["data"].get("share")), (&json!(0.8), &None));
    for event in [&alert, &exhausted] {
        let data = &event["data"];
        assert_eq!((&data["budget"], &data["resets_at"]), (&budget["id"], &budget["resets_at"]));
        assert_eq!((&data["tenant"], &data["tenant_slug"]), (&json!(tenant.id), &json!("told")));
        assert_eq!((&data["level"], &data["window"], &data["unit"]), (&json!("tenant"), &json!("month"), &json!("tokens")));
        assert_eq!((&data["limit"], &data["mode"]), (&json!("6000"), &json!("hard")));
        assert!(data["used"].as_str().unwrap().parse::<u64>().unwrap() >= 4_800, "{data}");
        assert!(insula_model::Timestamp::parse(event["timestamp"].as_str().unwrap()).is_ok());
    }
    assert!(!told.iter().any(|told| told.body.contains("spend it")), "no content");
    let both = platforms.nth(2).await;
    assert_eq!((platforms.told().len(), both.signatures_of(&platforms_secret)), (2, 1));
    assert!(strangers.told().is_empty(), "another tenant's events are none of theirs");

    // Not told again, by no further refusal; a rotation signs with both secrets; a replay has the same id.
    exhaust(&tenant).await;
    let rotated = tenant.admin.post(&format!("{path}/rotate"), &json!({})).await.expect(200).json();
    let new_secret = rotated["secret"].as_str().unwrap();
    tenant.admin.post(&format!("{path}/test"), &json!({})).await.expect(202);
    let test = own.nth(5).await;
    assert_eq!((test.kind(), test.signatures_of(new_secret), test.signatures_of(&secret)), ("webhook.test".into(), 1, 1));
    let log = eventually("all is delivered", || async {
        let log = logged(&tenant.admin, &path).await;
        log.iter().all(|line| line["state"] == "delivered").then_some(log)
    })
    .await;
    let kinds: Vec<_> = log.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!((kinds.len(), kinds[0]), (3, "webhook.test"), "{kinds:?}");
    assert_eq!(log.iter().map(|line| line["attempts"].as_u64().unwrap()).sum::<u64>(), 5, "{log:?}");
    let first = log[2]["event"].as_str().unwrap();
    tenant.admin.post(&format!("{path}/deliveries/{first}/replay"), &json!({})).await.expect(202);
    assert_eq!(own.nth(6).await.id, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soft_budget_tells_and_refuses_nothing() {
    let node = node().await;
    let tenant = node.tenant("soft").await;
    let receiver = Receiver::start().await;
    // Whoever asks later is told what already holds.
    tenant.set_budgets(json!([{"window": "day", "limit_tokens": 10, "mode": "soft", "alert_at": [0.5, 1.0]}])).await;
    tenant.chat("spend it").await.expect(200);
    webhook(&tenant.operator, &tenant.path("/webhooks"), &receiver).await;
    receiver.nth(3).await;
    let mut told: Vec<_> = receiver.told().iter().map(|told| (told.kind(), told.json()["data"]["share"].clone())).collect();
    told.sort_by_key(|(kind, share)| (kind.clone(), share.to_string()));
    let alert = |share: f64| ("budget.alert".to_owned(), json!(share));
    assert_eq!(told, [alert(0.5), alert(1.0), ("budget.exhausted".to_owned(), Value::Null)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_gives_up_is_told_nothing_more_and_one_that_fails_is_given_up() {
    let node = node().await;
    let operator = node.operator();
    let receiver = Receiver::start().await;
    receiver.answer(&[Answer::Status(410), Answer::Status(503), Answer::Status(404), Answer::Status(500)]);
    let (path, _) = webhook(&operator, "/api/v1/webhooks", &receiver).await;
    let test = async || operator.post(&format!("{path}/test"), &json!({})).await;
    test().await.expect(202);
    eventually("it is switched off", || async {
        (operator.get(&path).await.expect(200).json()["active"] == false).then_some(())
    })
    .await;
    test().await.problem(409, "conflict");
    operator.patch(&path, &json!({"active": true})).await.expect(200);
    test().await.expect(202);
    let line = eventually("it is given up", || async {
        let line = logged(&operator, &path).await.remove(0);
        (line["state"] == "failed").then_some(line)
    })
    .await;
    assert_eq!((&line["attempts"], &line["last_status"], &line["next_at"]), (&json!(3), &json!(500), &Value::Null), "{line}");
    assert_eq!(receiver.told().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_inside_is_reached_by_nobody_unless_the_operator_opens_it() {
    let node = Node::start().await;
    let tenant = node.tenant("outside").await;
    let receiver = Receiver::start().await;
    let (path, port) = (tenant.path("/webhooks"), receiver.url.rsplit(':').next().unwrap().replace("/told", ""));
    for (by, path) in [(&tenant.admin, &*path), (&tenant.operator, &*path), (&tenant.operator, "/api/v1/webhooks")] {
        for url in [&*receiver.url, "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest/"] {
            let refused = by.post(path, &json!({"url": url})).await.problem(400, "invalid_request");
            assert_eq!(refused["param"], "url", "{url}: {refused}");
        }
    }
    // A name says nothing until it is resolved.
    let url = format!("https://localhost:{port}/");
    let made = tenant.admin.post(&path, &json!({"url": url})).await.expect(201).json();
    let webhook = format!("{path}/{}", made["id"].as_str().unwrap());
    tenant.admin.post(&format!("{webhook}/test"), &json!({})).await.expect(202);
    let line = eventually("it was tried", || async {
        let line = logged(&tenant.admin, &webhook).await.remove(0);
        (line["attempts"] != 0).then_some(line)
    })
    .await;
    assert_eq!((&line["state"], &line["last_status"]), (&json!("pending"), &Value::Null), "{line}");
    assert!(line["last_error"].as_str().unwrap().contains("no address that may be reached"), "{line}");
    assert!(receiver.told().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_was_sending_is_sent_again() {
    let mut node = node().await;
    let receiver = Receiver::start().await;
    receiver.answer(&[Answer::Silence]);
    let (path, _) = webhook(&node.operator(), "/api/v1/webhooks", &receiver).await;
    node.operator().post(&format!("{path}/test"), &json!({})).await.expect(202);
    let first = receiver.nth(1).await;
    node.kill();
    node.start_again().await;
    // Once nobody can be sending it any more.
    eventually_within(Duration::from_secs(30), "it is sent again", || async {
        receiver.told().get(1).map(|again| assert_eq!((&again.id, &again.body), (&first.id, &first.body)))
    })
    .await;
    eventually("it is delivered", || async {
        (logged(&node.operator(), &path).await[0]["state"] == "delivered").then_some(())
    })
    .await;
}
