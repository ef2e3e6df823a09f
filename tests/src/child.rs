//! A program as a child process whose words are kept, and which never outlives its owner.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program. Dropping it kills it with SIGKILL.
pub struct Child {
    inner: std::process::Child,
    said: Arc<Said>,
}

/// The lines that a program wrote so far, on both of its outputs.
#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// A `Command` that sees nothing of the tests' own environment but where programs and the home folder are.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

impl Child {
    /// Starts `command`.
    pub fn start(mut command: Command) -> Child {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut inner = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = Arc::new(Said::default());
        listen(inner.stdout.take().unwrap(), &said);
        listen(inner.stderr.take().unwrap(), &said);
        Child { inner, said }
    }

    /// Waits for a line that contains `text` and returns it. An `Err` holds all that was said instead, after `limit` or
    /// once the program has ended.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String, String> {
        let deadline = Instant::now() + limit;
        let mut lines = self.said.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            let ended = matches!(self.inner.try_wait(), Ok(Some(_)));
            if ended || Instant::now() > deadline {
                return Err(lines.join("\n"));
            }
            lines = self.said.more.wait_timeout(lines, Duration::from_millis(20)).unwrap().0;
        }
    }

    /// All lines so far.
    pub fn said(&self) -> String {
        self.said.lines.lock().unwrap().join("\n")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.inner.try_wait(), Ok(None))
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.inner.kill();
        let _ = self.inner.wait();
    }

    /// Lets it stand still (SIGSTOP).
    pub fn pause(&self) {
        kill_process(Pid::from_child(&self.inner), Signal::STOP).unwrap();
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        kill_process(Pid::from_child(&self.inner), Signal::CONT).unwrap();
    }

    /// Asks it to stop (SIGTERM) and returns at once.
    pub fn ask_to_stop(&self) {
        let _ = kill_process(Pid::from_child(&self.inner), Signal::TERM);
    }

    /// Asks it to stop (SIGTERM) and waits for its end; panics after `limit`.
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.ask_to_stop();
        self.ended(limit)
    }

    /// Waits for its end; panics after `limit`.
    pub fn ended(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.inner.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "did not end within {limit:?}; it said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn listen(output: impl Read + Send + 'static, said: &Arc<Said>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            said.lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            said.more.notify_all();
        }
    });
}

/// What a program that ran to its end said and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output: data.
    pub stdout: String,
    /// What it wrote to standard error: progress and errors.
    pub stderr: String,
}

/// Runs `insula` with these arguments to its end, against the data directory or server that they name.
pub fn insula<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>, env: &[(&str, &str)]) -> Finished {
    let mut command = command(crate::binary::insula());
    command.current_dir(folder).args(arguments).envs(env.iter().copied()).stdin(Stdio::null());
    let output = command.output().unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
