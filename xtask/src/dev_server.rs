//! `insula dev` on a free port with a data directory of its own, for suites that need a running server. Its simulator runs beside it and
//! is a provider in every vendor's form.

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

/// The providers beside `dev`'s own: name, kind, and where the simulator has that API. Their models stand in [`PRICES`].
const VENDORS: [(&str, &str, &str); 2] = [("claude", "anthropic", "v1"), ("gemini", "gemini", "v1beta")];
/// What their models cost.
const PRICES: &str = "tests/clients/prices.toml";
/// Models that are left alone by all cases but one each: those in which a provider fails. What fails is avoided for a while, and no case
/// may depend on what others did. By provider, with what its models are called and do.
const SPARE: [(&str, &str, &str); 3] = [
    ("simulator", "sim-spare", "\"chat\", \"embeddings\""),
    ("claude", "claude-sim-spare", "\"chat\""),
    ("gemini", "gemini-sim-spare", "\"chat\", \"embeddings\""),
];
/// How many of them each provider has: as many as a suite has such cases, and some more.
const SPARE_MODELS: usize = 40;

/// A running server; dropped, it is killed and its data removed.
pub struct DevServer {
    server: Running,
    /// Stops after the server.
    _simulator: Running,
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
        let simulator = Running::start(binary, &dir, "simulator", &["--listen", "127.0.0.1:0"])?;
        let url = simulator.ready.as_str();
        fs::write(dir.join("prices.toml"), workspace::read(PRICES)? + &spare())?;
        fs::write(dir.join("insula.toml"), vendors(url))?;
        let args = ["--listen", "127.0.0.1:0", "--simulator", url, "--config", "insula.toml", "--data-dir", "data"];
        let server = Running::start(binary, &dir, "dev", &args)?;
        let env = read_env(&dir.join("data/dev.env"))?;
        Ok(Self { server, _simulator: simulator, dir, env })
    }

    /// What `dev.env` says: addresses and keys.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Asks it to drain and waits; an error when it does not end well.
    pub fn stop(mut self) -> Result<()> {
        self.server.stop()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A command of ours that runs on; dropped, it is killed.
struct Running {
    child: Child,
    /// What it says behind `Ready`.
    ready: String,
    log: PathBuf,
}

impl Running {
    /// Starts a command in `dir` and waits for its `Ready`.
    fn start(binary: &Path, dir: &Path, name: &str, args: &[&str]) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let mut command = Command::new(binary);
        command.arg(name).args(args).current_dir(dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(&log)?);
        // What a developer has exported for another server must not steer this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("INSULA_")) {
            command.env_remove(name);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut running = Self { child, ready: String::new(), log };
        running.ready = running.wait_until_ready()?;
        Ok(running)
    }

    fn wait_until_ready(&mut self) -> Result<String> {
        let stdout = self.child.stdout.take().ok_or_else(|| anyhow!("the server has no stdout"))?;
        let (ready, wait) = mpsc::channel();
        // Reads on to the end, so that the server never blocks on a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(said) = line.strip_prefix("Ready") {
                    let _ = ready.send(said.trim().to_owned());
                }
            }
        });
        wait.recv_timeout(START_MAX).map_err(|_| anyhow!("the server did not become ready: {}", self.last_lines()))
    }

    fn stop(&mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if !asked.success() {
            bail!("the server ended before it was stopped: {}", self.last_lines());
        }
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the server ended with {status}: {}", self.last_lines()),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        bail!("the server did not stop within {} s: {}", STOP_MAX.as_secs(), self.last_lines())
    }

    /// The last lines of its log.
    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with the simulator at this address as the provider of every vendor.
fn vendors(url: &str) -> String {
    let mut text = "[prices]\nfile = \"prices.toml\"\n".to_owned();
    for (name, kind, version) in VENDORS {
        text.push_str(&format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"{url}/{version}\"\n\
             attempt_header = \"x-insula-attempt\"\n"
        ));
    }
    text
}

/// The entries of the spare models, called `sim-spare-1` and so on.
fn spare() -> String {
    let mut text = String::new();
    for (provider, name, operations) in SPARE {
        for number in 1..=SPARE_MODELS {
            text.push_str(&format!(
                "[[models]]\nprovider = \"{provider}\"\nname = \"{name}-{number}\"\nupstream_model = \"sim-small\"\n\
                 operations = [{operations}]\noutput_tokens_max = 16_384\nimage_tokens_max = 1_600\n[[models.prices]]\n\
                 effective_from = 2020-01-01\ninput = \"1.00\"\noutput = \"2.00\"\nsource = \"the tests\"\nchecked = 2020-01-01\n"
            ));
        }
    }
    text
}

/// `NAME=value` lines.
fn read_env(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}
