//! `insula usage export`.

use std::fs;

use insula_tests::Node;
use insula_tests::tenant::chat;
use serde_json::Value;

use super::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_goes_on_where_it_ended() {
    let node = Node::start().await;
    let acme = node.anyone.with(&node.dev_env()["INSULA_ACME_KEY"]);
    let ask = async || acme.post("/v1/chat/completions", &chat("count me")).await.expect(200).request_id().to_owned();
    let (output, cursor) = (node.folder().join("rows.jsonl"), node.folder().join("cursor"));
    let (output_name, cursor_name) = (output.to_str().unwrap(), cursor.to_str().unwrap());
    let export = ["usage", "export", "acme", "--output", output_name, "--cursor-file", cursor_name, "--json"];
    let requests = || {
        let text = fs::read_to_string(&output).unwrap();
        let request = |line: &str| serde_json::from_str::<Value>(line).unwrap()["request"].as_str().unwrap().to_owned();
        text.lines().map(request).collect::<Vec<_>>()
    };

    let mut want = vec![ask().await];
    let told = json(&node.insula(&export).await);
    assert_eq!(told["bytes_written"], fs::metadata(&output).unwrap().len());
    assert_eq!(requests(), want);
    assert_eq!(json(&node.insula(&export).await)["bytes_written"], 0, "nothing is new");

    // Killed after it wrote and before it noted that.
    let whole = fs::read_to_string(&output).unwrap();
    fs::write(&output, format!("{whole}{whole}{{\"half")).unwrap();
    want.push(ask().await);
    json(&node.insula(&export).await);
    assert_eq!(requests(), want);

    let other = node.insula(&["usage", "export", "globex", "--output", output_name, "--cursor-file", cursor_name]).await;
    assert!(other.code == 2 && other.stderr.contains("another export"), "{other:?}");
    let doubled = node.insula(&["usage", "export", "acme", "--output", output_name]).await;
    assert!(doubled.code == 1 && doubled.stderr.contains("--cursor-file"), "{doubled:?}");
    assert_eq!(requests(), want);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_without_a_file_goes_to_standard_output() {
    let node = Node::start().await;
    let acme = node.anyone.with(&node.dev_env()["INSULA_ACME_KEY"]);
    acme.post("/v1/chat/completions", &chat("count me")).await.expect(200);
    let events = node.insula(&["usage", "export", "--format", "cloudevents"]).await;
    let event: Value = serde_json::from_str(events.stdout.trim_end()).unwrap_or_else(|error| panic!("{error}: {events:?}"));
    assert_eq!((&event["specversion"], &event["data"]["operation"]), (&"1.0".into(), &"chat".into()), "{event}");
    let table = node.insula(&["usage", "export", "acme", "--format", "csv"]).await;
    assert_eq!((table.code, table.stdout.lines().count()), (0, 2), "{table:?}");
    for not_for_exports in ["acme", "--by-tag=team"] {
        let wrong = node.insula(&["usage", not_for_exports, "export"]).await;
        assert_eq!(wrong.code, 2, "{wrong:?}");
    }
    let causes = json(&node.insula(&["usage", "--group-by", "cause", "--json"]).await);
    assert_eq!(causes["data"][0]["group"], "base", "{causes}");
}
