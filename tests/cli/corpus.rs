//! `insula corpus`.

use std::fs;

use insula_tests::Node;
use serde_json::json as value;
use tempfile::TempDir;

use super::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corpus_is_made_filled_granted_and_erased() {
    let node = Node::start().await;
    let tenant = node.tenant("reader").await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("law.md");
    fs::write(&file, "The landlord returns the deposit within two months.").unwrap();
    let file = file.to_str().unwrap();

    let made = json(&node.insula(&["corpus", "add", "eu_rent", "--jurisdiction", "eu", "--json"]).await);
    assert_eq!((&made["name"], &made["title"], &made["jurisdiction"]), (&value!("eu_rent"), &value!("eu_rent"), &value!("eu")));
    let added = ["corpus", "document", "add", "eu_rent", file, "--metadata", "kind=law", "--json"];
    let added = json(&node.insula(&added).await);
    assert_eq!((&added["status"], &added["metadata"]), (&value!("ready"), &value!({"kind": "law"})), "{added}");
    let granted = json(&node.insula(&["corpus", "grant", "eu_rent", "reader", "--json"]).await);
    assert!(granted["granted_at"].is_string(), "{granted}");
    let listed = node.insula(&["corpus", "list", "--tenant", "reader"]).await;
    assert!(listed.code == 0 && listed.stdout.contains("eu_rent"), "{listed:?}");

    let ask = value!({"query": "deposit"});
    let found =
        async || tenant.admin.post(&tenant.path("/search"), &ask).await.expect(200).json()["data"].as_array().unwrap().len();
    assert_eq!(found().await, 1);
    assert_eq!(node.insula(&["corpus", "revoke", "eu_rent", "reader"]).await.code, 0);
    assert_eq!(found().await, 0);
    assert_eq!(node.insula(&["corpus", "revoke", "eu_rent", "reader"]).await.code, 3);

    let id = added["id"].as_str().unwrap();
    assert!(node.insula(&["corpus", "document", "list", "eu_rent"]).await.stdout.contains(id));
    assert_eq!(node.insula(&["corpus", "document", "remove", "eu_rent", id]).await.code, 0);
    assert_eq!(node.insula(&["corpus", "document", "show", "eu_rent", id]).await.code, 3);
    let taken = node.insula(&["corpus", "add", "eu_rent", "--jurisdiction", "eu"]).await;
    assert!(taken.code == 5 && taken.stderr.contains("taken"), "{taken:?}");
    assert_eq!(json(&node.insula(&["corpus", "show", "eu_rent", "--json"]).await)["id"], made["id"]);
    let receipt = json(&node.insula(&["corpus", "remove", "eu_rent", "--json"]).await);
    assert_eq!(receipt["corpus"], made["id"]);
    assert_eq!(node.insula(&["corpus", "show", "eu_rent"]).await.code, 3);
}
