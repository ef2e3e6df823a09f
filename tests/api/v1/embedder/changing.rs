//! Another embedder is chosen while a tenant's documents are searched.

use super::*;

async fn choose(tenant: &TestTenant, embedder: Value) -> Value {
    tenant.operator.put(&tenant.path("/embedder"), &json!({"embedder": embedder})).await.expect(200).json()
}

async fn shown(tenant: &TestTenant) -> Value {
    tenant.admin.get(&tenant.path("/embedder")).await.expect(200).json()
}

/// Searches until nothing changes any more; how often. No search finds less than the first.
async fn search_until_done(tenant: &TestTenant, limit: usize) -> usize {
    let mut searches = 0;
    loop {
        let answer =
            tenant.admin.post(&tenant.path("/search"), &json!({"query": "matter m7", "limit": limit})).await.expect(200).json();
        assert_eq!((answer["data"].as_array().unwrap().len(), &answer["degraded"]), (limit, &Value::Null), "{answer}");
        searches += 1;
        if shown(tenant).await["next"].is_null() {
            return searches;
        }
    }
}

fn slow(latency_ms: u64) -> Scenario {
    Scenario { latency_ms, ..Scenario::default() }
}

async fn while_it_is_searched(node: &Node) {
    let tenant = node.tenant("moves").await;
    choose(&tenant, json!("lexical-hashing-1")).await;
    publish(&tenant, "lease.md", &chunks(30, "lease")).await;
    let before = shown(&tenant).await;
    assert_eq!((&before["serving"]["embedder"], &before["next"]), (&json!("lexical-hashing-1"), &Value::Null));

    node.scenario(slow(100));
    let begun = choose(&tenant, json!("sim-embed")).await;
    assert_eq!((&begun["serving"]["embedder"], &begun["next"]["embedder"]), (&json!("lexical-hashing-1"), &json!("sim-embed")));
    assert_eq!(begun["next"]["chunks_total"], 30);
    // What is handed in meanwhile is embedded for both.
    let other = hand_in(&tenant, &json!({"name": "deed.md", "text": chunks(5, "deed")})).await;
    let searches = search_until_done(&tenant, 20).await;
    assert!(searches > 3, "it was over too soon to tell: {searches}");
    assert_eq!(over(&tenant.admin, &tenant.path(&format!("/documents/{other}"))).await["status"], "ready");
    let after = shown(&tenant).await;
    assert_eq!((&after["serving"]["embedder"], &after["next"]), (&json!("sim-embed"), &Value::Null));
    let documents = list(tenant.admin.get(&tenant.path("/documents")).await);
    assert!(documents.iter().all(|document| document["embedding"]["model"] == "sim-embed"), "{documents:?}");
    let sent: Vec<String> = texts(&node.simulator().requests()).into_iter().filter(|text| text.contains("Clause")).collect();
    assert_eq!((sent.len(), most_often(&sent)), (35, 1), "each chunk is paid once");
    assert_eq!(search(&tenant, &json!({"query": "matter m7", "limit": 50})).await.len(), 35);
    every_row_is_an_embedding(node, &tenant).await;

    // And back, for nothing.
    choose(&tenant, json!("lexical-hashing-1")).await;
    search_until_done(&tenant, 20).await;
    assert_eq!(shown(&tenant).await["serving"], json!({"embedder": "lexical-hashing-1", "dimension": 384}));
}

#[tokio::test]
async fn nothing_is_missed_while_the_embedder_changes() {
    while_it_is_searched(&by_the_simulator().start().await).await;
}

#[tokio::test]
async fn nothing_is_missed_while_the_embedder_changes_in_a_cluster() {
    while_it_is_searched(&clustered(by_the_simulator()).await).await;
}

