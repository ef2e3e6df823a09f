//! The exit codes of the contract.

use insula_tests::Node;
use insula_tests::child::insula;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_failure_has_its_code() {
    let node = Node::start().await;
    let tenant = node.tenant("codes").await;
    let url = node.url().to_owned();
    let admin = tenant.admin.credential().unwrap().to_owned();
    let at = ["--url", &url, "--operator-key"];
    let cases: Vec<(i32, Vec<&str>)> = vec![
        (0, vec!["tenant", "show", "codes"]),
        (0, vec!["tenant", "list", "--json"]),
        (2, vec![]),
        (2, vec!["nonsense"]),
        (2, vec!["tenant", "create"]),
        (2, vec!["tenant", "create", "Not A Slug"]),
        (2, vec!["budget", "set", "codes"]),
        (2, vec!["budget", "set", "codes", "--limit-usd", "-5"]),
        (2, vec!["tenant", "list", "--no-such-flag"]),
        (3, vec!["tenant", "show", "nonesuch"]),
        (3, vec!["key", "revoke", "codes", "key_00000000000000000000000000"]),
        (3, vec!["request", "show", "req_00000000000000000000000000"]),
        (4, [vec!["tenant", "list"], at.to_vec(), vec!["ins_op_wrong"]].concat()),
        (4, [vec!["tenant", "list"], at.to_vec(), vec![&admin]].concat()),
        (4, [vec!["budget", "set", "codes", "--limit-usd", "5"], at.to_vec(), vec![&admin]].concat()),
        (0, [vec!["tenant", "show", "codes"], at.to_vec(), vec![&admin]].concat()),
        (5, vec!["tenant", "create", "codes"]),
        (1, vec!["tenant", "list", "--url", "http://127.0.0.1:9", "--operator-key", "x"]),
    ];
    for (code, arguments) in cases {
        let finished = node.insula(&arguments).await;
        assert_eq!(finished.code, code, "{arguments:?}: {finished:?}");
        if code != 0 {
            assert!(finished.stdout.is_empty(), "no data on failure: {finished:?}");
            assert!(!finished.stderr.is_empty(), "{arguments:?} says nothing");
            assert!(!finished.stderr.contains("panicked"), "{finished:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_json_where_json_was_asked_for() {
    let node = Node::start().await;
    let refused = node.insula(&["tenant", "show", "nonesuch", "--json"]).await;
    let problem: serde_json::Value =
        serde_json::from_str(&refused.stderr).unwrap_or_else(|error| panic!("{error}: {refused:?}"));
    assert_eq!((refused.code, &problem["code"]), (3, &serde_json::json!("not_found")));
}

#[test]
fn help_and_version_are_data() {
    let folder = TempDir::new().unwrap();
    let help = insula(folder.path(), ["--help"], &[]);
    assert_eq!(help.code, 0);
    let commands = [
        "serve",
        "dev",
        "quickstart",
        "simulator",
        "tenant",
        "key",
        "budget",
        "usage",
        "ledger",
        "migrate",
        "doctor",
        "config",
        "completions",
    ];
    for command in commands {
        assert!(help.stdout.contains(command), "{command} is missing:\n{}", help.stdout);
        let finished = insula(folder.path(), [command, "--help"], &[]);
        assert_eq!(finished.code, 0, "{command}: {finished:?}");
    }
    let version = insula(folder.path(), ["--version"], &[]);
    assert!(version.code == 0 && version.stdout.starts_with("insula "), "{version:?}");
    let completions = insula(folder.path(), ["completions", "bash"], &[]);
    assert!(completions.code == 0 && completions.stdout.contains("insula"), "{completions:?}");
}
