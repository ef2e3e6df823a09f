//! Who holds the data, and whether the ledger proves the accounts.

use serde_json::Value;

use crate::{
    cli::{ledger, target},
    config::Storage,
    finding::Finding,
    server_file,
};

/// Asks whoever holds the data directory for the proof.
pub async fn examine(storage: &Storage) -> Vec<Finding> {
    const LOCK: &str = "lock";
    const LEDGER: &str = "ledger";
    if storage.is_shared() && !server_file::is_held(&storage.data_dir) {
        // Whoever asks shared storage for the proof joins the other nodes first, and an examination changes nothing.
        return vec![Finding::ok(LEDGER, "not examined: no server runs here; `insula ledger verify` proves it")];
    }
    if !storage.is_shared() && !storage.data_dir.join("control.db").exists() {
        return vec![Finding::ok(LEDGER, "no data yet")];
    }
    let client = match target::at_data_dir(&storage.data_dir).await {
        Ok(client) => client,
        Err(failure) => {
            return vec![Finding::fail(LOCK, failure.to_string(), "end the process that holds it, or name another directory")];
        }
    };
    let holder = match client.url() {
        Some(url) => format!("held by the server at {url}"),
        None => "held by nobody".to_owned(),
    };
    let proof = client.get(ledger::PATH).await;
    let closed = client.close().await;
    let found = match proof.and_then(|body| closed.map(|()| body)) {
        Ok(body) => serde_json::from_str::<Value>(&body).unwrap_or_default(),
        Err(failure) => {
            return vec![Finding::ok(LOCK, holder), Finding::fail(LEDGER, failure.to_string(), "look at the server's log")];
        }
    };
    let fix = "keep a copy of the data directory before anything else, then run `insula ledger verify` for the differences";
    let proof = if ledger::agrees(&found) {
        Finding::ok(LEDGER, format!("{} rows prove the accounts, difference 0", found["rows"]))
    } else {
        Finding::fail(
            LEDGER,
            format!("the accounts do not follow from the ledger: difference {}", found["difference_usd"]),
            fix,
        )
    };
    vec![Finding::ok(LOCK, holder), proof]
}
