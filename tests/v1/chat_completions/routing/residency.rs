use insula_simulator::FaultKind;
use insula_tests::TestTenant;
use insula_tests::config::ServeConfig;
use insula_tests::tenant::{chat, streamed_chat};
use serde_json::json;

use super::{CHAT, Two, always};

/// `sim` lies in Frankfurt, `other` in Virginia.
async fn two_regions() -> Two {
    let config = ServeConfig { provider: vec!["region = \"eu-central-1\"".to_owned()], ..ServeConfig::default() };
    Two::with(config, &[("routing", "retry_wait_ms_first = 1")], vec!["region = \"us-east-1\"".to_owned()]).await
}

async fn tenant_of(two: &Two, slug: &str, region: &str) -> TestTenant {
    let tenant = two.node.tenant(slug).await;
    tenant.operator.patch(&tenant.path(""), &json!({"region": region})).await.expect(200);
    tenant
}

#[tokio::test]
async fn a_tenant_of_a_region_never_leaves_it() {
    let two = two_regions().await;
    let tenant = tenant_of(&two, "european", "eu").await;
    tenant.chat("at home").await.expect(200);
    // Another model that steps in must lie there as well.
    let routing =
        json!({"fallbacks": {"sim-small": ["other/sim-large", "sim-large"]}, "strategy": "preferred", "prefer": ["other"]});
    tenant.admin.put(&tenant.path("/routing"), &routing).await.expect(200);
    two.node.scenario(always(FaultKind::ServerError));
    let embed = json!({"model": "sim-embed", "input": "a"});
    let mut codes = Vec::new();
    for _ in 0..8 {
        for body in [chat("away?"), streamed_chat("away?")] {
            codes.push(tenant.service.post(CHAT, &body).await.json()["error"]["code"].clone());
        }
        let reply = tenant.service.post("/v1/embeddings", &embed).await;
        assert!(reply.status >= 500, "{}", reply.text());
    }
    assert_eq!(two.other.count(), 0, "nothing left the region");
    assert_eq!(codes[0], "provider_failed");
    // Once it is known to fail, nothing is sent there either, and the refusal says what else stood in the way.
    let error = tenant.chat("still?").await.openai_error(503, "unavailable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("circuit_open") && message.contains("residency") && message.contains("`eu`"), "{message}");
    assert_eq!(two.other.count(), 0);
}

#[tokio::test]
async fn what_lies_nowhere_serves_no_tenant_with_a_region() {
    let two = Two::start(&[]).await;
    let tenant = tenant_of(&two, "placed", "eu").await;
    for body in [chat("where?"), streamed_chat("where?")] {
        let error = tenant.service.post(CHAT, &body).await.openai_error(422, "no_route");
        assert!(error["message"].as_str().unwrap().contains("residency"), "{error}");
    }
    tenant.service.post("/v1/embeddings", &json!({"model": "sim-embed", "input": "a"})).await.openai_error(422, "no_route");
    assert_eq!(two.counts(), (0, 0));
    two.node.tenant("anywhere").await.chat("here").await.expect(200);
}

#[tokio::test]
async fn a_field_that_hands_the_request_on_is_refused_where_a_region_holds() {
    let two = two_regions().await;
    let tenant = tenant_of(&two, "handed", "eu").await;
    let mut body = chat("hi");
    body["models"] = json!(["somewhere/else"]);
    let error = tenant.service.post(CHAT, &body).await.openai_error(400, "invalid_request");
    assert_eq!(error["param"], "models");
    assert_eq!(two.counts(), (0, 0));
}
