//! `insula serve`.

use std::fs;
use std::time::Duration;

use insula_simulator::Scenario;
use insula_tests::child::insula;
use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, eventually};
use tempfile::TempDir;

const CHAT: &str = "/v1/chat/completions";

async fn serve() -> Node {
    Setup::default().serve(ServeConfig::default()).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_operator_key_comes_from_the_data_directory() {
    let node = serve().await;
    eventually("it says how to make one", || async { node.said().contains("operator create").then_some(()) }).await;
    let made = node.insula(&["operator", "create", "ann", "--data-dir", "data"]).await;
    assert_eq!(made.code, 0, "{made:?}");
    let operator = node.anyone.with(made.stdout.trim());
    let tenant = insula_tests::TestTenant::create(&operator, "first").await;
    tenant.chat("hi").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_open_streams_end_and_takes_nothing_new() {
    let mut node = serve().await;
    let tenant = node.tenant("drain").await;
    node.scenario(Scenario { chunks: 6, gap_ms: 200, ..Scenario::default() });
    let mut stream = tenant.service.stream(CHAT, &streamed_chat("to the end")).await.expect_open();
    stream.first_content().await;
    let stopping = tokio::task::spawn_blocking(move || {
        node.stop();
        node
    });
    // Somebody new is refused, or finds nobody.
    eventually("the server takes nothing new", || async {
        let call = tenant.service.call(http::Method::POST, CHAT).json(&chat("me too"));
        match call.try_send().await {
            Ok(reply) => (reply.status == 503).then_some(()),
            Err(_) => Some(()),
        }
    })
    .await;
    stream.collect().await.expect_complete();
    stopping.await.unwrap();
}

#[test]
fn a_bad_configuration_is_refused_with_the_line_and_the_fix() {
    let folder = TempDir::new().unwrap();
    let cases = [
        ("[server]\nlisten = \"nonsense\"\n", ":2:", "listen"),
        ("[server]\n\nlisden = \"127.0.0.1:0\"\n", ":3:", "listen"),
        ("[surprise]\na = 1\n", ":1:", "surprise"),
        ("[server]\ndrain_ms_max = -5\n", ":2:", "drain_ms_max"),
        ("[[providers]]\nname = \"a\"\nbase_url = \"ftp://x\"\n", ":3:", "base_url"),
        ("not toml at all", ":1:", ""),
    ];
    for (text, place, fix) in cases {
        fs::write(folder.path().join("insula.toml"), text).unwrap();
        let refused = insula(folder.path(), ["serve", "--config", "insula.toml", "--listen", "127.0.0.1:0"], &[]);
        assert_ne!(refused.code, 0, "{text}: {refused:?}");
        assert!(refused.stderr.contains(place), "{text}: no place in {refused:?}");
        assert!(refused.stderr.contains(fix), "{text}: no fix in {refused:?}");
        assert!(!folder.path().join("data").exists(), "nothing was made");
    }
}

#[test]
fn a_root_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("data/root.key");
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = insula(folder.path(), ["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"], &[]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains("root.key") && refused.stderr.contains("600"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_tells_whether_it_is_alive_and_ready() {
    let node = serve().await;
    node.anyone.get("/livez").await.expect(200);
    node.anyone.get("/readyz").await.expect(200);
    // Long idle connections do not keep a stop waiting.
    let _idle = insula_tests::raw::connect(node.url()).await;
    let mut node = node;
    let started = std::time::Instant::now();
    let node = tokio::task::spawn_blocking(move || {
        node.stop();
        node
    });
    node.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
