//! A model in the server's own process, from its directory to an answer, as a user would have it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../embedder/tests/model/files.rs"]
#[expect(dead_code, reason = "the model's own tests compute with its weights, these do not")]
mod files;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use files::{Files, HIDDEN, LAYERS};
use insula_embedder::{Bounds, Model, Side};
use serde_json::Value;

const STARTS_WITHIN: Duration = Duration::from_secs(60);
const MADE_ANEW_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The program, which sees nothing of the test's own environment.
fn insula(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_insula"));
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A server with one local model, called `tiny`.
struct Dev {
    folder: tempfile::TempDir,
    server: Child,
}

impl Dev {
    fn start(model: &Path, more: &str) -> Dev {
        let folder = tempfile::tempdir().unwrap();
        configure(folder.path(), model, more);
        let server = insula(folder.path())
            .args(["dev", "--config", "insula.toml", "--data-dir", "data", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dev = Dev { folder, server };
        eventually(STARTS_WITHIN, "the server is there", || dev.env("INSULA_URL"));
        dev
    }

    /// What `dev.env` says.
    fn env(&self, name: &str) -> Option<String> {
        let env = fs::read_to_string(self.folder.path().join("data/dev.env")).ok()?;
        env.lines().find_map(|line| line.trim_start_matches("export ").strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    }

    /// What a command says to the operator, as JSON.
    fn json(&self, args: &[&str]) -> Value {
        self.said(insula(self.folder.path()).args(args).args(["--json", "--data-dir", "data"]))
    }

    /// What a search finds, for the tenant's own key.
    fn search(&self, query: &str) -> Value {
        let [url, key] = ["INSULA_URL", "INSULA_ACME_KEY"].map(|name| self.env(name).unwrap());
        self.said(insula(self.folder.path()).args(["search", "acme", query, "--json", "--url", &url, "--operator-key", &key]))
    }

    fn said(&self, command: &mut Command) -> Value {
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice(&stdout).unwrap()
    }

    fn add(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
        let document = self.json(&["document", "add", "acme", name]);
        assert_eq!(document["status"], "ready", "{document}");
    }

    /// What searches, and what is to.
    fn embedder(&self) -> Value {
        self.json(&["embedder", "show", "acme"])
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn configure(folder: &Path, model: &Path, more: &str) {
    let config =
        format!("{more}\n[[embedders]]\nname = \"tiny\"\ndirectory = {:?}\nthreads_max = 1\n", model.to_str().unwrap());
    fs::write(folder.join("insula.toml"), config).unwrap();
}

fn eventually<T>(limit: Duration, what: &str, look: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "{what}: not within {limit:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// How the server tells the model's vectors from others'.
fn identity(model: &Path) -> String {
    format!("tiny#{:08x}", Model::load(model, Bounds::default()).unwrap().checksum())
}

const RIVER: &str = "the boat in the river";
const LEASE: &str = "the lease may end";

/// The first of the two that a search for these words should find: the nearer one by the model itself.
fn nearer(model: &Path, query: &str) -> &'static str {
    let model = Model::load(model, Bounds::default()).unwrap();
    let question = model.embed(Side::Query, &[query.to_owned()]).unwrap().remove(0);
    let texts = model.embed(Side::Document, &[RIVER.to_owned(), LEASE.to_owned()]).unwrap();
    let near = |text: &[f32]| -> f32 { text.iter().zip(&question).map(|(one, other)| one * other).sum() };
    if near(&texts[0]) > near(&texts[1]) { RIVER } else { LEASE }
}

#[test]
fn a_tenants_documents_are_embedded_and_searched_by_it() {
    let model = Files::default().write();
    let dev = Dev::start(model.path(), "[knowledge]\nembedder = \"tiny\"\n");
    dev.add("river.txt", RIVER);
    dev.add("lease.txt", LEASE);
    let embedder = dev.embedder();
    assert_eq!(embedder["embedder"], "tiny", "{embedder}");
    assert_eq!(embedder["serving"]["embedder"], identity(model.path()), "{embedder}");
    assert_eq!(embedder["serving"]["dimension"], HIDDEN, "{embedder}");

    // None of these words stands in either, so that the model alone decides.
    let found = dev.search("rises of a");
    assert_eq!(found.get("degraded"), None, "{found}");
    let hits = found["data"].as_array().unwrap();
    assert_eq!(hits.len(), 2, "the model finds what has no word of the question: {found}");
    assert_eq!(hits[0]["citation"]["quote"].as_str().unwrap().trim(), nearer(model.path(), "rises of a"), "{found}");
}

#[test]
fn a_tenant_changes_to_it_and_back() {
    let model = Files::default().write();
    let dev = Dev::start(model.path(), "");
    dev.add("river.txt", RIVER);
    let built_in = dev.embedder()["serving"].clone();
    assert_eq!(built_in["embedder"], "lexical-hashing-1");
    let serves = |embedder: &str| {
        eventually(MADE_ANEW_WITHIN, embedder, || (dev.embedder()["serving"]["embedder"] == embedder).then_some(()));
        assert_eq!(dev.search("boat")["data"].as_array().unwrap().len(), 1);
    };
    dev.json(&["embedder", "set", "acme", "tiny"]);
    serves(&identity(model.path()));
    dev.json(&["embedder", "set", "acme", "inherit"]);
    serves("lexical-hashing-1");
    assert_eq!(dev.embedder()["serving"], built_in);
}

#[test]
fn a_directory_that_holds_no_usable_model_is_told_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let model = Files { told_layers: LAYERS + 1, ..Files::default() }.write();
    for (directory, told) in [(model.path(), "encoder.layer.2"), (folder.path(), "config.json")] {
        configure(folder.path(), directory, "");
        let refused = insula(folder.path())
            .args(["dev", "--config", "insula.toml", "--data-dir", "data", "--listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && stderr.contains("embedder tiny") && stderr.contains(told), "{stderr}");
    }
}
