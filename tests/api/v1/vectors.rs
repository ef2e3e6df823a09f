//! `/api/v1/tenants/{tenant}/vectors` and `/api/v1/vectors/audit`.

use insula_tests::Node;
use insula_tests::config::ServeConfig;
use insula_tests::documents::{found, publish};
use insula_tests::node::Setup;
use serde_json::{Value, json};

#[tokio::test]
async fn operators_say_where_vectors_are_to_be() {
    let node = Node::start().await;
    let tenant = node.tenant("place").await;
    let path = tenant.path("/vectors");
    assert_eq!(tenant.admin.get(&path).await.expect(200).json(), json!({}));
    let own = json!({"collection": "own"});
    tenant.admin.put(&path, &own).await.problem(403, "forbidden");
    assert_eq!(tenant.operator.put(&path, &own).await.expect(200).json(), own);
    assert_eq!(tenant.admin.get(&path).await.expect(200).json(), own);
    for (field, body) in [("collection", json!({"collection": "mine"})), ("engine", json!({"engine": "own"}))] {
        let problem = tenant.operator.put(&path, &body).await.problem(400, "invalid_request");
        assert_eq!(problem["param"], field, "{problem}");
    }
}

#[tokio::test]
async fn where_vectors_are_to_be_is_inherited() {
    let node = Node::start().await;
    let (tenant, operator) = (node.tenant("heir").await, node.operator());
    operator.put("/api/v1/plans/big", &json!({"prices": [], "vectors": {"collection": "own"}})).await.expect(200);
    operator.put("/api/v1/segments/small", &json!({"vectors": {"collection": "shared"}})).await.expect(200);
    let effective =
        async || tenant.admin.get(&tenant.path("/effective")).await.expect(200).json()["vectors"]["collection"].clone();
    let from = |value: Value, origin: &str| json!({"value": value, "origin": origin});
    // The embedded engine knows no collections.
    assert_eq!(effective().await, from(Value::Null, "default"));
    operator.patch(&tenant.path(""), &json!({"plan": "big"})).await.expect(200);
    assert_eq!(effective().await, from(json!("own"), "plan"));
    operator.patch(&tenant.path(""), &json!({"segment": "small"})).await.expect(200);
    assert_eq!(effective().await, from(json!("shared"), "segment"));
    operator.put(&tenant.path("/vectors"), &json!({"collection": "own"})).await.expect(200);
    assert_eq!(effective().await, from(json!("own"), "own"));
}

async fn an_audit_looks_at_all_or_some(node: &Node) {
    let (tenant, operator) = (node.tenant("audited").await, node.operator());
    publish(&tenant, "lease", "The deposit is returned within two months.").await;
    let audit = async |body: Value| operator.post("/api/v1/vectors/audit", &body).await;
    let all = audit(json!({})).await.expect(200).json();
    assert_eq!((&all["data"], &all["found"], &all["next_cursor"]), (&json!([]), &json!(0), &Value::Null));
    assert!(all["tenants"].as_u64().unwrap() >= 1);
    let one = audit(json!({"tenants": ["audited"], "repair": true})).await.expect(200).json();
    assert_eq!((&one["data"], &one["tenants"]), (&json!([]), &json!(1)));
    for (field, body) in [
        ("tenants[1]", json!({"tenants": ["audited", "nobody"]})),
        ("cursor", json!({"cursor": "x"})),
        ("all", json!({"all": 1})),
    ] {
        let problem = audit(body).await.problem(400, "invalid_request");
        assert_eq!(problem["param"], field, "{problem}");
    }
}

#[tokio::test]
async fn an_audit_looks() {
    an_audit_looks_at_all_or_some(&Node::start().await).await;
}

#[tokio::test]
async fn an_audit_looks_in_a_cluster() {
    an_audit_looks_at_all_or_some(&Node::clustered().await).await;
}

/// Nobody listens where the vector engine should be.
async fn without_its_engine(exact_max: u32) -> Node {
    let lines = format!(
        "engine = \"qdrant\"\nqdrant_url = \"http://127.0.0.1:1\"\nqdrant_exact_chunks_max = {exact_max}\ncollection = \"own\""
    );
    Setup::default().serve(ServeConfig { more: vec![("vectors", lines)], ..ServeConfig::default() }).start().await
}

#[tokio::test]
async fn documents_are_read_found_and_removed_while_the_engine_is_away() {
    let node = without_its_engine(20_000).await;
    let tenant = node.tenant("alone").await;
    let lease = publish(&tenant, "lease", "The deposit is returned within two months.").await;
    let pets = publish(&tenant, "pets", "Dogs are welcome.").await;
    let search = async |query: &str| {
        let body = json!({"query": query});
        tenant.admin.post(&tenant.path("/search"), &body).await.expect(200).json()
    };
    let answer = search("depositing").await;
    assert_eq!((&answer["data"][0]["document"], answer.get("degraded")), (&json!(lease), None), "compared here: {answer}");
    tenant.admin.delete(&tenant.path(&format!("/documents/{lease}"))).await.expect(204);
    assert_eq!(found(&tenant, &json!({"query": "deposit"})).await, [pets]);
    tenant.chat("no retrieval in it").await.expect(200);
    assert_eq!(
        tenant.admin.get(&tenant.path("/effective")).await.expect(200).json()["vectors"]["collection"],
        json!({"value": "own", "origin": "default"}),
    );
    node.operator().post("/api/v1/vectors/audit", &json!({"tenants": ["alone"]})).await.problem(503, "unavailable");
}

#[tokio::test]
async fn a_search_says_that_only_words_count() {
    let node = without_its_engine(0).await;
    let tenant = node.tenant("words").await;
    let lease = publish(&tenant, "lease", "The deposit is returned within two months.").await;
    publish(&tenant, "pets", "Dogs are welcome.").await;
    let body = json!({"query": "deposit"});
    let answer = tenant.admin.post(&tenant.path("/search"), &body).await.expect(200).json();
    assert_eq!(answer["degraded"], "words_alone", "{answer}");
    assert_eq!((&answer["data"][0]["document"], answer["data"].as_array().unwrap().len()), (&json!(lease), 1));
}

/// It has no place to say that only words counted.
#[tokio::test]
async fn an_answer_is_not_made_of_words_alone() {
    let node = without_its_engine(0).await;
    let tenant = node.tenant("grounded").await;
    publish(&tenant, "lease", "The deposit is returned within two months.").await;
    let body = json!({
        "model": "sim-small", "messages": [{"role": "user", "content": "When is the deposit returned?"}],
        "insula": {"retrieval": true},
    });
    tenant.service.post("/v1/chat/completions", &body).await.openai_error(503, "unavailable");
    tenant.chat("no retrieval in it").await.expect(200);
}
