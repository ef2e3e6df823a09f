//! `insula config` and `insula doctor`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insula_tests::Node;
use insula_tests::child::insula;
use tempfile::TempDir;

use super::json;

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("insula.toml"), "[server]\nlisten = \"127.0.0.1:1\"\ndrain_ms_max = 11\n").unwrap();
    let show = |arguments: &[&str], env: &[(&str, &str)]| {
        let all = [&["config", "show", "--origin", "--json"], arguments].concat();
        let rows = json(&insula(folder.path(), all, env))["data"].as_array().unwrap().clone();
        move |key: &str| {
            let row = rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("no {key}"));
            (row["value"].as_str().unwrap().to_owned(), row["origin"].as_str().unwrap().to_owned())
        }
    };
    let shown = show(&[], &[]);
    assert!(shown("server.listen").0.contains("127.0.0.1:1"));
    assert!(shown("server.listen").1.contains("insula.toml:2"), "{:?}", shown("server.listen"));
    assert!(shown("storage.data_dir").1.contains("default"));

    let env = [("INSULA_LISTEN", "127.0.0.1:2"), ("INSULA_SERVER_DRAIN_MS_MAX", "22")];
    let shown = show(&[], &env);
    assert!(shown("server.listen").0.contains("127.0.0.1:2"));
    assert!(shown("server.listen").1.contains("INSULA_LISTEN"));
    assert!(shown("server.drain_ms_max").0.contains("22"));

    let shown = show(&["--listen", "127.0.0.1:3"], &env);
    assert!(shown("server.listen").0.contains("127.0.0.1:3"));
    assert!(shown("server.listen").1.contains("--listen"));
}

#[test]
fn a_bad_variable_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let refused = insula(folder.path(), ["config", "show"], &[("INSULA_SERVER_DRAIN_MS_MAX", "soon")]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("INSULA_SERVER_DRAIN_MS_MAX"), "{refused:?}");
}

#[test]
fn every_key_is_in_the_reference() {
    let folder = TempDir::new().unwrap();
    let reference = insula(folder.path(), ["config", "reference"], &[]);
    let shown = json(&insula(folder.path(), ["config", "show", "--json"], &[]));
    for row in shown["data"].as_array().unwrap() {
        let key = row["key"].as_str().unwrap().rsplit('.').next().unwrap();
        assert!(reference.stdout.contains(&format!("`{key}`")), "{key} is not in the reference");
    }
    let written = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    assert_eq!(fs::read_to_string(written).unwrap().trim(), reference.stdout.trim(), "run `cargo xtask docs`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_what_is_wrong_and_says_how_to_mend_it() {
    let mut node = Node::start().await;
    node.tenant("patient").await.chat("ah").await.expect(200);
    let healthy = json(&node.insula(&["doctor", "--data-dir", "data", "--json"]).await);
    let states: Vec<_> = healthy["data"].as_array().unwrap().iter().map(|finding| finding["state"].as_str().unwrap()).collect();
    assert!(!states.is_empty() && !states.contains(&"fail"), "{healthy}");
    node.stop();
    fs::set_permissions(node.data_dir().join("root.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let sick = node.insula(&["doctor", "--data-dir", "data"]).await;
    assert_eq!(sick.code, 1, "{sick:?}");
    assert!(sick.stdout.contains("chmod 600"), "{sick:?}");
}
