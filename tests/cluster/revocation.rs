//! What is taken away through one node is gone on all, within seconds, for open streams too.

use std::time::{Duration, Instant};

use insula_simulator::Scenario;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Caller, Cluster, ClusterSetup, EventStream, TestTenant, eventually, within};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, block_in_place};

use super::CHAT;

const NODES: usize = 3;
/// From the call that takes it away to the last request that is served and the last stream that goes on, anywhere.
const GONE_MAX: Duration = Duration::from_secs(5);
/// Between the requests of one caller.
const PAUSE: Duration = Duration::from_millis(10);
/// How long it is asked for after it was taken away.
const ASKED_AFTER: Duration = Duration::from_secs(2);

/// What takes a credential away.
#[derive(Debug, Clone, Copy)]
enum Deed {
    RevokeKey,
    SuspendTenant,
    EraseTenant,
}

impl Deed {
    /// Does it at the first node.
    async fn act(self, tenant: &TestTenant) {
        let operator = &tenant.operator;
        match self {
            Deed::RevokeKey => {
                let reply = operator.delete(&tenant.path(&format!("/keys/{}", tenant.service_key))).await;
                assert!((200..300).contains(&reply.status), "{}", reply.text());
            }
            Deed::SuspendTenant => drop(operator.post(&tenant.path("/suspend"), &json!({})).await.expect(200)),
            Deed::EraseTenant => drop(operator.delete(&tenant.path("")).await.expect(200)),
        }
    }

    /// How a node refuses then what is new to it.
    fn refusal(self) -> (u16, &'static str) {
        match self {
            Deed::RevokeKey | Deed::EraseTenant => (401, "invalid_api_key"),
            Deed::SuspendTenant => (403, "tenant_suspended"),
        }
    }
}

/// Asks without a pause worth mentioning; when the last request that was served was sent.
async fn ask_on(caller: Caller, deed: Deed, stop: watch::Receiver<bool>) -> Instant {
    let mut served = Instant::now();
    let (mut count, mut refused) = (0, 0);
    while !*stop.borrow() {
        let sent = Instant::now();
        let reply = caller.post(CHAT, &chat("still there?")).await;
        match reply.status {
            200 => {
                served = sent;
                count += 1;
                assert_eq!(refused, 0, "served after it was refused");
            }
            _ => {
                // What was under way is told that it lost its credential.
                if reply.code() != "invalid_api_key" {
                    let (status, code) = deed.refusal();
                    reply.openai_error(status, code);
                }
                refused += 1;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    assert!(count > 0 && refused > 0, "{count} served, {refused} refused");
    served
}

/// Reads a stream to its end, which is an error; when that came.
async fn read_on(stream: EventStream) -> Instant {
    let transcript = stream.collect().await;
    let ended = Instant::now();
    transcript.expect_error();
    assert!(!transcript.done, "{transcript:?}");
    ended
}

async fn open_streams(cluster: &Cluster, everywhere: &[TestTenant]) -> Vec<JoinHandle<Instant>> {
    cluster.scenario(Scenario { chunks: 400, output_tokens: 400, gap_ms: 100, ..Scenario::default() });
    let mut streams = Vec::new();
    for tenant in everywhere {
        let mut stream = tenant.service.stream(CHAT, &streamed_chat("on and on")).await.expect_open();
        stream.first_content().await;
        streams.push(tokio::spawn(read_on(stream)));
    }
    cluster.scenario(Scenario { output_tokens: 1, ..Scenario::default() });
    streams
}

async fn assert_gone(cluster: &Cluster, slug: &str, deed: Deed) {
    let tenant = cluster.tenant(slug).await;
    let bystander = cluster.tenant(&format!("{slug}-bystander")).await;
    let everywhere = cluster.everywhere(&tenant);
    let streams = open_streams(cluster, &everywhere).await;
    let (stop, stopped) = watch::channel(false);
    let mut asking: JoinSet<Instant> =
        everywhere.iter().map(|tenant| ask_on(tenant.service.clone(), deed, stopped.clone())).collect();
    let count = cluster.simulator().count();
    eventually("all nodes serve it", || async { (cluster.simulator().count() > count + 20).then_some(()) }).await;

    let begun = Instant::now();
    within(Duration::from_secs(30), "the deed", deed.act(&tenant)).await;
    let answered = begun.elapsed();
    tokio::time::sleep(ASKED_AFTER).await;
    let mut ended = Vec::new();
    for stream in streams {
        ended.push(within(Duration::from_secs(20), "a stream ends", stream).await.unwrap().saturating_duration_since(begun));
    }
    stop.send(true).unwrap();
    let mut served = Vec::new();
    while let Some(last) = asking.join_next().await {
        served.push(last.unwrap().saturating_duration_since(begun));
    }
    println!("{deed:?}: answered after {answered:?}; last served {served:?}; streams ended {ended:?}");
    assert!(served.iter().chain(&ended).all(|after| *after < GONE_MAX), "{served:?}, {ended:?}");
    assert!(served.iter().all(|after| *after <= answered), "served after the answer said that it is gone: {served:?}");
    for tenant in cluster.everywhere(&bystander) {
        tenant.chat("not concerned").await.expect(200);
    }
}

async fn assert_all_gone(cluster: &Cluster) {
    for (slug, deed) in [("key", Deed::RevokeKey), ("suspended", Deed::SuspendTenant), ("erased", Deed::EraseTenant)] {
        assert_gone(cluster, slug, deed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_gone_everywhere() {
    let cluster = Cluster::start(NODES).await;
    assert_all_gone(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_gone_everywhere_when_redis_stands_still() {
    let mut cluster = ClusterSetup::new(NODES).own_redis().start().await;
    block_in_place(|| cluster.redis().pause()).unwrap();
    assert_all_gone(&cluster).await;
}
