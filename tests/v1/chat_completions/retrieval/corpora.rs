//! Reference corpora before an answer: told apart from the tenant's own documents, below what the tenant says of itself.

use http::Method;
use insula_simulator::Scenario;
use insula_tests::Node;
use insula_tests::corpora::{create, grant, publish, revoke};
use insula_tests::documents::publish as publish_own;
use insula_tests::tenant::chat;
use serde_json::json;

use super::{CHAT, asking, sent_text, told};

const LAW: &str = "Personal data of the lease shall be erased without undue delay.";

#[tokio::test]
async fn a_passage_says_whose_it_is_and_goes_with_its_grant() {
    let node = Node::start().await;
    let (tenant, other) = (node.tenant("reads").await, node.tenant("reads-not").await);
    let operator = node.operator();
    create(&operator, "eu_gdpr", "eu").await;
    let document = publish(&operator, "eu_gdpr", &json!({"name": "gdpr", "text": LAW})).await;
    grant(&tenant, "eu_gdpr").await;
    publish_own(&tenant, "policy", "Our policy on data of the lease: it is erased after a year.").await;
    tenant.admin.put(&tenant.path("/profile"), &json!({"text": "We are a letting agency in Ghent."})).await.expect(200);
    node.scenario(Scenario {
        answer: Some("So [[9: \"shall be erased without undue delay\"]].".to_owned()),
        ..Scenario::default()
    });
    let body = asking("when is data of the lease erased?", json!(true));
    let answer = tenant.service.post(CHAT, &body).await.expect(200).json();
    let told = told(&answer);
    assert_eq!(told["sources"].as_array().unwrap().len(), 2);
    let citation = &told["citations"][0];
    assert_eq!((&citation["corpus"], &citation["document"]), (&json!("eu_gdpr"), &json!(document)));
    let text = sent_text(&node);
    let (profile, law) = (text.find("letting agency in Ghent").unwrap(), text.find(LAW).unwrap());
    assert!(profile < text.rfind("<<<passages-").unwrap() && profile < law, "above, and outside: {text}");
    assert!(text.contains("the reference corpus eu_gdpr (eu)") && text.contains("the tenant's document \"policy\""));
    // None, where none is wanted; and one that may not be read is one that never was.
    let own = tenant.service.post(CHAT, &asking("data of the lease", json!({"corpora": []}))).await.expect(200).json();
    assert_eq!(super::told(&own)["sources"].as_array().unwrap().len(), 1);
    let refused = other.service.post(CHAT, &asking("data of the lease", json!({"corpora": ["eu_gdpr"]}))).await;
    assert_eq!(refused.openai_error(404, "not_found")["param"], "insula.retrieval.corpora");
    // An answer that is kept goes with the grant.
    let keyed = async || tenant.service.call(Method::POST, CHAT).header("idempotency-key", "once").json(&body).send().await;
    keyed().await.expect(200);
    assert_eq!(keyed().await.expect(200).header("idempotent-replayed"), "true");
    revoke(&tenant, "eu_gdpr").await;
    keyed().await.openai_error(409, "conflict");
    let after = tenant.service.post(CHAT, &body).await.expect(200).json();
    assert_eq!(super::told(&after)["sources"].as_array().unwrap().len(), 1);
    tenant.service.post(CHAT, &chat("without")).await.expect(200);
}
