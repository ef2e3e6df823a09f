use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::tenant::{chat, list, streamed_chat};
use insula_tests::{Node, Reply};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn every_bad_credential_gets_the_same_401() {
    let node = Node::start().await;
    let tenant = node.tenant("locked").await;
    let good = tenant.service.credential().unwrap().to_owned();
    let mut wrong_checksum = good.clone();
    wrong_checksum.replace_range(good.len() - 1.., if good.ends_with('0') { "1" } else { "0" });
    let mut wrong_secret = good.clone();
    wrong_secret.replace_range(good.len() - 20..good.len() - 19, if good.contains("0") { "z" } else { "0" });
    let (revoked_id, revoked) = tenant.key("service").await;
    tenant.admin.delete(&tenant.path(&format!("/keys/{revoked_id}"))).await;

    let mut replies: Vec<Reply> = vec![node.anyone.post(CHAT, &chat("hi")).await];
    let credentials = [wrong_checksum.as_str(), &wrong_secret, revoked.credential().unwrap(), "sk-123", "ins_live_", "x"];
    for credential in credentials {
        replies.push(node.anyone.with(credential).post(CHAT, &chat("hi")).await);
    }
    let basic = node.anyone.call(http::Method::POST, CHAT).json(&chat("hi"));
    replies.push(basic.header("authorization", &format!("Basic {good}")).send().await);

    let messages: Vec<_> = replies.iter().map(|reply| reply.openai_error(401, "invalid_api_key")["message"].clone()).collect();
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
    assert_eq!(node.simulator().count(), 0);
}

#[tokio::test]
async fn an_operator_key_is_no_tenant() {
    let node = Node::start().await;
    node.tenant("someone").await;
    let reply = node.operator().post(CHAT, &chat("whose?")).await;
    reply.openai_error(403, "forbidden");
    assert_eq!(node.simulator().count(), 0);
}

#[tokio::test]
async fn an_unknown_model_is_a_404_that_names_it() {
    let node = Node::start().await;
    let tenant = node.tenant("model").await;
    let mut body = chat("hi");
    body["model"] = json!("gpt-nonesuch");
    let error = tenant.service.post(CHAT, &body).await.openai_error(404, "model_not_found");
    assert_eq!(error["param"], "model");
    assert!(error["message"].as_str().unwrap().contains("gpt-nonesuch"), "{error}");
}

#[tokio::test]
async fn an_unknown_path_or_method_is_refused_in_the_callers_dialect() {
    let node = Node::start().await;
    let tenant = node.tenant("paths").await;
    tenant.service.post("/v1/chat/nonesuch", &json!({})).await.openai_error(404, "not_found");
    tenant.service.get(CHAT).await.openai_error(405, "method_not_allowed");
    tenant.admin.get("/api/v1/nonesuch").await.problem(404, "not_found");
    tenant.admin.post("/api/v1/requests/nonesuch", &json!({})).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn every_answer_of_both_planes_names_its_request() {
    let node = Node::start().await;
    let tenant = node.tenant("named").await;
    let replies = [
        tenant.chat("hi").await,
        tenant.service.get("/v1/models").await,
        tenant.service.get("/v1/nonesuch").await,
        tenant.service.get(CHAT).await,
        node.anyone.get("/v1/models").await,
        tenant.admin.get(&tenant.path("")).await,
        tenant.admin.get("/api/v1/nonesuch").await,
        node.anyone.get("/api/v1/tenants").await,
        node.operator().post("/api/v1/tenants", &json!({})).await,
    ];
    let mut ids: Vec<&str> = replies.iter().map(Reply::request_id).collect();
    assert!(ids.iter().all(|id| id.starts_with("req_") && id.len() == 30), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), replies.len(), "each has its own");
}

#[tokio::test]
async fn the_providers_rate_limit_is_told_as_one() {
    let node = Node::start().await;
    let tenant = node.tenant("upstream").await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::RateLimit, 1.0)], ..Scenario::default() });
    for body in [chat("hi"), streamed_chat("hi")] {
        let reply = tenant.service.post(CHAT, &body).await;
        reply.openai_error(429, "provider_rate_limited");
        assert_eq!(reply.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn the_providers_failure_is_ours_without_its_details() {
    let node = Node::start().await;
    let tenant = node.tenant("upstream").await;
    node.scenario(Scenario { faults: vec![Fault::new(FaultKind::ServerError, 1.0)], ..Scenario::default() });
    let reply = tenant.chat("hi").await;
    reply.openai_error(502, "provider_failed");
    let shown = format!("{:?} {}", reply.headers, reply.text());
    let simulator = node.simulator_url().trim_start_matches("http://");
    assert!(!shown.contains(simulator) && !shown.contains("127.0.0.1"), "{shown}");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_costs_nothing() {
    let mut node = Node::start().await;
    let tenant = node.tenant("unreachable").await;
    tenant.set_monthly_budget(insula_model::Money::from_usd("1").unwrap()).await;
    let simulator_url = node.simulator_url().to_owned();
    node.take_simulator().stop().await;
    let reply = tenant.chat("anyone there?").await;
    reply.openai_error(502, "provider_failed");
    assert!(!reply.text().contains(simulator_url.trim_start_matches("http://")), "{}", reply.text());
    assert_eq!(tenant.settled().await, insula_model::Money::ZERO);
    let usage = tenant.usage().await;
    assert!(usage.is_null() || usage["attempts"] == 0, "an attempt that was never sent has no row: {usage}");
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_and_not_billed() {
    let node = Node::start().await;
    let tenant = node.tenant("rejected").await;
    tenant.set_monthly_budget(insula_model::Money::from_usd("1").unwrap()).await;
    for kind in [FaultKind::RateLimit, FaultKind::ServerError] {
        node.scenario(Scenario { faults: vec![Fault::new(kind, 1.0)], ..Scenario::default() });
        tenant.chat("no").await;
    }
    assert_eq!(tenant.settled().await, insula_model::Money::ZERO);
    let listed = list(tenant.admin.get(&tenant.path("/requests")).await);
    assert_eq!(listed.len(), 2, "refusals by the provider are traced too");
}

#[tokio::test]
async fn a_refusal_can_be_read_back() {
    let node = Node::start().await;
    let tenant = node.tenant("refused").await;
    tenant.set_monthly_budget(insula_model::Money::ZERO).await;
    let reply = tenant.chat("too dear").await;
    reply.openai_error(429, "budget_exceeded");
    let trace = tenant.request(reply.request_id()).await;
    let budget = trace["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == "budget").unwrap();
    assert_eq!(budget["outcome"], "refused");
    assert!(budget["reason"].is_string(), "{budget}");
    assert_eq!(trace["attempts"], json!([]));
}
