//! `/api/v1/corpora`, the grants below a tenant, and searches that look into both.

use std::collections::BTreeSet;

use insula_tests::corpora::{create, grant, granted, publish, readable, revoke};
use insula_tests::documents::{over, publish as publish_own, publish_with, search};
use insula_tests::tenant::list;
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

/// From where each hit comes: `tenant`, or the corpus's name.
fn sources(hits: &[Value]) -> Vec<String> {
    let source = |hit: &Value| {
        let source = &hit["source"];
        assert_eq!(source, &hit["citation"]["source"], "{hit}");
        match source["kind"].as_str().unwrap() {
            "tenant" => {
                assert_eq!(source, &json!({"kind": "tenant"}));
                "tenant".to_owned()
            }
            kind => {
                assert_eq!(kind, "corpus");
                assert!(source["jurisdiction"].is_string(), "{source}");
                source["corpus"].as_str().unwrap().to_owned()
            }
        }
    };
    hits.iter().map(source).collect()
}

/// The sources of what is found, each once.
async fn places(tenant: &TestTenant, body: &Value) -> BTreeSet<String> {
    sources(&search(tenant, body).await).into_iter().collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Corpora of two jurisdictions, and a tenant that may read both, with a document of its own.
async fn library(node: &Node) -> TestTenant {
    let tenant = node.tenant("reader").await;
    let operator = node.operator();
    for (name, jurisdiction, text) in [
        ("eu_gdpr", "eu", "Personal data shall be erased without undue delay where consent is withdrawn."),
        ("federal", "us", "Records of a bank shall be kept for five years after an account is closed."),
    ] {
        create(&operator, name, jurisdiction).await;
        publish(&operator, name, &json!({"name": format!("{name}-law"), "text": text, "metadata": {"kind": "law"}})).await;
        grant(&tenant, name).await;
    }
    let own =
        json!({"name": "policy", "text": "Our policy: consent is asked for once a year.", "metadata": {"kind": "policy"}});
    publish_with(&tenant, &own).await;
    tenant
}

async fn a_search_says_where_it_found(node: &Node) {
    let tenant = library(node).await;
    assert_eq!(readable(&tenant).await, ["eu_gdpr", "federal"]);
    let ask = |corpora: Value| json!({"query": "When is personal data erased after consent is withdrawn?", "corpora": corpora});
    let hits = search(&tenant, &ask(json!("all"))).await;
    assert_eq!(sources(&hits)[0], "eu_gdpr", "what answers best comes first, wherever it stands: {hits:?}");
    assert_eq!(hits[0]["source"], json!({"kind": "corpus", "corpus": "eu_gdpr", "jurisdiction": "eu"}));
    assert_eq!(hits[0]["citation"]["name"], "eu_gdpr-law");
    assert!(hits[0]["text"].as_str().unwrap().contains(hits[0]["citation"]["quote"].as_str().unwrap()));
    assert_eq!(sources(&hits)[1], "tenant", "{hits:?}");

    let everything = set(&["tenant", "eu_gdpr", "federal"]);
    let id = list(tenant.admin.get(&tenant.path("/corpora")).await)[0]["id"].clone();
    for (corpora, wanted) in [
        (json!("all"), everything.clone()),
        (Value::Null, everything.clone()),
        (json!([]), set(&["tenant"])),
        (json!(["federal"]), set(&["tenant", "federal"])),
        (json!([id]), set(&["tenant", "eu_gdpr"])),
        (json!(["federal", "eu_gdpr", "federal"]), everything.clone()),
    ] {
        assert_eq!(places(&tenant, &ask(corpora.clone())).await, wanted, "{corpora}");
    }
    assert_eq!(places(&tenant, &json!({"query": "consent"})).await, everything, "all, where nothing is said");
    // Filters hold everywhere; access lists are the tenant's own documents' alone.
    let filtered = json!({"query": "consent", "filter": {"kind": "law"}});
    assert_eq!(places(&tenant, &filtered).await, set(&["eu_gdpr", "federal"]));
    let private = json!({"name": "private", "text": "Consent of Ann.", "access": ["ann"]});
    publish_with(&tenant, &private).await;
    let hits = search(&tenant, &json!({"query": "Consent of Ann", "end_user": "bob"})).await;
    assert!(hits.iter().all(|hit| hit["citation"]["name"] != "private"), "{hits:?}");
    assert_eq!(sources(&hits).into_iter().collect::<BTreeSet<_>>(), everything);
    assert_eq!(search(&tenant, &json!({"query": "consent", "limit": 2})).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_says_whose_it_is() {
    a_search_says_where_it_found(&Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_says_whose_it_is_in_a_cluster() {
    a_search_says_where_it_found(&Node::clustered().await).await;
}

/// Chunks of one home are many, and those of another few: the best of all come first, whoever has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corpus_that_has_nothing_to_say_takes_nobodys_place() {
    let node = Node::start().await;
    let tenant = node.tenant("best").await;
    for n in 0..6 {
        let text = format!("Clause {n} of the tenant: the quince orchard number {n} is harvested in October.");
        publish_own(&tenant, &format!("orchard-{n}"), &text).await;
    }
    for name in ["steel", "ships", "banks"] {
        granted(&tenant, name, "us").await;
        let text = format!("The law of {name} says nothing of fruit and much of {name}.");
        publish(&node.operator(), name, &json!({"name": name, "text": text})).await;
    }
    let hits = search(&tenant, &json!({"query": "When is the quince orchard harvested?", "limit": 6})).await;
    assert_eq!(sources(&hits), ["tenant"; 6], "{hits:?}");
    let hits = search(&tenant, &json!({"query": "the law of ships", "limit": 1})).await;
    assert_eq!(sources(&hits), ["ships"]);
}

async fn a_grant_is_taken_back(node: &Node) {
    let tenant = library(node).await;
    let ask = json!({"query": "personal data consent"});
    assert!(places(&tenant, &ask).await.contains("eu_gdpr"));
    revoke(&tenant, "eu_gdpr").await;
    assert_eq!(places(&tenant, &ask).await, set(&["tenant", "federal"]));
    let named = json!({"query": "personal data", "corpora": ["eu_gdpr"]});
    let revoked = tenant.admin.post(&tenant.path("/search"), &named).await.problem(404, "not_found");
    assert_eq!(revoked["param"], "corpora");
    assert_eq!(readable(&tenant).await, ["federal"]);
    tenant.operator.delete(&tenant.path("/corpora/eu_gdpr")).await.problem(404, "not_found");
    grant(&tenant, "eu_gdpr").await;
    assert!(places(&tenant, &ask).await.contains("eu_gdpr"));

    // What is removed from a corpus is found by nobody; what is erased least of all.
    let operator = node.operator();
    let documents = list(operator.get("/api/v1/corpora/eu_gdpr/documents").await);
    let id = documents[0]["id"].as_str().unwrap();
    operator.delete(&format!("/api/v1/corpora/eu_gdpr/documents/{id}")).await.expect(204);
    assert_eq!(places(&tenant, &ask).await, set(&["tenant", "federal"]));
    let receipt = operator.delete("/api/v1/corpora/federal").await.expect(200).json();
    assert!(receipt["corpus"].as_str().unwrap().starts_with("cor_") && receipt["erased_at"].is_string(), "{receipt}");
    assert_eq!(places(&tenant, &ask).await, set(&["tenant"]));
    assert_eq!(readable(&tenant).await, ["eu_gdpr"]);
    for gone in ["/api/v1/corpora/federal", "/api/v1/corpora/federal/documents"] {
        operator.get(gone).await.problem(404, "not_found");
    }
    // The name is free again, and nobody may read what has it now.
    create(&operator, "federal", "us").await;
    assert_eq!(readable(&tenant).await, ["eu_gdpr"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_or_erased_is_found_no_more() {
    a_grant_is_taken_back(&Node::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_or_erased_is_found_no_more_in_a_cluster() {
    a_grant_is_taken_back(&Node::clustered().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_knows_of_a_grant_at_once() {
    let cluster = insula_tests::cluster::ClusterSetup::new(2).start().await;
    let here = TestTenant::create(&cluster.nodes[0].operator(), "shared").await;
    // Each node of a test has an operator of its own.
    let operator = cluster.nodes[1].operator();
    let there = TestTenant { operator: operator.clone(), ..here.at(&operator) };
    let ask = json!({"query": "quince"});
    create(&here.operator, "fruit", "eu").await;
    publish(&there.operator, "fruit", &json!({"name": "law", "text": "The law of the quince."})).await;
    for _ in 0..3 {
        grant(&here, "fruit").await;
        assert_eq!(places(&there, &ask).await, set(&["fruit"]), "the call returns when every node knows");
        revoke(&there, "fruit").await;
        assert_eq!(places(&here, &ask).await, set(&[]));
        assert_eq!(places(&there, &ask).await, set(&[]));
    }
    grant(&here, "fruit").await;
    there.operator.delete("/api/v1/corpora/fruit").await.expect(200);
    assert_eq!(places(&here, &ask).await, set(&[]));
    here.operator.get("/api/v1/corpora/fruit").await.problem(404, "not_found");
}

#[tokio::test]
async fn corpora_are_kept_by_operators() {
    let node = Node::start().await;
    let operator = node.operator();
    let id = create(&operator, "eu_gdpr", "eu").await;
    let shown = operator.get("/api/v1/corpora/eu_gdpr").await.expect(200).json();
    assert_eq!((&shown["id"], &shown["name"], &shown["jurisdiction"]), (&json!(id), &json!("eu_gdpr"), &json!("eu")));
    assert_eq!(operator.get(&format!("/api/v1/corpora/{id}")).await.expect(200).json(), shown);
    let changed = operator.call(http::Method::PATCH, "/api/v1/corpora/eu_gdpr").json(&json!({"title": "GDPR"})).send().await;
    assert_eq!(changed.expect(200).json()["title"], "GDPR");
    create(&operator, "federal", "us").await;
    let page = operator.get("/api/v1/corpora?limit=1").await.expect(200).json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["next_cursor"]), (1, &json!(id)));
    let rest = list(operator.get(&format!("/api/v1/corpora?cursor={id}")).await);
    assert_eq!((rest.len(), &rest[0]["name"]), (1, &json!("federal")));

    let taken = json!({"name": "federal", "title": "x", "jurisdiction": "us"});
    assert_eq!(operator.post("/api/v1/corpora", &taken).await.problem(409, "conflict")["param"], "name");
    for (field, order) in [
        ("name", json!({"name": "EU", "title": "x", "jurisdiction": "eu"})),
        ("name", json!({"name": id, "title": "x", "jurisdiction": "eu"})),
        ("title", json!({"name": "x", "title": "", "jurisdiction": "eu"})),
        ("jurisdiction", json!({"name": "x", "title": "x", "jurisdiction": "European Union"})),
        ("jurisdiction", json!({"name": "x", "title": "x"})),
        ("owner", json!({"name": "x", "title": "x", "jurisdiction": "eu", "owner": "acme"})),
    ] {
        assert_eq!(operator.post("/api/v1/corpora", &order).await.problem(400, "invalid_request")["param"], field, "{order}");
    }
    let document = json!({"name": "law", "text": "Some law.", "access": ["ann"]});
    let refused = operator.post("/api/v1/corpora/eu_gdpr/documents", &document).await.problem(400, "invalid_request");
    assert_eq!(refused["param"], "access");
    let made = publish(&operator, "eu_gdpr", &json!({"name": "law", "text": "Some law.", "metadata": {"year": 2016}})).await;
    let shown = over(&operator, &format!("/api/v1/corpora/eu_gdpr/documents/{made}")).await;
    assert_eq!((&shown["name"], &shown["metadata"]), (&json!("law"), &json!({"year": 2016})), "who wrote it sees it");
    operator.get(&format!("/api/v1/corpora/federal/documents/{made}")).await.problem(404, "not_found");
    assert!(list(operator.get("/api/v1/corpora/federal/documents").await).is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_choice_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("choosing").await;
    for wrong in [json!("some"), json!(7), json!([7]), json!({"all": true})] {
        let problem = tenant.admin.post(&tenant.path("/search"), &json!({"query": "x", "corpora": wrong})).await;
        assert_eq!(problem.problem(400, "invalid_request")["param"], "corpora", "{wrong}");
    }
    let many: Vec<String> = (0..65).map(|n| format!("c{n}")).collect();
    let problem = tenant.admin.post(&tenant.path("/search"), &json!({"query": "x", "corpora": many})).await;
    assert_eq!(problem.problem(400, "invalid_request")["param"], "corpora");
}
