//! `insula dev` on a free port with a data directory of its own, for suites that need a running server.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::workspace;

/// How long a start may take: far more than the second that it is held to elsewhere, because suites compile beside it.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a drain may take before the process is killed.
const STOP_MAX: Duration = Duration::from_secs(35);

/// A running server; dropped, it is killed and its data removed.
pub struct DevServer {
    child: Child,
    dir: PathBuf,
    env: BTreeMap<String, String>,
}

impl DevServer {
    /// Starts `binary` and waits for its `Ready`. `name` tells the data directories of several servers apart.
    pub fn start(binary: &Path, name: &str) -> Result<Self> {
        let dir = workspace::target().join("xtask").join(format!("{name}-{}", std::process::id()));
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot clear {}", dir.display()))?;
        }
        fs::create_dir_all(&dir)?;
        let log = fs::File::create(dir.join("stderr.log"))?;
        let mut command = Command::new(binary);
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.join("data"));
        command.current_dir(&dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // What a developer has exported for another server must not steer this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("INSULA_")) {
            command.env_remove(name);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self { child, dir, env: BTreeMap::new() };
        server.wait_until_ready()?;
        server.env = read_env(&server.dir.join("data/dev.env"))?;
        Ok(server)
    }

    /// What `dev.env` says: addresses and keys.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Asks it to drain and waits; an error when it does not end well.
    pub fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if !asked.success() {
            bail!("the server ended before it was stopped: {}", self.log());
        }
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the server ended with {status}: {}", self.log()),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        bail!("the server did not stop within {} s: {}", STOP_MAX.as_secs(), self.log())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let stdout = self.child.stdout.take().ok_or_else(|| anyhow!("the server has no stdout"))?;
        let (ready, wait) = mpsc::channel();
        // Reads on to the end, so that the server never blocks on a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.starts_with("Ready") {
                    let _ = ready.send(());
                }
            }
        });
        match wait.recv_timeout(START_MAX) {
            Ok(()) => Ok(()),
            Err(_) => bail!("the server did not become ready: {}", self.log()),
        }
    }

    /// The last lines of its log.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.dir.join("stderr.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// `NAME=value` lines.
fn read_env(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}
