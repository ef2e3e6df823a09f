//! A Qdrant that nobody reaches, and one that takes calls and never answers.

use std::time::{Duration, Instant};

use insula_test_qdrant::{Mood, Peer};
use insula_tests::config::ServeConfig;
use insula_tests::documents::publish;
use insula_tests::node::Setup;
use insula_tests::stores::found;
use insula_tests::vectors::qdrant;
use insula_tests::{Node, TestTenant, eventually_within};
use serde_json::json;

use super::{
    LEASE, PETS, ask_all, assert_answered, assert_refused, chats_are_not_concerned, documents, search, search_store,
    store_with_a_file,
};

/// How long a search and a change wait for it here, milliseconds. For a search it is what is configured by default.
const SEARCH_MS_MAX: u64 = 1_500;
const CHANGE_MS_MAX: u64 = 1_500;
/// What a slow machine adds to a bound.
const SLACK: Duration = Duration::from_secs(2);
/// It is asked again after a rest of 5 seconds, and changes are tried again after at most as long.
const MADE_UP_WITHIN: Duration = Duration::from_secs(40);

/// Whatever was left half erased for a minute is looked after once a minute.
const BY_ITSELF_WITHIN: Duration = Duration::from_secs(150);

/// How it is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Away {
    /// Nobody listens there.
    Stopped,
    /// It takes connections and calls, and never answers.
    Hanging,
}

impl Away {
    /// How many searches notice before it is not asked for a while: a call that comes to nothing may be heavy by itself, several in a row
    /// tell of all.
    fn noticed_by(self) -> usize {
        match self {
            Away::Stopped => 1,
            Away::Hanging => 3,
        }
    }

    async fn begin(self, peer: &Peer) {
        match self {
            Away::Stopped => peer.stop().await,
            Away::Hanging => peer.set(Mood::Silent),
        }
    }

    async fn end(self, peer: &Peer) {
        match self {
            Away::Stopped => peer.start_again().await,
            Away::Hanging => peer.set(Mood::Well),
        }
    }
}

/// A node, its Qdrant, and a tenant with two documents and a file in a store, all of whose points are there.
struct World {
    node: Node,
    peer: Peer,
    tenant: TestTenant,
    lease: String,
    pets: String,
    store: String,
}

impl World {
    /// In which so many chunks are compared without the Qdrant.
    async fn make(exact_chunks_max: u32) -> World {
        let peer = Peer::start().await;
        let lines = format!(
            "{}\nqdrant_exact_chunks_max = {exact_chunks_max}\nqdrant_search_ms_max = {SEARCH_MS_MAX}\n\
             qdrant_change_ms_max = {CHANGE_MS_MAX}",
            qdrant(&peer, "shared")
        );
        let config = ServeConfig { more: vec![("vectors", lines)], ..ServeConfig::default() };
        let node = Setup::default().serve(config).start().await;
        let tenant = node.tenant("grounded").await;
        let (lease, pets) = (publish(&tenant, "lease", LEASE).await, publish(&tenant, "pets", PETS).await);
        let store = store_with_a_file(&tenant).await;
        let world = World { node, peer, tenant, lease, pets, store };
        world.all_is_there(3).await;
        world
    }

    /// Waits until the Qdrant has so many points and is asked for all that is searched, and nothing is left to be done.
    async fn all_is_there(&self, points: usize) {
        eventually_within(MADE_UP_WITHIN, "all points are there", || async { (self.points() == points).then_some(()) }).await;
        eventually_within(MADE_UP_WITHIN, "it is asked", || async {
            let asked = self.queries();
            let answer = search(&self.tenant).await.expect(200).json();
            (self.queries() > asked && answer.get("degraded").is_none()).then_some(())
        })
        .await;
        eventually_within(MADE_UP_WITHIN, "an audit finds nothing", || async {
            let audit = self.audit().await;
            (audit.status == 200 && audit.json()["found"] == 0).then_some(())
        })
        .await;
        self.peer.about();
    }

    async fn audit(&self) -> insula_tests::Reply {
        self.node.operator().post("/api/v1/vectors/audit", &json!({"tenants": ["grounded"]})).await
    }

    fn points(&self) -> usize {
        self.peer.holds().values().sum()
    }

    fn queries(&self) -> usize {
        self.peer.recorded().iter().filter(|call| call.method == "/qdrant.Points/Query").count()
    }
}

