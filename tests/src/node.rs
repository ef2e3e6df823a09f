//! A server of one's own as a child process: `insula dev`, or `insula serve` with a configuration, and a simulator in
//! this process beside it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use insula_simulator::{Scenario, Simulator};
use serde::Deserialize;
use tempfile::TempDir;

use crate::child::{Child, Finished, command, insula};
use crate::cluster::Shared;
use crate::config::ServeConfig;
use crate::database::Database;
use crate::http::Caller;
use crate::tenant::TestTenant;

/// Slow machines, many servers at once; the figure for a start is measured elsewhere.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How to start a server.
#[derive(Default)]
pub struct Setup {
    env: Vec<(OsString, OsString)>,
    serve: Option<ServeConfig>,
    simulator_url: Option<String>,
    program: Option<PathBuf>,
    shared: Option<Arc<Shared>>,
}

impl Setup {
    /// Sets one of the server's environment variables.
    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts `insula serve` with this configuration instead of `insula dev`.
    pub fn serve(mut self, config: ServeConfig) -> Setup {
        self.serve = Some(config);
        self
    }

    /// Lets the server be one of those that share their storage.
    pub fn shared(mut self, shared: Arc<Shared>) -> Setup {
        self.shared = Some(shared);
        self
    }

    /// Starts another program that takes the same arguments.
    pub fn program(mut self, program: PathBuf) -> Setup {
        self.program = Some(program);
        self
    }

    /// Uses a simulator elsewhere instead of one in this process.
    pub fn simulator_at(mut self, url: &str) -> Setup {
        self.simulator_url = Some(url.to_owned());
        self
    }

    /// Starts it in a folder of its own.
    pub async fn start(self) -> Node {
        let simulator = match self.simulator_url {
            Some(_) => None,
            None => Some(Simulator::start(([127, 0, 0, 1], 0).into()).unwrap()),
        };
        let simulator_url = self.simulator_url.unwrap_or_else(|| simulator.as_ref().unwrap().url());
        let folder = TempDir::new().unwrap();
        let data_dir = folder.path().join("data");
        let arguments = match &self.serve {
            Some(config) => {
                let file = config.write(folder.path(), &data_dir, &simulator_url);
                ["serve".into(), "--config".into(), file.into_os_string()].to_vec()
            }
            None => {
                let fixed = ["--listen", "127.0.0.1:0", "--simulator", &simulator_url].map(OsString::from);
                [["dev".into(), "--data-dir".into(), data_dir.into_os_string()].as_slice(), &fixed].concat()
            }
        };
        let shared_env = self.shared.as_ref().map(|shared| shared.env()).into_iter().flatten();
        let env = shared_env.map(|(name, value)| (name.into(), value.into())).chain(self.env).collect();
        let start = Start { program: self.program.unwrap_or_else(crate::binary::insula), arguments, env };
        let (child, place) = start.run(folder.path()).await;
        Node {
            child,
            anyone: Caller::anonymous(&place.url),
            operator_key: place.operator_key,
            folder,
            simulator,
            simulator_url,
            start,
            shared: self.shared,
        }
    }
}

