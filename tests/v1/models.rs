//! `GET /v1/models`.

use insula_tests::Node;
use insula_tests::tenant::list;

#[tokio::test]
async fn the_catalogue_is_listed() {
    let node = Node::start().await;
    let tenant = node.tenant("models").await;
    let models = list(tenant.service.get("/v1/models").await);
    let names: Vec<&str> = models.iter().filter_map(|model| model["id"].as_str()).collect();
    for name in ["sim-small", "sim-large", "sim-embed"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for model in &models {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_i64() && model["owned_by"].is_string(), "{model}");
    }
}

#[tokio::test]
async fn one_model_can_be_asked_for() {
    let node = Node::start().await;
    let tenant = node.tenant("models").await;
    assert_eq!(tenant.service.get("/v1/models/sim-small").await.expect(200).json()["id"], "sim-small");
    for name in ["nonesuch", "..%2Fadmin", "%00", "a%0d%0ab"] {
        tenant.service.get(&format!("/v1/models/{name}")).await.openai_error(404, "model_not_found");
    }
}

#[tokio::test]
async fn nobody_sees_them_without_a_key() {
    let node = Node::start().await;
    node.anyone.get("/v1/models").await.openai_error(401, "invalid_api_key");
    node.anyone.get("/v1/models/sim-small").await.openai_error(401, "invalid_api_key");
}
