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

/// The variable that names the folder of PostgreSQL's programs. They must know pgvector.
pub const POSTGRES_PROGRAMS: &str = "INSULA_TEST_POSTGRES_PROGRAMS";
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
    /// Makes a data folder and starts a server with it, of the programs that [`POSTGRES_PROGRAMS`] names. Takes a second.
    ///
    /// # Errors
    /// When nobody named the programs, or the server does not start; the error says why.
    pub fn start() -> Result<Self> {
        Self::start_from(&named_programs()?)
    }

    /// The same, of the programs in this folder.
    ///
    /// # Errors
    /// When the server does not start; the error says why.
    pub fn start_from(programs: &Path) -> Result<Self> {
        let (folder, password) = (Folder::create("postgres")?, password()?);
        let programs = folder.reachable(programs)?;
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

/// The folder that the environment names.
fn named_programs() -> Result<PathBuf> {
    let named = std::env::var_os(POSTGRES_PROGRAMS).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = named.ok_or_else(|| {
        anyhow!(
            "{POSTGRES_PROGRAMS} is not set: run the tests with `cargo xtask test`, or leave `cargo xtask services` running and \
             export what it prints"
        )
    })?;
    if !(folder.join("initdb").exists() && folder.join("postgres").exists()) {
        bail!("{POSTGRES_PROGRAMS} names {}, where neither initdb nor postgres is", folder.display());
    }
    Ok(folder)
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
