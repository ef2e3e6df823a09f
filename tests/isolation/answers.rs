//! Nobody gets an answer that was given to another tenant, nor one that was kept for a tenant that is gone.

use http::Method;
use insula_tests::Node;
use insula_tests::tenant::{chat, list};
use serde_json::json;

const ASKED: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_requests_of_another_tenant_find_nothing() {
    let node = Node::start().await;
    let (one, other) = (node.tenant("one").await, node.tenant("other").await);
    for tenant in [&one, &other] {
        tenant.enable_cache().await;
    }
    for tenant in [&one, &other] {
        let before = node.simulator().count();
        for n in 0..ASKED {
            let reply = tenant.chat(&format!("question {n}")).await.expect(200);
            assert_eq!(reply.header("x-insula-cache"), "miss", "{n}");
        }
        assert_eq!(node.simulator().count() - before, ASKED as u64, "every one was asked upstream");
    }
    for tenant in [&one, &other] {
        for n in 0..ASKED {
            let reply = tenant.chat(&format!("question {n}")).await.expect(200);
            assert_eq!(reply.header("x-insula-cache"), "hit", "{n}");
        }
        assert_eq!(tenant.usage().await["cache_hits"], ASKED as u64);
    }
    assert_eq!(node.simulator().count(), 2 * ASKED as u64);
}

#[tokio::test]
async fn who_asks_only_the_cache_learns_nothing_of_others() {
    let node = Node::start().await;
    let (one, other) = (node.tenant("one").await, node.tenant("other").await);
    for tenant in [&one, &other] {
        tenant.enable_cache().await;
    }
    one.chat("secret").await.expect(200);
    let ask = |text: &str| {
        let call = other.service.call(Method::POST, "/v1/chat/completions").json(&chat(text));
        call.header("cache-control", "only-if-cached").send()
    };
    let (asked, never) = (ask("secret").await, ask("never asked").await);
    asked.openai_error(504, "not_cached");
    assert_eq!(asked.body, never.body);
}

#[tokio::test]
async fn a_suspension_empties_the_cache_and_an_erasure_leaves_no_count() {
    let node = Node::start().await;
    let (tenant, stays) = (node.tenant("goes").await, node.tenant("stays").await);
    for tenant in [&tenant, &stays] {
        tenant.enable_cache().await;
        tenant.chat("kept").await.expect(200);
        assert_eq!(tenant.chat("kept").await.header("x-insula-cache"), "hit");
    }
    let operator = node.operator();
    operator.post(&tenant.path("/suspend"), &json!({})).await.expect(200);
    tenant.chat("kept").await.openai_error(403, "tenant_suspended");
    operator.post(&tenant.path("/resume"), &json!({})).await.expect(200);
    assert_eq!(tenant.chat("kept").await.expect(200).header("x-insula-cache"), "miss");
    assert_eq!(tenant.chat("kept").await.header("x-insula-cache"), "hit");
    assert_eq!(tenant.usage().await["cache_hits"], 2);

    operator.delete(&tenant.path("")).await.expect(200);
    tenant.chat("kept").await.openai_error(401, "invalid_api_key");
    assert_eq!(stays.chat("kept").await.header("x-insula-cache"), "hit");
    let rows = list(operator.get("/api/v1/usage").await);
    assert_eq!(rows[0]["cache_hits"], 2, "those of the tenant that stays");
    // A tenant of the same name finds nothing of the one before.
    let again = node.tenant("goes").await;
    again.enable_cache().await;
    assert_eq!(again.chat("kept").await.expect(200).header("x-insula-cache"), "miss");
}

#[tokio::test]
async fn a_revoked_key_gets_no_hits() {
    let node = Node::start().await;
    let tenant = node.tenant("revoked").await;
    tenant.enable_cache().await;
    tenant.chat("kept").await.expect(200);
    assert_eq!(tenant.chat("kept").await.header("x-insula-cache"), "hit");
    tenant.admin.delete(&tenant.path(&format!("/keys/{}", tenant.service_key))).await.expect(204);
    tenant.chat("kept").await.openai_error(401, "invalid_api_key");
    let reply = tenant.admin.post("/v1/chat/completions", &chat("kept")).await.expect(200);
    assert_eq!(reply.header("x-insula-cache"), "hit", "another key of the same tenant");
}