/// How a server was started, to start it again.
struct Start {
    program: PathBuf,
    arguments: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

/// What a server writes beside its data for those who look for it.
#[derive(Deserialize)]
struct Place {
    url: String,
    operator_key: String,
}

impl Start {
    fn command(&self, folder: &Path) -> Command {
        let mut command = command(&self.program);
        command.current_dir(folder).args(&self.arguments).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Waits for `Ready` without blocking the runtime, which may be serving the simulator.
    async fn run(&self, folder: &Path) -> (Child, Place) {
        let command = self.command(folder);
        let place = folder.join("data/server.json");
        let started = tokio::task::spawn_blocking(move || {
            let mut child = Child::start(command);
            if let Err(said) = child.wait_for_line("Ready", START_LIMIT) {
                panic!("the server did not get ready; it said:\n{said}");
            }
            let text = fs::read_to_string(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
            (child, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")))
        });
        started.await.unwrap()
    }
}

/// A running server with its data. Dropping it kills the server and removes the data.
pub struct Node {
    /// Someone without a credential.
    pub anyone: Caller,
    operator_key: String,
    child: Child,
    folder: TempDir,
    simulator: Option<Simulator>,
    simulator_url: String,
    start: Start,
    // Given up after the server, which uses it.
    shared: Option<Arc<Shared>>,
}

impl Node {
    /// `insula dev` with a simulator in this process.
    pub async fn start() -> Node {
        Setup::default().start().await
    }

    /// The only node of a cluster, with a simulator in this process.
    pub async fn clustered() -> Node {
        let shared = Arc::new(Shared::create(None, None).await);
        Setup::default().serve(ServeConfig::default()).shared(shared).start().await
    }

    /// The holder of the operator key.
    pub fn operator(&self) -> Caller {
        self.anyone.with(&self.operator_key)
    }

    /// A fresh tenant with a key of each role.
    pub async fn tenant(&self, slug: &str) -> TestTenant {
        TestTenant::create(&self.operator(), slug).await
    }

    /// The simulator in this process.
    pub fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().unwrap()
    }

    /// Takes the simulator away, to stop it.
    pub fn take_simulator(&mut self) -> Simulator {
        self.simulator.take().unwrap()
    }

    /// Replaces what the simulator does.
    pub fn scenario(&self, scenario: Scenario) {
        self.simulator().set_scenario(scenario);
    }

    /// Whether its storage is shared.
    pub fn is_clustered(&self) -> bool {
        self.shared.is_some()
    }

    /// The database that it shares with the other nodes.
    pub fn database(&self) -> &Database {
        &self.shared.as_ref().unwrap().database
    }

    /// Where the simulator listens.
    pub fn simulator_url(&self) -> &str {
        &self.simulator_url
    }

    /// Where the server listens.
    pub fn url(&self) -> &str {
        self.anyone.base()
    }

    /// Where the server keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder that is removed with the node.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's process id.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the server's process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.is_running()
    }

    /// Everything that the server wrote to its outputs since it was last started.
    pub fn said(&self) -> String {
        self.child.said()
    }

    /// Starts the server on the same data and kills it after `life`, ready or not.
    pub async fn start_in_vain(&mut self, life: Duration) {
        let mut child = Child::start(self.start.command(self.folder.path()));
        tokio::time::sleep(life).await;
        child.kill();
    }

    /// Ends the server as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Lets the server stand still: its connections stay open, and nothing of it moves.
    pub fn pause(&self) {
        self.child.pause();
    }

    /// Lets the server go on.
    pub fn resume(&self) {
        self.child.resume();
    }

    /// Asks the server to stop and returns at once.
    pub fn ask_to_stop(&self) {
        self.child.ask_to_stop();
    }

    /// Asks the server to stop and waits for its end.
    pub fn stop(&mut self) {
        self.ask_to_stop();
        self.ended();
    }

    /// Waits for the end of a server that was asked to stop; panics when it does not end well.
    pub fn ended(&mut self) {
        let status = self.child.ended(STOP_LIMIT);
        assert!(status.success(), "{status}; it said:\n{}", self.child.said());
    }

    /// Starts the server again on the same data, possibly at another address: callers made before are void.
    pub async fn start_again(&mut self) {
        let (child, place) = self.start.run(self.folder.path()).await;
        self.child = child;
        self.anyone = Caller::anonymous(&place.url);
        self.operator_key = place.operator_key;
    }

    /// What `dev.env` says.
    pub fn dev_env(&self) -> HashMap<String, String> {
        read_env(&self.data_dir().join("dev.env"))
    }

    /// Runs another `insula` command beside the server and without anything of its environment but where storage is shared.
    pub async fn insula(&self, arguments: &[&str]) -> Finished {
        let (folder, arguments) =
            (self.folder.path().to_owned(), arguments.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let env = self.shared.as_ref().map(|shared| shared.env().to_vec()).unwrap_or_default();
        let run = move || {
            let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
            insula(&folder, arguments, &env)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}

/// Reads lines of `NAME=value`.
pub fn read_env(path: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
