//! `insula dev`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use insula_tests::Caller;
use insula_tests::child::{Child, command};
use insula_tests::node::read_env;
use insula_tests::tenant::{chat, list};
use insula_tests::{Node, binary};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(60);

fn dev(folder: &TempDir, more: &[&str]) -> Child {
    let mut dev = command(binary::insula());
    dev.current_dir(folder.path()).args(["dev", "--data-dir", "data", "--listen", "127.0.0.1:0"]).args(more);
    Child::start(dev)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_needs_nothing_and_says_what_to_try() {
    let folder = TempDir::new().unwrap();
    let mut child = dev(&folder, &[]);
    child.wait_for_line("usage acme", START_LIMIT).unwrap();
    let env = read_env(&folder.path().join("data/dev.env"));
    let mode = fs::metadata(folder.path().join("data/dev.env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = child.said();
    assert!(said.contains("quickstart") && said.contains("curl"), "the next commands to try: {said}");
    let secrets = ["INSULA_OPERATOR_KEY", "INSULA_ACME_KEY", "INSULA_GLOBEX_KEY"].map(|name| env[name].as_str());
    for secret in secrets {
        assert!(!said.contains(secret), "no key on the screen");
    }

    let anyone = Caller::anonymous(&env["INSULA_URL"]);
    for (slug, key) in [("acme", secrets[1]), ("globex", secrets[2])] {
        let caller = anyone.with(key);
        caller.post("/v1/chat/completions", &chat("hi")).await.expect(200);
        // The role is admin, of its own tenant alone.
        assert_eq!(caller.get(&format!("/api/v1/tenants/{slug}")).await.expect(200).json()["slug"], slug);
        let other = if slug == "acme" { "globex" } else { "acme" };
        assert_eq!(caller.get(&format!("/api/v1/tenants/{other}")).await.status, 404);
    }
    assert_eq!(list(anyone.with(secrets[0]).get("/api/v1/tenants").await).len(), 2);
    let models = list(anyone.with(secrets[1]).get("/v1/models").await);
    let mut names: Vec<_> = models.iter().map(|model| model["id"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["sim-embed", "sim-large", "sim-moderation", "sim-small"]);
    let simulator = Caller::anonymous(&env["INSULA_SIMULATOR_URL"]);
    assert_eq!(simulator.get("/_sim/count").await.expect(200).json()["count"], 2);
    assert!(child.stop(Duration::from_secs(30)).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_keys_and_data_are_kept_over_restarts() {
    let mut node = Node::start().await;
    let before = node.dev_env();
    let tenant = node.tenant("kept").await;
    for gently in [true, false] {
        if gently {
            node.stop()
        } else {
            node.kill()
        }
        node.start_again().await;
        let after = node.dev_env();
        for name in ["INSULA_OPERATOR_KEY", "INSULA_ACME_KEY", "INSULA_GLOBEX_KEY", "INSULA_SIMULATOR_URL"] {
            assert_eq!(after[name], before[name], "{name}");
        }
        let operator = node.anyone.with(&after["INSULA_OPERATOR_KEY"]);
        operator.get(&tenant.path("")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_tells_how_to_use_the_vendors_keys_that_are_set() {
    let folder = TempDir::new().unwrap();
    let mut start = command(binary::insula());
    start.current_dir(folder.path()).args(["dev", "--listen", "127.0.0.1:0"]).env("DEEPSEEK_API_KEY", "sk-very-secret");
    let mut child = Child::start(start);
    child.wait_for_line("DEEPSEEK_API_KEY", START_LIMIT).unwrap();
    assert!(!child.said().contains("sk-very-secret"));
    assert!(folder.path().join("data/dev.env").exists(), "the default data directory is ./data");
}

#[test]
fn it_does_not_listen_to_the_world() {
    let folder = TempDir::new().unwrap();
    let mut start = command(binary::insula());
    start.current_dir(folder.path()).args(["dev", "--listen", "0.0.0.0:0"]);
    let mut child = Child::start(start);
    let said = child.wait_for_line("loopback", START_LIMIT).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("0.0.0.0"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_is_kept_out_of_the_same_data() {
    let node = Node::start().await;
    let refused = node.insula(&["dev", "--data-dir", "data", "--listen", "127.0.0.1:0"]).await;
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("data"), "{refused:?}");
    node.anyone.get("/livez").await.expect(200);
}
