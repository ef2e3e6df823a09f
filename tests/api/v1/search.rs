//! `/api/v1/tenants/{tenant}/search`.

use insula_tests::config::ServeConfig;
use insula_tests::documents::{found, publish, publish_with, search};
use insula_tests::node::Setup;
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

/// So many chunks of one sentence each, all different.
fn sentences(count: usize) -> String {
    // A heading begins a chunk.
    let clause = |n| format!("## Clause {n}\n\n{}\n\n", format!("Clause {n} speaks of matter m{n} at length. ").repeat(25));
    (0..count).map(clause).collect()
}

async fn law(tenant: &TestTenant) -> [String; 3] {
    let publish = |name: &'static str, text: &'static str, metadata: Value| async move {
        publish_with(tenant, &json!({"name": name, "text": text, "metadata": metadata})).await
    };
    [
        publish("lease", "The landlord returns the deposit within two months.", json!({"kind": "law", "year": 2024})).await,
        publish("bread", "Mix flour, water and salt. Let the dough rest.", json!({"kind": "recipe", "year": 2024})).await,
        publish("fees", "A late fee of 5 percent is due. The deposit stays.", json!({"kind": "law", "year": 2025})).await,
    ]
}

async fn what_answers_is_found(node: &Node) {
    let tenant = node.tenant("answers").await;
    let [lease, bread, fees] = law(&tenant).await;
    let hits = search(&tenant, &json!({"query": "When does the landlord return a deposit?"})).await;
    assert_eq!(hits.iter().map(|hit| hit["document"].as_str().unwrap()).collect::<Vec<_>>(), [&lease, &fees, &bread]);
    let hit = &hits[0];
    assert_eq!((&hit["chunk"], &hit["text"]), (&json!(0), &json!("The landlord returns the deposit within two months.")));
    assert!(hits.windows(2).all(|pair| pair[0]["score"].as_f64() >= pair[1]["score"].as_f64()));
    let source = json!({"kind": "tenant"});
    assert_eq!(hit["source"], source);
    let citation = json!({"source": source, "document": lease, "name": "lease", "quote": hit["text"], "start": 0, "end": 51});
    let told = hit["citation"].as_object().unwrap().iter().filter(|(field, _)| *field != "place");
    assert_eq!(Value::Object(told.map(|(field, value)| (field.clone(), value.clone())).collect()), citation);
    assert_eq!(hit["citation"]["place"]["page"], Value::Null);
    assert_eq!(hits[1]["citation"]["quote"], "The deposit stays.");
    assert_eq!((&hits[1]["citation"]["start"], &hits[1]["citation"]["end"]), (&json!(32), &json!(50)));

    for (filter, wanted) in [
        (json!({"kind": "law"}), vec![&lease, &fees]),
        (json!({"kind": "law", "year": 2025}), vec![&fees]),
        (json!({"year": {"in": [2025, 1999]}}), vec![&fees]),
        (json!({"kind": {"in": ["recipe", "law"]}, "year": 2024}), vec![&lease, &bread]),
        (json!({"kind": "LAW"}), vec![]),
        (json!({"year": "2024"}), vec![]),
        (json!({"nothing": "law"}), vec![]),
    ] {
        let found = found(&tenant, &json!({"query": "landlord deposit", "filter": filter})).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{filter}");
    }
}

#[tokio::test]
async fn what_answers_is_found_with_its_place() {
    what_answers_is_found(&Node::start().await).await;
}

#[tokio::test]
async fn what_answers_is_found_with_its_place_in_a_cluster() {
    what_answers_is_found(&Node::clustered().await).await;
}

async fn as_many_as_there_are(node: &Node) {
    let tenant = node.tenant("many").await;
    let wide = json!({"name": "wide.md", "text": sentences(60), "metadata": {"kind": "wide"}});
    let wide = publish_with(&tenant, &wide).await;
    let narrow = json!({"name": "narrow.md", "text": sentences(7), "metadata": {"kind": "narrow"}});
    let narrow = publish_with(&tenant, &narrow).await;
    for (query, limit, filter, wanted) in [
        ("m59", 50, json!({}), 50),
        ("m59", 50, json!({"kind": "narrow"}), 7),
        ("nothing like that", 50, json!({"kind": "narrow"}), 7),
        ("!", 5, json!({"kind": "wide"}), 5),
    ] {
        let hits = search(&tenant, &json!({"query": query, "limit": limit, "filter": filter})).await;
        assert_eq!(hits.len(), wanted, "{query} {filter}");
        let quotes_hold = |hit: &Value| hit["text"].as_str().unwrap().contains(hit["citation"]["quote"].as_str().unwrap());
        assert!(hits.iter().all(quotes_hold));
    }
    // A word that one chunk has brings that one first; one that all have decides nothing.
    let hits = search(&tenant, &json!({"query": "the clause of matter m42", "limit": 1})).await;
    assert!(hits[0]["text"].as_str().unwrap().contains("m42") && hits[0]["document"] == json!(wide), "{}", hits[0]);
    let hits = search(&tenant, &json!({"query": "m3", "limit": 2})).await;
    let both: Vec<&Value> = hits.iter().map(|hit| &hit["document"]).collect();
    assert!(both.contains(&&json!(wide)) && both.contains(&&json!(narrow)), "{hits:?}");
}