/// What is searched is compared on the node: the same is found, only the first searches notice, and answers are made of documents.
async fn the_same_is_found(away: Away) {
    let world = World::make(20_000).await;
    let World { peer, tenant, lease, pets, store, .. } = &world;
    let before = search(tenant).await.expect(200).json();
    let in_store = found(&tenant.service, store, &json!({"query": "deposit"})).await;
    away.begin(peer).await;

    for _ in 0..away.noticed_by() {
        let began = Instant::now();
        assert_eq!(search(tenant).await.expect(200).json(), before, "compared here, and nothing is said of it");
        let took = began.elapsed();
        assert!(took < Duration::from_millis(SEARCH_MS_MAX) + SLACK, "a search that noticed took {took:?}");
    }
    let began = Instant::now();
    assert_eq!(search(tenant).await.expect(200).json(), before);
    assert!(began.elapsed() < Duration::from_millis(SEARCH_MS_MAX), "one more waited too: {:?}", began.elapsed());
    assert_eq!(found(&tenant.service, store, &json!({"query": "deposit"})).await, in_store);
    assert_answered(&ask_all(&tenant.service).await);
    chats_are_not_concerned(tenant).await;

    // What comes is found, what goes is not, and neither waits long.
    let added = publish(tenant, "heating", "The heating is serviced before the deposit is returned.").await;
    let began = Instant::now();
    tenant.admin.delete(&tenant.path(&format!("/documents/{pets}"))).await.expect(204);
    assert!(began.elapsed() < Duration::from_secs(2) + SLACK, "a removal took {:?}", began.elapsed());
    let answer = search(tenant).await.expect(200).json();
    let left = documents(&answer);
    assert!(left.contains(&added.as_str()) && left.contains(&lease.as_str()) && !left.contains(&pets.as_str()), "{answer}");
    assert_eq!(answer.get("degraded"), None, "{answer}");
    chats_are_not_concerned(tenant).await;
    let refused = world.audit().await.problem(503, "unavailable");
    assert!(refused["detail"].as_str().unwrap().contains("vector engine"), "{refused}");
    assert_eq!(world.points(), 3, "its own are as they were");

    away.end(peer).await;
    world.all_is_there(3).await;
    assert_eq!(search(tenant).await.expect(200).json(), answer, "the same is found by both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_chunks_are_compared_while_it_is_stopped() {
    the_same_is_found(Away::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_chunks_are_compared_while_it_hangs() {
    the_same_is_found(Away::Hanging).await;
}

/// Of more chunks than are compared, words alone count: a search says so, an answer is refused.
async fn only_words_count(away: Away) {
    let world = World::make(0).await;
    let World { peer, tenant, lease, pets, store, .. } = &world;
    assert_answered(&ask_all(&tenant.service).await);
    away.begin(peer).await;

    let by_words = async || {
        let answer = search(tenant).await.expect(200).json();
        assert_eq!(answer["degraded"], "words_alone", "{answer}");
        answer
    };
    let answer = by_words().await;
    assert_eq!(documents(&answer)[0], lease, "{answer}");
    // OpenAI's form has no place to say it.
    let hits = search_store(&tenant.service, store).await.expect(200).json();
    assert_eq!(hits["data"].as_array().unwrap().len(), 1, "{hits}");
    assert_refused(&ask_all(&tenant.service).await);
    chats_are_not_concerned(tenant).await;
    tenant.admin.delete(&tenant.path(&format!("/documents/{pets}"))).await.expect(204);
    let added = publish(tenant, "heating", "The deposit is not for the heating.").await;
    let answer = by_words().await;
    let left = documents(&answer);
    assert!(left.contains(&added.as_str()) && !left.contains(&pets.as_str()), "{answer}");

    away.end(peer).await;
    world.all_is_there(3).await;
    assert_answered(&ask_all(&tenant.service).await);
    let answer = search(tenant).await.expect(200).json();
    assert!(documents(&answer).contains(&added.as_str()), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_alone_count_while_it_is_stopped() {
    only_words_count(Away::Stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_alone_count_while_it_hangs() {
    only_words_count(Away::Hanging).await;
}

/// Nothing of a tenant is left here at once; over there it goes by the same call, or by itself, once it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_is_completed_when_it_is_back() {
    let world = World::make(20_000).await;
    let World { node, peer, tenant, .. } = &world;
    let forgotten = node.tenant("forgotten").await;
    publish(&forgotten, "lease", LEASE).await;
    eventually_within(MADE_UP_WITHIN, "its point is there", || async { (world.points() == 4).then_some(()) }).await;
    Away::Stopped.begin(peer).await;
    for tenant in [tenant, &forgotten] {
        let refused = tenant.operator.delete(&tenant.path("")).await.problem(503, "unavailable");
        assert!(refused["detail"].as_str().unwrap().contains("by the same call"), "{refused}");
        search(tenant).await.problem(401, "invalid_api_key");
    }
    assert_eq!(world.points(), 4);
    Away::Stopped.end(peer).await;
    eventually_within(MADE_UP_WITHIN, "the same call completes it", || async {
        (tenant.operator.delete(&tenant.path("")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(world.points(), 1);
    eventually_within(BY_ITSELF_WITHIN, "its point is gone", || async { (world.points() == 0).then_some(()) }).await;
}
