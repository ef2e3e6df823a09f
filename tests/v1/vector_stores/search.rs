//! `/v1/vector_stores/{vector_store_id}/search`.

use insula_tests::Node;
use insula_tests::documents;
use insula_tests::stores::{STORES, found, publish, search, store};
use serde_json::{Value, json};

fn is(kind: &str, key: &str, value: Value) -> Value {
    json!({"type": kind, "key": key, "value": value})
}

async fn only_that_store_is_searched(node: &Node) {
    let tenant = node.tenant("searched").await;
    let caller = &tenant.service;
    let (one, other) = (store(caller, &json!({})).await, store(caller, &json!({})).await);
    documents::publish(&tenant, "beside", "The quince is neither here nor there.").await;
    let lease =
        publish(caller, &one, "The landlord returns the deposit within two months.", json!({"kind": "law", "year": 2024}))
            .await;
    let bread =
        publish(caller, &one, "Mix flour, water and salt. Let the dough rest.", json!({"kind": "recipe", "year": 2023})).await;
    let fees =
        publish(caller, &one, "A late fee of 5 percent is due. The deposit stays.", json!({"kind": "law", "year": 2025})).await;
    publish(caller, &other, "The landlord keeps another deposit.", json!({"kind": "law", "year": 2024})).await;

    let hits = search(caller, &one, &json!({"query": "When does the landlord return a deposit?"})).await;
    assert_eq!(hits.iter().map(|hit| hit["file_id"].as_str().unwrap()).collect::<Vec<_>>(), [&lease, &fees, &bread]);
    assert_eq!((&hits[0]["filename"], &hits[0]["score"]), (&json!("lines.jsonl"), &json!(1.0)));
    assert_eq!(hits[0]["attributes"], json!({"kind": "law", "year": 2024}));
    assert_eq!(hits[0]["content"], json!([{"type": "text", "text": "The landlord returns the deposit within two months."}]));
    let scores: Vec<f64> = hits.iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");

    let (law, recent) = (is("eq", "kind", json!("law")), is("gt", "year", json!(2023)));
    for (filter, wanted) in [
        (law.clone(), vec![&lease, &fees]),
        (is("ne", "kind", json!("law")), vec![&bread]),
        (is("in", "year", json!([2023, 2025])), vec![&bread, &fees]),
        (is("nin", "year", json!([2023, 2025])), vec![&lease]),
        (is("lte", "year", json!(2024)), vec![&lease, &bread]),
        (is("ne", "absent", json!("x")), vec![&lease, &bread, &fees]),
        (json!({"type": "and", "filters": [law, recent]}), vec![&lease, &fees]),
        (json!({"type": "and", "filters": [law, is("lt", "year", json!(2025))]}), vec![&lease]),
        (
            json!({"type": "or", "filters": [is("eq", "kind", json!("recipe")), is("gte", "year", json!(2025))]}),
            vec![&bread, &fees],
        ),
        (
            json!({"type": "and", "filters": [law, {"type": "or", "filters": [is("eq", "year", json!(2023)), is("eq", "year", json!(2025))]}]}),
            vec![&fees],
        ),
        (is("eq", "kind", json!("LAW")), vec![]),
    ] {
        let mut found = found(caller, &one, &json!({"query": "landlord", "filters": filter})).await;
        let mut wanted: Vec<String> = wanted.into_iter().cloned().collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{filter}");
        // The same tree beside the other form of filters, over all documents.
        let all = documents::search(&tenant, &json!({"query": "landlord", "filter": filter, "limit": 50})).await;
        assert!(all.len() >= wanted.len(), "{filter}");
    }

    // Several questions at once: what answers any of them best comes first.
    let both = found(caller, &one, &json!({"query": ["dough and flour", "late fee percent"], "max_num_results": 2})).await;
    assert!(both.contains(&bread) && both.contains(&fees), "{both:?}");
    let options = json!({"ranker": "auto", "score_threshold": 0.99});
    let best = found(caller, &one, &json!({"query": "landlord returns", "ranking_options": options})).await;
    assert_eq!(best, std::slice::from_ref(&lease));
    assert_eq!(found(caller, &one, &json!({"query": "landlord", "max_num_results": 1, "rewrite_query": false})).await.len(), 1);
}

#[tokio::test]
async fn a_search_looks_into_its_store() {
    only_that_store_is_searched(&Node::start().await).await;
}

#[tokio::test]
async fn a_search_looks_into_its_store_in_a_cluster() {
    only_that_store_is_searched(&Node::clustered().await).await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("wrong").await;
    let caller = &tenant.service;
    let path = format!("{STORES}/{}/search", store(caller, &json!({})).await);
    let ask = |field: &str, value: Value| {
        let mut body = json!({"query": "quince"});
        body[field] = value;
        body
    };
    for (body, param) in [
        (json!({"query": ""}), "query"),
        (json!({"query": []}), "query"),
        (json!({"query": vec!["quince"; 9]}), "query"),
        (ask("max_num_results", json!(0)), "max_num_results"),
        (ask("max_num_results", json!(51)), "max_num_results"),
        (ask("rewrite_query", json!(true)), "rewrite_query"),
        (ask("ranking_options", json!({"ranker": "best"})), "ranking_options.ranker"),
        (ask("ranking_options", json!({"score_threshold": 1.5})), "ranking_options.score_threshold"),
        (ask("filters", json!({"kind": "law"})), "filters"),
        (ask("filters", json!({"type": "and", "filters": [is("like", "a", json!(1))]})), "filters.filters[0]"),
        (ask("limit", json!(3)), "limit"),
    ] {
        let error = caller.post(&path, &body).await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], param, "{body}");
    }
    assert!(caller.post(&path, &json!({"query": "quince"})).await.expect(200).json()["data"].as_array().unwrap().is_empty());
}
