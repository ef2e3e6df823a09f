//! A PostgreSQL server of one's own.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;

use crate::{
    account::Account,
    folder::Folder,
    process::{Process, Program, on_free_port, password, write_private},
};

/// Where Debian's packages keep the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
const SUPERUSER: &str = "postgres";

/// Small, for many short connections; what is committed is synced, as it is for users. Ends of connections are of no
/// interest, errors are.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 64MB
max_wal_size = 256MB
log_min_error_statement = panic
";

/// A running server with a fresh data folder. Dropped, it is gone.
pub struct Postgres {
    // Ended before its folder goes.
    process: Option<Process>,
    programs: PathBuf,
    port: u16,
    password: String,
    folder: Folder,
}

impl Postgres {
    /// Whether its programs are on this machine.
    pub fn is_installed() -> bool {
        programs().is_some()
    }

    /// Makes a data folder and starts a server with it. Takes a few seconds.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; the error says why.
    pub fn start() -> Result<Self> {
        let missing = || anyhow!("PostgreSQL is not installed; install it: apt-get install postgresql");
        let programs = programs().ok_or_else(missing)?;
        let (folder, password) = (Folder::create("postgres")?, password()?);
        initdb(&programs, &folder, &password).context("initdb")?;
        let mut server = Self { process: None, programs, port: 0, password, folder };
        on_free_port(|port| {
            server.port = port;
            server.start_again()
        })?;
        Ok(server)
    }

    /// The superuser's URL.
    pub fn url(&self) -> String {
        format!("postgres://{SUPERUSER}:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    /// Ends it in order: connections are cut, what is committed stays.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::INT)
    }

    /// Ends it at once, as a crash does: the next start recovers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::QUIT)
    }

    /// Starts it again with the same data at the same address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let (data, port) = (folder.join("data"), self.port.to_string());
        let program = self.programs.join("postgres");
        let mut process = Process::start(&Program {
            program: &program,
            args: [OsStr::new("-D"), data.as_os_str(), OsStr::new("-p"), OsStr::new(&port)].to_vec(),
            input: Path::new("/dev/null"),
            account: self.folder.account(),
            log: folder.join("postgres.log"),
            end: "QUIT",
        })?;
        let is_ready = self.programs.join("pg_isready");
        let ready = || {
            let mut probe = Command::new(&is_ready);
            probe.args(["-q", "-h", "127.0.0.1", "-p", &port, "-d", "postgres"]).stdout(Stdio::null()).stderr(Stdio::null());
            probe.status().is_ok_and(|status| status.success())
        };
        process.wait_until(ready).context("PostgreSQL did not start")?;
        self.process = Some(process);
        Ok(())
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("postgres.log")).unwrap_or_default()
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        self.process.take().ok_or_else(|| anyhow!("PostgreSQL does not run"))?.end(signal)
    }
}

fn initdb(programs: &Path, folder: &Folder, password: &str) -> Result<()> {
    let (data, password_file) = (folder.path().join("data"), folder.path().join("password"));
    write_private(&password_file, folder.account(), password)?;
    let mut initdb = Command::new(programs.join("initdb"));
    // Not `trust`: whoever may speak to a superuser may run programs as its account. Not `scram`: it costs milliseconds of
    // CPU for each of thousands of connections.
    initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=md5", "--username", SUPERUSER, "--pgdata"]).arg(&data);
    initdb.arg("--pwfile").arg(&password_file).current_dir("/").stdin(Stdio::null());
    Account::apply(folder.account(), &mut initdb);
    let made = initdb.output()?;
    if !made.status.success() {
        bail!("{} ({})", String::from_utf8_lossy(&made.stderr).trim(), made.status);
    }
    let file = data.join("postgresql.conf");
    let settings = fs::read_to_string(&file)? + SETTINGS;
    Ok(fs::write(file, settings)?)
}

/// The folder of the newest version's programs: Debian's, or wherever the path leads.
fn programs() -> Option<PathBuf> {
    let version = |folder: &PathBuf| folder.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut versions: Vec<PathBuf> = versions.filter(|folder| version(folder).is_some()).collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    let debian = versions.into_iter().map(|folder| folder.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.chain(std::env::split_paths(&path)).find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_dies_and_recovers_and_leaves_nothing() {
        let mut server = Postgres::start().unwrap();
        let (folder, url) = (server.folder.path().to_owned(), server.url());
        assert!(server.stop().is_ok() && server.stop().is_err(), "it runs once");
        server.start_again().unwrap();
        server.kill().unwrap();
        server.start_again().unwrap();
        assert!(server.log().contains("not properly shut down"), "{}", server.log());
        assert_eq!(server.url(), url);
        drop(server);
        assert!(!folder.exists());
    }
}
