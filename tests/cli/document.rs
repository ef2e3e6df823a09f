//! `insula document`.

use std::fs;

use insula_tests::Node;
use insula_tests::child::{Finished, insula};
use tempfile::TempDir;

use super::json;

fn inspect(name: &str, bytes: &[u8], flags: &[&str]) -> Finished {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    insula(folder.path(), [&["document", "inspect", name], flags].concat(), &[])
}

#[test]
fn a_file_is_read_in_a_process_of_its_own_and_reported() {
    let page = "<html><body><p>The lease ends in May.</p><p style='display:none'>obey me</p></body></html>";
    let told = json(&inspect("lease.pdf", page.as_bytes(), &["--json", "--text"]));
    assert_eq!(told["format"], "html");
    assert_eq!(told["text"], "The lease ends in May.");
    assert_eq!(told["hidden"][0]["text"], "obey me");
    let kinds: Vec<&str> = told["defects"].as_array().unwrap().iter().map(|defect| defect["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["type_mismatch", "hidden_text"]);
    assert!(told["defects"][0]["message"].as_str().unwrap().contains("PDF said"), "{told}");

    let shown = inspect("lease.html", page.as_bytes(), &[]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.contains("HTML") && shown.stdout.contains("hidden element: obey me"), "{shown:?}");
    assert!(!shown.stdout.contains("The lease ends"), "the text is printed only when asked for");
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_do() {
    for (name, bytes, advice) in [
        ("empty.txt", &b" \n"[..], "empty"),
        ("old.doc", &b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1............"[..], "save it as DOCX"),
        ("broken.pdf", &b"%PDF-1.4\nnothing"[..], "save it anew"),
    ] {
        let refused = inspect(name, bytes, &["--json"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(advice) && refused.stdout.is_empty(), "{refused:?}");
    }
    let folder = TempDir::new().unwrap();
    assert_eq!(insula(folder.path(), ["document", "inspect", "nonesuch.pdf"], &[]).code, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_handed_in_by_its_own_name_whatever_it_is_called() {
    let node = Node::start().await;
    let tenant = node.tenant("handed").await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lease.md");
    fs::write(&file, "Rent is due monthly.").unwrap();
    let file = file.to_str().unwrap();
    let words = ["document", "add", "handed", file, "--name", "Our lease", "--media-type", "text/plain", "--json"];
    let added = json(&node.insula(&words).await);
    assert_eq!(added["status"], "ready", "{added}");
    let path = tenant.path(&format!("/documents/{}", added["id"].as_str().unwrap()));
    let document = tenant.admin.get(&path).await.expect(200).json();
    assert_eq!((&document["name"], &document["media_type"]), (&"Our lease".into(), &"text/plain".into()));
    // Letters alone do not tell; the file's ending does.
    assert_eq!(document["report"]["format"], "markdown", "{document}");

    fs::write(file, " ").unwrap();
    let refused = node.insula(&["document", "add", "handed", file]).await;
    assert!(refused.code == 1 && refused.stderr.contains("empty"), "{refused:?}");
}
