//! `insula migrate`, `insula doctor` and `--data-dir`, where several nodes share their storage.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insula_tests::Node;
use insula_tests::child::{Finished, insula};
use insula_tests::database::Database;
use serde_json::Value;
use tempfile::TempDir;

use super::json;

const SECRET: &str = "hunter2";

/// Runs a command with what the environment of a node holds.
fn with(folder: &TempDir, database: &Database, arguments: &[&str], more: &[(&str, &str)]) -> Finished {
    let url = database.url();
    let env = [&[("INSULA_POSTGRES_URL", url.as_str())], more].concat();
    insula(folder.path(), arguments, &env)
}

fn steps(finished: &Finished) -> Vec<(String, String)> {
    let text = |step: &Value, field: &str| step[field].as_str().unwrap().to_owned();
    let steps = json(finished)["data"].as_array().unwrap().clone();
    steps.iter().map(|step| (text(step, "step"), text(step, "object"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_is_told_step_by_step_and_repeated_without_one() {
    let (folder, database) = (TempDir::new().unwrap(), Database::create().await);
    let owner = database.owner_url();
    let env = [("INSULA_OWNER_URL", owner.as_str())];
    let drop = "DROP SCHEMA insula_control, insula_tenant, insula_keys CASCADE";
    database.superuser().await.batch_execute(drop).await.unwrap();

    let taken = steps(&with(&folder, &database, &["migrate", "--json"], &env));
    let of = |kind: &str| taken.iter().filter(|(step, _)| step == kind).count();
    assert!(of("schema") >= 3 && of("root key") == 1, "{taken:?}");
    let key = fs::metadata(folder.path().join("data/root.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    let again = with(&folder, &database, &["migrate"], &env);
    assert!(again.code == 0 && again.stdout.is_empty() && again.stderr.contains("in place"), "{again:?}");
    // Whatever is sealed by now is sealed with the first one.
    fs::remove_file(folder.path().join("data/root.key")).unwrap();
    assert_eq!(steps(&with(&folder, &database, &["migrate", "--json"], &env)), []);
    assert!(!folder.path().join("data/root.key").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_without_an_owner_or_with_a_wrong_one_is_refused() {
    let (folder, database) = (TempDir::new().unwrap(), Database::create().await);
    let nobody = with(&folder, &database, &["migrate"], &[]);
    assert!(nobody.code == 2 && nobody.stderr.contains("INSULA_OWNER_URL"), "{nobody:?}");
    let flag = with(&folder, &database, &["migrate", "--owner-url", SECRET], &[]);
    assert!(flag.code == 2 && !flag.stderr.contains(SECRET), "{flag:?}");
    let away = format!("postgres://owner:{SECRET}@127.0.0.1:9/insula");
    let away = with(&folder, &database, &["migrate", "--json"], &[("INSULA_OWNER_URL", &away)]);
    assert!(away.code == 1 && away.stdout.is_empty() && !away.stderr.contains(SECRET), "{away:?}");
    assert!(!folder.path().join("data").exists(), "no key without a key store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_the_common_root_key_makes_none() {
    let (folder, database) = (TempDir::new().unwrap(), Database::create().await);
    let refused = with(&folder, &database, &["serve", "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    for advice in ["root.key", "INSULA_ROOT_KEY", "insula migrate", "openssl rand -base64 32"] {
        assert!(refused.stderr.contains(advice), "{advice}: {refused:?}");
    }
    assert!(!folder.path().join("data").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_keeps_away_from_what_others_share() {
    let (folder, database) = (TempDir::new().unwrap(), Database::create().await);
    let refused = with(&folder, &database, &["dev", "--listen", "127.0.0.1:0"], &[]);
    assert!(refused.code == 2 && refused.stderr.contains("insula serve"), "{refused:?}");
}

#[test]
fn no_password_is_shown() {
    let folder = TempDir::new().unwrap();
    let postgres = format!("postgres://app:{SECRET}@127.0.0.1:9/insula");
    let redis = format!("redis://:{SECRET}@127.0.0.1:9");
    let env = [("INSULA_POSTGRES_URL", postgres.as_str()), ("INSULA_REDIS_URL", redis.as_str())];
    for arguments in [
        &["config", "show", "--origin"] as &[&str],
        &["config", "show", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["tenant", "list", "--data-dir", "data"],
    ] {
        let finished = insula(folder.path(), arguments, &env);
        assert!(!finished.stdout.contains(SECRET) && !finished.stderr.contains(SECRET), "{arguments:?}: {finished:?}");
    }
    let shown = insula(folder.path(), ["config", "show", "--origin"], &env);
    assert!(shown.stdout.contains("app:***@127.0.0.1:9/insula") && shown.stdout.contains("env INSULA_REDIS_URL"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_examines_what_is_shared_and_changes_nothing() {
    let node = Node::clustered().await;
    let healthy = json(&node.insula(&["doctor", "--data-dir", "data", "--json"]).await);
    let findings = healthy["data"].as_array().unwrap();
    let of = |check: &str| findings.iter().filter(|finding| finding["check"] == check).collect::<Vec<_>>();
    assert!(of("shared storage").len() >= 4, "{healthy}");
    assert_eq!(of("key store")[0]["state"], "warn", "{healthy}");
    assert!(findings.iter().all(|finding| finding["state"] != "fail"), "{healthy}");

    let database = node.database();
    let nodes = "SELECT count(*) FROM insula_control.nodes";
    let before = database.number(nodes).await;
    let superuser = database.superuser().await;
    superuser.batch_execute("ALTER TABLE insula_tenant.requests NO FORCE ROW LEVEL SECURITY").await.unwrap();
    let sick = node.insula(&["doctor", "--data-dir", "data"]).await;
    assert_eq!(sick.code, 1, "{sick:?}");
    assert!(sick.stdout.contains("requests") && sick.stdout.contains("FORCE ROW LEVEL SECURITY"), "{sick:?}");
    assert_eq!(database.number(nodes).await, before, "it joined nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_speak_to_the_node_of_their_directory_or_join_for_a_moment() {
    let mut node = Node::clustered().await;
    json(&node.insula(&["tenant", "create", "beside", "--data-dir", "data", "--json"]).await);
    node.operator().get("/api/v1/tenants/beside").await.expect(200);
    let nodes = "SELECT count(*) FROM insula_control.nodes";
    assert_eq!(node.database().number(nodes).await, 1, "the server's own");

    // Without a server of this directory, and from a directory that there is not.
    json(&node.insula(&["tenant", "create", "elsewhere", "--data-dir", "nowhere", "--json"]).await);
    node.operator().get("/api/v1/tenants/elsewhere").await.expect(200);
    assert!(!node.folder().join("nowhere").exists());
    assert_eq!(node.database().number(nodes).await, 1, "it left again");

    node.stop();
    json(&node.insula(&["tenant", "create", "without", "--data-dir", "data", "--json"]).await);
    let proof = json(&node.insula(&["ledger", "verify", "--data-dir", "data", "--json"]).await);
    assert_eq!(proof["difference_usd"], "0.00");
    node.start_again().await;
    node.operator().get("/api/v1/tenants/without").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_has_one_node() {
    let node = Node::clustered().await;
    let refused = node.insula(&["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"]).await;
    assert!(refused.code == 5 && refused.stderr.contains("in use by another process"), "{refused:?}");
    node.operator().get("/api/v1/tenants").await.expect(200);
}
