//! A credential that was taken away opens nothing from the next request on.

use std::time::{Duration, Instant};

use insula_simulator::Scenario;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, eventually_within};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let node = Node::start().await;
    let tenant = node.tenant("revoke").await;
    let (id, caller) = tenant.key("service").await;
    for _ in 0..50 {
        caller.post(CHAT, &chat("hi")).await.expect(200);
    }
    let reply = tenant.admin.delete(&tenant.path(&format!("/keys/{id}"))).await;
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    caller.post(CHAT, &chat("hi")).await.openai_error(401, "invalid_api_key");
    tenant.chat("the other key").await.expect(200);
}

#[tokio::test]
async fn a_revoked_key_ends_its_open_streams_within_a_second() {
    let node = Node::start().await;
    let tenant = node.tenant("streams").await;
    let (id, caller) = tenant.key("service").await;
    node.scenario(Scenario { chunks: 100, gap_ms: 200, ..Scenario::default() });
    let mut stream = caller.stream(CHAT, &streamed_chat("on and on")).await.expect_open();
    stream.first_content().await;
    let revoked = Instant::now();
    tenant.admin.delete(&tenant.path(&format!("/keys/{id}"))).await;
    let transcript = stream.collect().await;
    assert!(revoked.elapsed() < Duration::from_millis(2_500), "{:?}", revoked.elapsed());
    transcript.expect_error();
    assert!(!transcript.done);
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_and_comes_back() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("suspend").await, node.tenant("other").await);
    let operator = node.operator();
    tenant.chat("hi").await.expect(200);
    operator.post(&tenant.path("/suspend"), &json!({})).await.expect(200);
    for caller in [&tenant.service, &tenant.admin] {
        caller.post(CHAT, &chat("hi")).await.openai_error(403, "tenant_suspended");
        assert_eq!(caller.get("/v1/models").await.status, 403);
    }
    assert_eq!(tenant.admin.get(&tenant.path("/keys")).await.status, 403);
    assert_eq!(operator.get(&tenant.path("")).await.expect(200).json()["state"], "suspended");
    other.chat("not concerned").await.expect(200);
    operator.post(&tenant.path("/resume"), &json!({})).await.expect(200);
    tenant.chat("back").await.expect(200);
}

#[tokio::test]
async fn suspension_ends_open_streams() {
    let node = Node::start().await;
    let tenant = node.tenant("suspend").await;
    node.scenario(Scenario { chunks: 100, gap_ms: 200, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("on and on")).await.expect_open();
    stream.first_content().await;
    let suspended = Instant::now();
    node.operator().post(&tenant.path("/suspend"), &json!({})).await.expect(200);
    let transcript = stream.collect().await;
    assert!(suspended.elapsed() < Duration::from_millis(2_500), "{:?}", suspended.elapsed());
    assert!(!transcript.done);
}

#[tokio::test]
async fn a_rotated_key_overlaps_with_its_successor() {
    let node = Node::start().await;
    let tenant = node.tenant("rotate").await;
    let (id, old) = tenant.key("service").await;
    let path = tenant.path(&format!("/keys/{id}/rotate"));
    let rotated = tenant.admin.post(&path, &json!({"overlap_seconds": 2})).await.expect(201).json();
    let new = node.anyone.with(rotated["key"].as_str().unwrap());
    assert_ne!(rotated["id"], id.as_str());
    old.post(CHAT, &chat("old")).await.expect(200);
    new.post(CHAT, &chat("new")).await.expect(200);
    eventually_within(Duration::from_secs(5), "the old key is refused", || async {
        (old.post(CHAT, &chat("old")).await.status == 401).then_some(())
    })
    .await;
    new.post(CHAT, &chat("new")).await.expect(200);

    // Without an overlap the old one is refused at once.
    let path = tenant.path(&format!("/keys/{}/rotate", rotated["id"].as_str().unwrap()));
    let newest = tenant.admin.post(&path, &json!({"overlap_seconds": 0})).await.expect(201).json();
    new.post(CHAT, &chat("new")).await.openai_error(401, "invalid_api_key");
    node.anyone.with(newest["key"].as_str().unwrap()).post(CHAT, &chat("newest")).await.expect(200);
}

#[tokio::test]
async fn a_key_expires() {
    let node = Node::start().await;
    let tenant = node.tenant("expire").await;
    let soon = insula_model::Clock::now(&insula_model::SystemClock::default()).plus(Duration::from_secs(2));
    let body = json!({"name": "short", "role": "service", "expires_at": soon.to_string()});
    let created = tenant.admin.post(&tenant.path("/keys"), &body).await.expect(201).json();
    let caller = node.anyone.with(created["key"].as_str().unwrap());
    caller.post(CHAT, &chat("hi")).await.expect(200);
    eventually_within(Duration::from_secs(5), "the key has expired", || async {
        (caller.post(CHAT, &chat("hi")).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_says_and_no_longer_than_its_issuer() {
    let node = Node::start().await;
    let tenant = node.tenant("tokens").await;
    let issue = |caller: &insula_tests::Caller, seconds: u64| {
        let (caller, path) = (caller.clone(), tenant.path("/tokens"));
        async move {
            let issued = caller.post(&path, &json!({"ttl_seconds": seconds, "end_user": "ann"})).await.expect(201).json();
            caller.with(issued["token"].as_str().unwrap())
        }
    };
    let short = issue(&tenant.admin, 2).await;
    short.post(CHAT, &chat("hi")).await.expect(200);
    assert_eq!(short.get(&tenant.path("/keys")).await.status, 403, "a token has the role `service`");
    eventually_within(Duration::from_secs(5), "the token has expired", || async {
        (short.post(CHAT, &chat("hi")).await.status == 401).then_some(())
    })
    .await;

    let (id, admin) = tenant.key("admin").await;
    let long = issue(&admin, 3_600).await;
    long.post(CHAT, &chat("hi")).await.expect(200);
    tenant.admin.delete(&tenant.path(&format!("/keys/{id}"))).await;
    assert_eq!(long.post(CHAT, &chat("hi")).await.status, 401, "revoking a key revokes the tokens that it issued");

    // An operator acts for a tenant by a token, and by nothing else.
    let operated = issue(&node.operator(), 60).await;
    operated.post(CHAT, &chat("hi")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_away_stays_away_after_a_restart() {
    let mut node = Node::start().await;
    let tenant = node.tenant("restart").await;
    let (id, revoked) = tenant.key("service").await;
    tenant.admin.delete(&tenant.path(&format!("/keys/{id}"))).await;
    let suspended = node.tenant("suspended").await;
    node.operator().post(&suspended.path("/suspend"), &json!({})).await.expect(200);
    // Killed right after the answer: what was answered is stored.
    node.kill();
    node.start_again().await;
    let status = async |key: &str| node.anyone.with(key).post(CHAT, &chat("hi")).await.status;
    assert_eq!(status(revoked.credential().unwrap()).await, 401);
    assert_eq!(status(suspended.service.credential().unwrap()).await, 403);
    assert_eq!(status(tenant.service.credential().unwrap()).await, 200);
}