#[tokio::test]
async fn a_search_finds_as_many_as_there_are() {
    as_many_as_there_are(&Node::start().await).await;
}

#[tokio::test]
async fn a_search_finds_as_many_as_there_are_in_a_cluster() {
    as_many_as_there_are(&Node::clustered().await).await;
}

#[tokio::test]
async fn an_end_user_finds_what_it_may_see() {
    let node = Node::start().await;
    let tenant = node.tenant("access").await;
    let all = publish(&tenant, "all", "The plan for everybody.").await;
    let anns = publish_with(&tenant, &json!({"name": "ann", "text": "The plan of Ann.", "access": ["ann", "eve"]})).await;
    let bobs = publish_with(&tenant, &json!({"name": "bob", "text": "The plan of Bob.", "access": ["bob"]})).await;
    for (reader, mut wanted) in [
        (json!("ann"), vec![&all, &anns]),
        (json!("bob"), vec![&all, &bobs]),
        (json!("carl"), vec![&all]),
        (json!(""), vec![&all]),
        (Value::Null, vec![&all, &anns, &bobs]),
    ] {
        let mut found = found(&tenant, &json!({"query": "plan of Ann and Bob", "end_user": reader})).await;
        found.sort();
        wanted.sort();
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{reader}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    for (field, body) in [
        ("query", json!({})),
        ("query", json!({"query": " "})),
        ("query", json!({"query": "x".repeat(4_097)})),
        ("limit", json!({"query": "x", "limit": 0})),
        ("limit", json!({"query": "x", "limit": 51})),
        ("filter.a", json!({"query": "x", "filter": {"a": {"like": "x"}}})),
        ("top_k", json!({"query": "x", "top_k": 3})),
    ] {
        let problem = tenant.admin.post(&tenant.path("/search"), &body).await.problem(400, "invalid_request");
        assert_eq!(problem["param"], field, "{problem}");
    }
    assert!(found(&tenant, &json!({"query": "x"})).await.is_empty(), "where there is nothing");
}

#[tokio::test]
async fn vectors_that_went_from_memory_are_read_again() {
    // Room for one tenant's vectors and not for two.
    let more = vec![("knowledge", "index_bytes_max = 40000".to_owned())];
    let node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let mut tenants = Vec::new();
    for n in 0..3 {
        let tenant = node.tenant(&format!("evicted-{n}")).await;
        let id = publish(&tenant, "x.md", &sentences(20)).await;
        tenants.push((tenant, id));
    }
    for _ in 0..3 {
        for (n, (tenant, id)) in tenants.iter().enumerate() {
            let word = format!("m{n}");
            let hits = search(tenant, &json!({"query": word, "limit": 1})).await;
            assert_eq!(hits[0]["document"], json!(id));
            assert!(hits[0]["text"].as_str().unwrap().contains(&word));
        }
    }
}

#[tokio::test]
async fn every_node_sees_what_another_has_changed() {
    let cluster = insula_tests::cluster::ClusterSetup::new(2).start().await;
    let here = TestTenant::create(&cluster.nodes[0].operator(), "shared").await;
    let there = here.at(&cluster.nodes[1].operator());
    let first = publish(&here, "first", "The first says quince.").await;
    assert_eq!(found(&there, &json!({"query": "quince"})).await, std::slice::from_ref(&first));
    let second = publish(&there, "second", "The second says quince twice: quince.").await;
    let mut both = found(&here, &json!({"query": "quince"})).await;
    both.sort();
    assert_eq!(both, [first.clone(), second.clone()]);
    there.admin.delete(&there.path(&format!("/documents/{first}"))).await.expect(204);
    assert_eq!(found(&here, &json!({"query": "quince"})).await, [second]);
}
