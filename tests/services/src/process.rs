//! A server's process, which ends with the process that started it.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;

/// Starts the server and says its process id. Ends when the server does, and ends the server when its own input does: when
/// the owner drops its end or is killed. Until then a dead server stays a zombie of this shell, so its id is nobody else's.
const KEEPER: &str = r#"exec 3<&0
signal=$1; input=$2; shift 2
"$@" <"$input" 3<&- >&2 &
server=$!
echo $server
{ cat >/dev/null; kill -CONT $server; kill -$signal $server; } <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&- >/dev/null
wait $server
status=$?
kill $watch 2>/dev/null
exit $status"#;

const PAUSE: Duration = Duration::from_millis(20);
/// A start or a stop takes longer only on a machine that has stopped to work.
const LIMIT: Duration = Duration::from_secs(60);

/// How to start a server.
pub(crate) struct Program<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<&'a OsStr>,
    /// What it reads from its standard input.
    pub(crate) input: &'a Path,
    pub(crate) account: Option<Account>,
    /// What it writes goes there.
    pub(crate) log: PathBuf,
    /// The signal (as `kill` names it) by which it ends fast and leaves nothing running.
    pub(crate) end: &'static str,
}

/// A running server.
pub(crate) struct Process {
    keeper: Child,
    server: Pid,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(program: &Program<'_>) -> Result<Self> {
        let log = File::options().create(true).append(true).open(&program.log)?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh", program.end]).arg(program.input).arg(program.program).args(&program.args);
        keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Not in our group: a Ctrl-C is ours alone.
        keeper.process_group(0);
        Account::apply(program.account, &mut keeper);
        let mut keeper = keeper.spawn().context("cannot start sh")?;
        let mut line = String::new();
        let said = keeper.stdout.take().map(|said| BufReader::new(said).read_line(&mut line)).transpose();
        let server = line.trim().parse().ok().and_then(Pid::from_raw);
        match (said, server) {
            (Ok(_), Some(server)) => Ok(Self { keeper, server, log: program.log.clone() }),
            _ => bail!("{} did not start: {}", program.program.display(), tail(&program.log)),
        }
    }

    /// Waits until `ready` holds; an error when the server ends instead.
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !ready() {
            if let Some(status) = self.keeper.try_wait()? {
                bail!("it ended ({status}): {}", tail(&self.log));
            }
            if Instant::now() > deadline {
                bail!("it was not ready within {} s: {}", LIMIT.as_secs(), tail(&self.log));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.server, signal).context("the server does not run")
    }

    /// Sends a signal that ends it and waits until it has ended.
    pub(crate) fn end(mut self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        let deadline = Instant::now() + LIMIT;
        while self.keeper.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(anyhow!("it did not end within {} s: {}", LIMIT.as_secs(), tail(&self.log)));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The shell sees its input end, ends the server, and ends with it.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A port on loopback that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Starts with a port of its own; another one when it was taken meanwhile.
pub(crate) fn on_free_port<T>(mut start: impl FnMut(u16) -> Result<T>) -> Result<T> {
    let mut last = None;
    for _ in 0..3 {
        match start(free_port()?) {
            Ok(started) => return Ok(started),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow!("it was not tried")))
}

/// 128 bits as text.
pub(crate) fn password() -> Result<String> {
    let mut bytes = [0_u8; 16];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only an account may read.
pub(crate) fn write_private(path: &Path, account: Option<Account>, text: &str) -> Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, chown};
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    if let Some(Account { uid, gid }) = account {
        chown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