#[tokio::test]
async fn a_change_is_changed_again_and_given_up() {
    let node = by_the_simulator().start().await;
    let tenant = node.tenant("wavers").await;
    choose(&tenant, json!("lexical-hashing-1")).await;
    publish(&tenant, "lease.md", &chunks(40, "lease")).await;
    node.scenario(slow(200));
    choose(&tenant, json!("sim-embed")).await;
    eventually_within(SOON, "some of it is embedded", || async { (node.simulator().count() >= 2).then_some(()) }).await;
    let other = choose(&tenant, json!("narrow")).await;
    assert_eq!(other["next"]["embedder"], "sim-embed@16");
    eventually_within(SOON, "some of it is embedded anew", || async {
        let next = &shown(&tenant).await["next"];
        (next["embedder"] == "sim-embed@16" && next["chunks_done"].as_u64() > Some(3)).then_some(())
    })
    .await;
    // Given up: what served goes on.
    let back = choose(&tenant, json!("lexical-hashing-1")).await;
    assert_eq!((&back["serving"]["embedder"], &back["next"]), (&json!("lexical-hashing-1"), &Value::Null));
    assert_eq!(search(&tenant, &json!({"query": "matter m7", "limit": 40})).await.len(), 40);
    node.scenario(Scenario::default());
    choose(&tenant, json!("narrow")).await;
    search_until_done(&tenant, 40).await;
    assert_eq!(shown(&tenant).await["serving"], json!({"embedder": "sim-embed@16", "dimension": 16}));
}

async fn killed_in_the_middle(mut node: Node) {
    let tenant = node.tenant("killed-anew").await;
    choose(&tenant, json!("lexical-hashing-1")).await;
    publish(&tenant, "lease.md", &chunks(40, "lease")).await;
    node.scenario(slow(150));
    choose(&tenant, json!("sim-embed")).await;
    eventually_within(SOON, "some of it is embedded", || async { (node.simulator().count() >= 4).then_some(()) }).await;
    node.kill();
    node.start_again().await;
    let tenant = tenant.at(&node.operator());
    eventually_within(SOON, "the new vectors serve", || async {
        assert_eq!(search(&tenant, &json!({"query": "matter m7", "limit": 40})).await.len(), 40);
        (shown(&tenant).await["serving"]["embedder"] == "sim-embed").then_some(())
    })
    .await;
    let sent: Vec<String> = texts(&node.simulator().requests()).into_iter().filter(|text| text.contains("Clause")).collect();
    assert!((40..=44).contains(&sent.len()) && most_often(&sent) <= 2, "{} of 40", sent.len());
    let compared = nothing_lost(&node, &tenant).await;
    assert!(compared.is_sound(), "{compared:?}");
}

#[tokio::test]
async fn a_kill_in_the_middle_costs_one_batch_at_most() {
    killed_in_the_middle(by_the_simulator().start().await).await;
}

#[tokio::test]
async fn a_kill_in_the_middle_costs_one_batch_at_most_in_a_cluster() {
    killed_in_the_middle(clustered(by_the_simulator()).await).await;
}

#[tokio::test]
async fn a_change_waits_for_money_while_the_old_vectors_serve() {
    let node = by_the_simulator().start().await;
    let tenant = node.tenant("poor-anew").await;
    choose(&tenant, json!("lexical-hashing-1")).await;
    publish(&tenant, "lease.md", &chunks(20, "lease")).await;
    tenant.set_monthly_budget(Prices::embed().cost(&TokenCounts { input: 2_500, ..TokenCounts::default() }).unwrap()).await;
    choose(&tenant, json!("sim-embed")).await;
    let waits = eventually_within(SOON, "the change waits", || async {
        let next = shown(&tenant).await["next"].clone();
        (next["waiting"] == "budget").then_some(next)
    })
    .await;
    assert!((1..20).contains(&waits["chunks_done"].as_u64().unwrap()), "{waits}");
    assert_eq!(search(&tenant, &json!({"query": "matter m7", "limit": 20})).await.len(), 20, "the old vectors cost nothing");
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    eventually_within(SOON, "the new vectors serve", || async { shown(&tenant).await["next"].is_null().then_some(()) }).await;
    let sent: Vec<String> = texts(&node.simulator().requests()).into_iter().filter(|text| text.contains("Clause")).collect();
    assert_eq!((sent.len(), most_often(&sent)), (20, 1));
}
