//! Probes: with its own credentials, a tenant asks for what is another's in every way there is, of every engine. It finds nothing and changes
//! nothing; the same questions find and change everything where they are asked of one's own.

mod answers;
mod ask;
mod documents;
pub mod planted;
mod searches;
mod stores;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_model::TenantId;
use insula_test_qdrant::{About, Peer};
use insula_tests::vectors::{Searched, Searching};
use insula_tests::{Node, eventually_within};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::ask::{Ask, Own, wrong_for_another, wrong_for_its_own};
use self::planted::{CHUNKS, DOCUMENTS, Planted};

/// Probes of each engine and pattern.
const PROBES: usize = 10_000;
const PROBES_AT_ONCE: usize = 16;
/// So many that went wrong are told; then there is no use in going on.
const TOLD_MAX: usize = 40;

/// What a Qdrant gets late, it gets within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// All that is asked in one round, what changes something last. Rounds differ in documents, words, and how many are wanted.
fn asks(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let reads = [documents::reads, searches::reads, stores::reads, stores::searches, answers::reads];
    let changes = [documents::changes, answers::changes, stores::changes];
    reads.into_iter().chain(changes).flat_map(|asks| asks(by, of, round)).collect()
}

/// As many probes as there are to be, some at once; what is wrong with their answers.
async fn probe(by: &Arc<Planted>, of: &Arc<Planted>) -> Vec<String> {
    let (mut probes, mut wrong) = (JoinSet::new(), Vec::new());
    let all = (0..).flat_map(|round| asks(by, of, round)).take(PROBES);
    for ask in all {
        if probes.len() == PROBES_AT_ONCE {
            wrong.extend(probes.join_next().await.unwrap().unwrap());
        }
        if wrong.len() > TOLD_MAX {
            break;
        }
        let of = Arc::clone(of);
        probes.spawn(async move { wrong_for_another(&ask, &ask.send().await, &of) });
    }
    wrong.extend(probes.join_all().await.into_iter().flatten());
    wrong
}

/// A control: whoever owns all of it finds it by the same questions, and changes it. What is wrong with the answers.
async fn the_same_of_ones_own(node: &Node) -> Vec<String> {
    let own = Planted::plant(node, "control-c").await;
    let mut wrong = Vec::new();
    for round in 0..DOCUMENTS {
        for ask in asks(&own, &own, round).iter().filter(|ask| ask.own == Own::Finds) {
            wrong.extend(wrong_for_its_own(ask, &ask.send().await, &own));
        }
    }
    // What is another's and what is one's own is the same here, and is changed once.
    let mut done = HashSet::new();
    for ask in asks(&own, &own, 0).iter().filter(|ask| ask.own == Own::Changes && done.insert(ask.says())) {
        wrong.extend(wrong_for_its_own(ask, &ask.send().await, &own));
    }
    wrong
}

/// Panics with the first of what is wrong.
fn assert_right(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}: {} are wrong:\n{}", wrong.len(), wrong[..wrong.len().min(TOLD_MAX)].join("\n"));
}

/// Waits until what searches vectors has those of so many tenants, and is asked.
async fn all_are_there(searching: &Searching, planted: &[&Planted]) {
    let Searching { node, peer } = searching;
    if let Some(peer) = peer {
        eventually_within(SETTLED_WITHIN, "the Qdrant has all of them", || async {
            (peer.holds().values().sum::<usize>() == planted.len() * CHUNKS).then_some(())
        })
        .await;
    }
    eventually_within(SETTLED_WITHIN, "nothing is missing or too much", || async {
        let found = node.operator().post("/api/v1/vectors/audit", &json!({})).await.expect(200).json();
        (found["found"] == 0).then_some(())
    })
    .await;
}

/// All points of a Qdrant and all rows of pgvector: what no probe may change behind the tables.
async fn held(searching: &Searching, searched: Searched) -> Vec<String> {
    if let Some(peer) = &searching.peer {
        return peer.holds().keys().flat_map(|name| peer.points(name)).map(|point| format!("{point:?}")).collect();
    }
    if searched != Searched::Pgvector {
        return Vec::new();
    }
    let sql = "SELECT e::text FROM insula_tenant.embeddings e UNION ALL SELECT k::text FROM insula_tenant.embeddings_kept k ORDER BY 1";
    let rows = searching.node.database().superuser().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Every call since was about the tenant that asked or its corpus, and it was asked often.
fn assert_asked(peer: &Peer, since: usize, by: &Planted) {
    let bare = |id: &str| TenantId::from_bare(id.split_once('_').unwrap().1).unwrap();
    let (tenant, corpus) = (bare(&by.tenant.id), bare(&by.corpus));
    let calls = peer.about().split_off(since);
    for (method, about) in &calls {
        let is_own = matches!(about, About::Administration) || [tenant, corpus].map(About::Tenant).contains(about);
        assert!(is_own, "{method} is about {about:?}");
    }
    let queries = calls.iter().filter(|(method, _)| method == "/qdrant.Points/Query").count();
    assert!(queries > PROBES / 10, "{queries} searches went to it");
}

async fn nothing_of_another(searched: Searched) {
    let searching = searched.start().await;
    let node = &searching.node;
    let (of, by) = (Planted::plant(node, "owner-a").await, Planted::plant(node, "prober-b").await);
    let (of, by) = (Arc::new(of), Arc::new(by));
    all_are_there(&searching, &[&of, &by]).await;
    let before = (of.state().await, by.state().await, held(&searching, searched).await);
    assert!(searching.peer.is_none() || before.2.len() == 2 * CHUNKS, "{}", before.2.len());
    let sent = node.simulator().requests().len();
    let asked = searching.peer.as_ref().map_or(0, |peer| peer.recorded().len());

    let began = Instant::now();
    assert_right(&probe(&by, &of).await, "probes");
    println!("{PROBES} probes of {searched:?} in {:.1?}", began.elapsed());

    if let Some(peer) = &searching.peer {
        assert_asked(peer, asked, &by);
    }
    for request in &node.simulator().requests()[sent..] {
        let said = request.body.as_ref().expect("bodies of so many are kept").to_string();
        assert!(!said.contains(&of.canary), "a model was told: {said}");
    }
    let after = (of.state().await, by.state().await, held(&searching, searched).await);
    assert!(after == before, "a probe had an effect: {:?}", first_difference(&before.0, &after.0));
    assert_right(&the_same_of_ones_own(node).await, "the control");
}

fn first_difference<'a>(before: &'a [Value], after: &'a [Value]) -> Option<(&'a Value, &'a Value)> {
    before.iter().zip(after).find(|(before, after)| before != after)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_nothing_in_files() {
    nothing_of_another(Searched::Files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_nothing_in_a_cluster() {
    nothing_of_another(Searched::Tables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_nothing_in_pgvector() {
    nothing_of_another(Searched::Pgvector).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_nothing_in_a_collection_that_tenants_share() {
    nothing_of_another(Searched::QdrantShared).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_nothing_in_collections_of_their_own() {
    nothing_of_another(Searched::QdrantOwn).await;
}
