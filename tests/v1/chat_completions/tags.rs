//! Labels: of tenant, key and request, on the bill and in the trace.

use insula_tests::amounts::{chat_cost, times};
use insula_tests::tenant::{chat, list};
use insula_tests::{Caller, Node, Prices, Reply, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

async fn tagged(caller: &Caller, tags: &str, body: &Value) -> Reply {
    caller.call(http::Method::POST, CHAT).json(body).header("x-insula-tags", tags).send().await
}

#[tokio::test]
async fn the_nearest_label_wins_and_usage_is_grouped_by_it() {
    let node = Node::start().await;
    let tenant = node.tenant("labels").await;
    tenant.operator.patch(&tenant.path(""), &json!({"tags": {"team": "sales", "region": "eu"}})).await.expect(200);
    let key = json!({"name": "labelled", "tags": {"team": "search"}});
    let key = tenant.operator.post(&tenant.path("/keys"), &key).await.expect(201).json();
    let labelled = tenant.service.with(key["key"].as_str().unwrap());

    let mut body = chat("hi");
    body["metadata"] = json!({"team": "core", "feature": "faq"});
    tenant.chat("hi").await.expect(200);
    labelled.post(CHAT, &chat("hi")).await.expect(200);
    labelled.post(CHAT, &body).await.expect(200);
    let last = tagged(&labelled, "team=ops, note=a%2Cb", &body).await.expect(200).request_id().to_owned();

    let want = json!({"team": "ops", "region": "eu", "feature": "faq", "note": "a,b"});
    assert_eq!(tenant.request(&last).await["tags"], want);
    // It goes upstream as it came.
    let sent = node.simulator().requests();
    assert_eq!(sent.last().unwrap().body.as_ref().unwrap()["metadata"], body["metadata"]);

    let cost = chat_cost(Prices::small(), &["hi"], 64);
    let by = async |name: &str| {
        let rows = tenant.usage_by(&format!("tag:{name}")).await;
        assert!(rows.iter().all(|row| row["requests"] == row["attempts"]));
        let row = |row: &Value| (row["group"].as_str().map(str::to_owned), usd(&row["cost_usd"]));
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let group = |name: &str, count: u64| (Some(name.to_owned()), times(cost, count));
    assert_eq!(by("team").await, [group("core", 1), group("ops", 1), group("sales", 1), group("search", 1)]);
    assert_eq!(by("region").await, [group("eu", 4)]);
    assert_eq!(by("feature").await, [(None, times(cost, 2)), group("faq", 2)]);
    assert_eq!(by("weather").await, [(None, times(cost, 4))]);
    let all = list(node.operator().get("/api/v1/usage?group_by=tag:region").await);
    assert_eq!((all.len(), &all[0]["group"]), (1, &json!("eu")));
}

/// As many and as long as they may be, in every place: the journal takes them too.
#[tokio::test]
async fn the_largest_labels_are_billed() {
    let node = Node::start().await;
    let tenant = node.tenant("largest").await;
    let label = |place: &str, n: usize| format!("{place}{n:0>63}");
    let labels = |place: &str, count: usize, value: usize| -> Value {
        (0..count).map(|n| (label(place, n), json!("x".repeat(value)))).collect::<serde_json::Map<_, _>>().into()
    };
    tenant.operator.patch(&tenant.path(""), &json!({"tags": labels("t", 32, 256)})).await.expect(200);
    let key = json!({"name": "labelled", "tags": labels("k", 32, 256)});
    let key = tenant.operator.post(&tenant.path("/keys"), &key).await.expect(201).json();
    let mut body = chat("hi");
    body["metadata"] = labels("m", 16, 512);
    let header: Vec<String> = (0..16).map(|n| format!("{}={}", label("h", n), "x".repeat(512))).collect();
    let caller = tenant.service.with(key["key"].as_str().unwrap());
    tagged(&caller, &header.join(", "), &body).await.expect(200);
    for place in ["t", "k", "m", "h"] {
        let rows = tenant.usage_by(&format!("tag:{}", label(place, 15))).await;
        assert!(rows.len() == 1 && rows[0]["group"].is_string(), "{place}: {rows:?}");
    }
    body["metadata"] =
        (0..16).map(|n| (label("m", n), json!("\u{1f3db}".repeat(512)))).collect::<serde_json::Map<_, _>>().into();
    let error = caller.post(CHAT, &body).await.openai_error(400, "invalid_request");
    assert_eq!(error["param"], "metadata");
}

#[tokio::test]
async fn labels_that_are_none_are_refused_by_name() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    for tags in ["team", "=x", "a=1,a=2", "a=%zz", "a=%00"] {
        let error = tagged(&tenant.service, tags, &chat("hi")).await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], "x-insula-tags", "{tags}");
    }
    let many: serde_json::Map<_, _> = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
    for (metadata, param) in [
        (json!({"a": 1}), "metadata.a"),
        (json!({"a": "x".repeat(513)}), "metadata.a"),
        (json!({"": "x"}), "metadata"),
        (json!("a"), "metadata"),
        (Value::Object(many), "metadata"),
    ] {
        let mut body = chat("hi");
        body["metadata"] = metadata;
        let error = tenant.service.post(CHAT, &body).await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], param, "{body}");
    }
    assert_eq!(node.simulator().count(), 0);
    let mut body = chat("hi");
    body["metadata"] = Value::Null;
    tenant.service.post(CHAT, &body).await.expect(200);
}
