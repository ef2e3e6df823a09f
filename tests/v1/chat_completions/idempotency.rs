//! `Idempotency-Key`: one upstream call, the same answer to everyone who asks again, and 422 for another body.

use std::time::Duration;

use insula_simulator::Scenario;
use insula_tests::documents::publish_with;
use insula_tests::http::Call;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Caller, Node, Reply, eventually, usd};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn keyed(caller: &Caller, key: &str, body: &Value) -> Call {
    caller.call(http::Method::POST, CHAT).header("idempotency-key", key).json(body)
}

/// Sends until the answer is another one than "the first is still under way".
async fn settled(caller: &Caller, key: &str, body: &Value) -> Reply {
    eventually("the first request with this key is over", || async {
        let reply = keyed(caller, key, body).send().await;
        if reply.status == 409 {
            reply.openai_error(409, "conflict");
            return None;
        }
        Some(reply)
    })
    .await
}

async fn a_hundred_at_once(body: Value, other: Value) {
    let node = Node::start().await;
    let tenant = node.tenant("hundred").await;
    node.scenario(Scenario { latency_ms: 200, ..Scenario::default() });
    let calls = (0..100).map(|_| {
        let (caller, body) = (tenant.service.clone(), body.clone());
        tokio::spawn(async move { settled(&caller, "once", &body).await })
    });
    let mut replies = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        replies.push(call.await.unwrap().expect(200));
    }
    assert_eq!(node.simulator().count(), 1, "upstream calls");
    assert!(replies.iter().all(|reply| reply.body == replies[0].body), "the replies differ");
    assert!(replies.iter().all(|reply| reply.header("content-type") == replies[0].header("content-type")));

    keyed(&tenant.service, "once", &other).send().await.openai_error(422, "idempotency_mismatch");
    assert_eq!(node.simulator().count(), 1);
    let usage = tenant.usage().await;
    assert_eq!(usage["attempts"], 1, "{usage}");

    keyed(&tenant.service, "another", &body).send().await.expect(200);
    assert_eq!(node.simulator().count(), 2, "another key is another request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_plain_requests_at_once() {
    a_hundred_at_once(chat("same"), chat("other")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_at_once() {
    a_hundred_at_once(streamed_chat("same"), streamed_chat("other")).await;
}

#[tokio::test]
async fn the_same_body_as_a_stream_is_another_body() {
    let node = Node::start().await;
    let tenant = node.tenant("streamed").await;
    keyed(&tenant.service, "k", &chat("same")).send().await.expect(200);
    keyed(&tenant.service, "k", &streamed_chat("same")).send().await.openai_error(422, "idempotency_mismatch");
}

#[tokio::test]
async fn the_key_of_one_tenant_means_nothing_to_another() {
    let node = Node::start().await;
    let (acme, globex) = (node.tenant("one").await, node.tenant("two").await);
    let first = keyed(&acme.service, "shared", &chat("CANARY-ONE")).send().await.expect(200);
    let second = keyed(&globex.service, "shared", &chat("CANARY-TWO")).send().await.expect(200);
    assert!(first.text().contains("CANARY-ONE") && second.text().contains("CANARY-TWO"));
    // Nor does the very same body reveal that it was asked before.
    keyed(&globex.service, "again", &chat("CANARY-ONE")).send().await.expect(200);
    assert_eq!(node.simulator().count(), 3);
}

#[tokio::test]
async fn both_keys_of_a_tenant_share_its_idempotency_keys() {
    let node = Node::start().await;
    let tenant = node.tenant("shared").await;
    let first = keyed(&tenant.service, "k", &chat("same")).send().await.expect(200);
    let second = keyed(&tenant.admin, "k", &chat("same")).send().await.expect(200);
    // Either scope would be sound; an answer that is neither the same nor its own is not.
    assert!(node.simulator().count() == 2 || first.body == second.body);
}

#[tokio::test]
async fn the_key_of_one_end_user_means_nothing_to_another() {
    let node = Node::start().await;
    let tenant = node.tenant("ends").await;
    let secret = json!({"name": "ada.md", "text": "CANARYADA is the word of the lease.", "access": ["ada"]});
    publish_with(&tenant, &secret).await;
    node.scenario(Scenario { echo: true, ..Scenario::default() });
    let (ada, bob) = (tenant.token("ada").await, tenant.token("bob").await);
    let mut body = chat("what is the word of the lease?");
    body["insula"] = json!({"retrieval": true});
    let first = keyed(&ada, "message-1", &body).send().await.expect(200);
    assert!(first.text().contains("CANARYADA"), "{}", first.text());
    // The very same key and body, of whom the credential alone tells.
    for other in [&bob, &tenant.service] {
        let reply = keyed(other, "message-1", &body).send().await.expect(200);
        assert!(!reply.text().contains("CANARYADA"), "{}", reply.text());
        assert_ne!(reply.header("idempotent-replayed"), "true");
    }
    // Nor does another body tell that the key was used.
    keyed(&tenant.token("eve").await, "message-1", &chat("hi")).send().await.expect(200);
    let sent = node.simulator().count();
    let again = keyed(&tenant.token("ada").await, "message-1", &body).send().await.expect(200);
    assert_eq!((again.body, node.simulator().count()), (first.body, sent), "a new token of the same one");
    // A key of the tenant's is as before: the end user is in the body there.
    body["user"] = json!("ada");
    keyed(&tenant.service, "message-1", &body).send().await.openai_error(422, "idempotency_mismatch");
}

#[tokio::test]
async fn an_embedding_is_replayed_too() {
    let node = Node::start().await;
    let tenant = node.tenant("embed").await;
    let body = json!({"model": "sim-embed", "input": "again"});
    let ask = || tenant.service.call(http::Method::POST, "/v1/embeddings").header("idempotency-key", "e").json(&body).send();
    let (first, second) = (ask().await.expect(200), ask().await.expect(200));
    assert_eq!(first.body, second.body);
    assert_eq!(node.simulator().count(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let node = Node::start().await;
    let tenant = node.tenant("refused").await;
    tenant.set_monthly_budget(insula_model::Money::ZERO).await;
    keyed(&tenant.service, "k", &chat("now?")).send().await.openai_error(429, "budget_exceeded");
    tenant.set_monthly_budget(insula_model::Money::from_usd("1").unwrap()).await;
    keyed(&tenant.service, "k", &chat("now?")).send().await.expect(200);
    assert_eq!(node.simulator().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_replayed_after_a_restart() {
    let mut node = Node::start().await;
    let tenant = node.tenant("restart").await;
    let key = tenant.service.credential().unwrap().to_owned();
    let first = keyed(&tenant.service, "k", &chat("kept")).send().await.expect(200);
    node.stop();
    node.start_again().await;
    let caller = node.anyone.with(&key);
    assert_eq!(keyed(&caller, "k", &chat("kept")).send().await.expect(200).body, first.body);
    keyed(&caller, "k", &chat("another")).send().await.openai_error(422, "idempotency_mismatch");
    assert_eq!(node.simulator().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_it_is_unknown_after_a_crash_and_it_is_not_sent_again() {
    let mut node = Node::start().await;
    let tenant = node.tenant("crash").await;
    let key = tenant.service.credential().unwrap().to_owned();
    node.scenario(Scenario { latency_ms: 60_000, ..Scenario::default() });
    let call = keyed(&tenant.service, "k", &chat("lost")).try_send();
    let call = tokio::spawn(tokio::time::timeout(Duration::from_secs(30), call));
    eventually("the provider was asked", || async { (node.simulator().count() == 1).then_some(()) }).await;
    node.kill();
    assert!(call.await.unwrap().unwrap().is_err(), "the connection broke");
    node.start_again().await;
    node.scenario(Scenario::default());
    let caller = node.anyone.with(&key);
    for _ in 0..2 {
        keyed(&caller, "k", &chat("lost")).send().await.openai_error(409, "conflict");
    }
    assert_eq!(node.simulator().count(), 1, "never executed again");
    let usage = node.operator().get(&tenant.path("/usage")).await.expect(200).json();
    assert!(usd(&usage["data"][0]["cost_usd"]) > insula_model::Money::ZERO, "the lost attempt is an estimate: {usage}");
}

#[tokio::test]
async fn a_client_that_left_finds_its_answer_or_learns_that_there_is_none() {
    let node = Node::start().await;
    let tenant = node.tenant("left").await;
    node.scenario(Scenario { chunks: 4, gap_ms: 100, ..Scenario::default() });
    let mut stream = keyed(&tenant.service, "k", &streamed_chat("left")).stream().await.expect_open();
    stream.first_content().await;
    drop(stream);
    let reply = settled(&tenant.service, "k", &streamed_chat("left")).await;
    assert!(reply.status == 200 || reply.status == 409, "{}", reply.text());
    assert_eq!(node.simulator().count(), 1, "never executed again");
}
