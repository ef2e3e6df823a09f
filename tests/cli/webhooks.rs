//! `insula webhook`.

use insula_tests::Node;

use super::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhooks_life() {
    let node = Node::start().await;
    for owner in [&["--tenant", "acme"][..], &[]] {
        let run = async |words: &[&str]| node.insula(&[&["webhook"][..], words, owner].concat()).await;
        let made =
            run(&["create", "https://hooks.invalid/1", "--event", "budget.alert", "--description", "ours", "--json"]).await;
        let made = json(&made);
        let id = made["id"].as_str().unwrap();
        let listed = run(&["list"]).await;
        assert!(listed.stdout.contains(id) && !listed.stdout.contains(made["secret"].as_str().unwrap()), "{listed:?}");
        let secret = run(&["rotate", id]).await;
        assert!(secret.stdout.starts_with("whsec_") && secret.stdout.trim().lines().count() == 1, "{secret:?}");
        assert_eq!(json(&run(&["update", id, "--description", "theirs", "--json"]).await)["description"], "theirs");
        assert_eq!(run(&["update", id]).await.code, 2);
        let event = run(&["test", id]).await.stdout.trim().to_owned();
        assert!(run(&["deliveries", id]).await.stdout.contains(&event));
        assert_eq!(run(&["replay", id, &event]).await.code, 0);
        assert_eq!(run(&["replay", id, "evt_x"]).await.code, 3);
        assert_eq!(run(&["delete", id]).await.code, 0);
        assert_eq!(run(&["show", id]).await.code, 3);
        assert_eq!(run(&["create", "https://127.0.0.1/"]).await.code, 2);
    }
}
