//! Who pays for a question, wherever it is asked.

use insula_tests::{corpora, stores, tenant::chat};

use super::*;

/// What was sent to be embedded since, and how many calls of all kinds there were.
fn since(node: &Node, before: u64) -> (Vec<String>, usize) {
    let (log, before) = (node.simulator().requests(), before as usize);
    (texts(&log[before..]), log.len() - before)
}

#[tokio::test]
async fn a_corpus_costs_nobody_anything_and_is_searched_beside_what_does() {
    let node = by_the_simulator().start().await;
    let tenant = node.tenant("reader").await;
    let corpus = corpora::granted(&tenant, "law", "eu").await;
    corpora::publish(&tenant.operator, &corpus, &json!({"name": "quince act", "text": "The quince is taxed in October."}))
        .await;
    assert_eq!(node.simulator().count(), 0, "nobody is asked for a corpus");
    publish(&tenant, "quince", "The quince ripens in October.").await;

    let before = node.simulator().count();
    let hits = search(&tenant, &json!({"query": "quince October"})).await;
    let mut sources: Vec<&str> = hits.iter().map(|hit| hit["source"]["kind"].as_str().unwrap()).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["corpus", "tenant"], "{hits:?}");
    assert_eq!(since(&node, before), (vec!["quince October".to_owned()], 1), "once for all places");
    every_row_is_an_embedding(&node, &tenant).await;
}

#[tokio::test]
async fn the_end_user_for_whom_a_chat_is_answered_pays_for_its_question_too() {
    let node = by_the_simulator().start().await;
    let tenant = node.tenant("asks").await;
    publish(&tenant, "quince", "The quince ripens in October.").await;
    let before = node.simulator().count();
    let mut body = chat("when does the quince ripen?");
    (body["user"], body["insula"]) = (json!("ada"), json!({"retrieval": {"limit": 3}}));
    let answer = tenant.service.post("/v1/chat/completions", &body).await.expect(200).json();
    assert_eq!(answer["insula"]["retrieval"]["sources"][0]["name"], "quince", "{answer}");
    assert_eq!(since(&node, before), (vec!["when does the quince ripen?".to_owned()], 2));
    let rows = tenant.usage_by("end_user").await;
    let of_ada = rows.iter().find(|row| row["attempts"] == 2).unwrap_or_else(|| panic!("{rows:?}"));
    let causes = tenant.usage_by("cause").await;
    assert!(causes.iter().any(|row| row["group"] == "embedding" && row["attempts"] == 2), "{of_ada}: {causes:?}");
}

#[tokio::test]
async fn a_question_to_a_vector_store_is_paid_by_the_key_that_asks() {
    let node = by_the_simulator().start().await;
    let tenant = node.tenant("stores").await;
    let store = stores::store(&tenant.service, &json!({"name": "orchard"})).await;
    stores::publish(&tenant.service, &store, "The quince ripens in October.", json!({})).await;
    let before = node.simulator().count();
    assert_eq!(stores::search(&tenant.service, &store, &json!({"query": ["quince", "October"]})).await.len(), 1);
    assert_eq!(since(&node, before), (vec!["quince".to_owned(), "October".to_owned()], 2));
    let keys = tenant.usage_by("key").await;
    assert!(keys.iter().any(|row| !row["group"].is_null() && row["attempts"] == 2), "{keys:?}");
}
