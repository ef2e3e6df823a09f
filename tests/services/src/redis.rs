//! A Redis server of one's own.

use std::{
    ffi::OsStr,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use rustix::process::Signal;

use crate::{
    folder::Folder,
    process::{Process, Program, on_free_port, password, write_private},
};

const PROGRAM: &str = "redis-server";
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// A running server that keeps nothing. Dropped, it is gone.
pub struct Redis {
    // Ended before its folder goes.
    process: Option<Process>,
    program: PathBuf,
    port: u16,
    password: String,
    folder: Folder,
}

impl Redis {
    /// Whether it is on this machine.
    pub fn is_installed() -> bool {
        program().is_some()
    }

    /// Starts one.
    ///
    /// # Errors
    /// When Redis is not installed or does not start; the error says why.
    pub fn start() -> Result<Self> {
        let program = program().ok_or_else(|| anyhow!("Redis is not installed; install it: apt-get install redis-server"))?;
        let (folder, password) = (Folder::create("redis")?, password()?);
        let mut server = Self { process: None, program, port: 0, password, folder };
        on_free_port(|port| {
            server.port = port;
            server.configure()?;
            server.start_again()
        })?;
        Ok(server)
    }

    /// Its URL, with the password.
    pub fn url(&self) -> String {
        format!("redis://default:{}@127.0.0.1:{}/0", self.password, self.port)
    }

    /// What it holds under keys like this one, as bytes: every kind of value in the form in which Redis hands it on.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn holds(&self, pattern: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut connection)?;
        let mut held = Vec::with_capacity(keys.len());
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection)?;
            // What was written as a text is read as it is; of the rest the dump is as telling.
            let read = if kind == "string" { "GET" } else { "DUMP" };
            let value: Option<Vec<u8>> = redis::cmd(read).arg(&key).query(&mut connection)?;
            held.extend(value.map(|value| (key, value)));
        }
        Ok(held)
    }

    /// Ends it as `kill -9` does. What it knew is lost.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().ok_or_else(|| anyhow!("Redis does not run"))?.end(Signal::KILL)
    }

    /// Lets it stand still: connections stay open, and nothing is answered.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> Result<()> {
        self.running()?.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        self.running()?.signal(Signal::CONT)
    }

    /// Starts it again, empty, at the same address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        let mut process = Process::start(&Program {
            program: &self.program,
            args: [OsStr::new("-")].to_vec(),
            input: &self.folder.path().join(self.port.to_string()),
            account: self.folder.account(),
            log: self.folder.path().join("redis.log"),
            end: "KILL",
        })?;
        process
            .wait_until(|| answers(self.port).is_some_and(|said| !said.contains("LOADING")))
            .context("Redis did not start")?;
        self.process = Some(process);
        Ok(())
    }

    /// Writes the configuration, which it reads from its standard input: a password on the command line would be seen.
    fn configure(&self) -> Result<()> {
        let (folder, port, password) = (self.folder.path(), self.port, &self.password);
        let text = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndaemonize no\ndir {}\n",
            folder.display()
        );
        write_private(&folder.join(port.to_string()), self.folder.account(), &text)
    }

    fn running(&self) -> Result<&Process> {
        self.process.as_ref().ok_or_else(|| anyhow!("Redis does not run"))
    }
}

/// What it says when it is asked whether it is there. That a password is missing is an answer too.
fn answers(port: u16) -> Option<String> {
    let mut socket = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), PROBE_LIMIT).ok()?;
    socket.set_read_timeout(Some(PROBE_LIMIT)).ok()?;
    socket.write_all(b"PING\r\n").ok()?;
    let mut said = [0_u8; 64];
    let count = socket.read(&mut said).ok()?;
    (count > 0).then(|| String::from_utf8_lossy(&said[..count]).into_owned())
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([Path::new("/usr/bin").to_owned()]);
    places.map(|folder| folder.join(PROGRAM)).find(|program| program.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_dies_and_comes_back_at_the_same_address() {
        let mut server = Redis::start().unwrap();
        let (folder, port) = (server.folder.path().to_owned(), server.port);
        assert!(answers(port).unwrap().contains("NOAUTH"));
        server.pause().unwrap();
        assert_eq!(answers(port), None, "it stands still");
        server.resume().unwrap();
        server.kill().unwrap();
        assert_eq!(answers(port), None);
        server.start_again().unwrap();
        assert!(answers(port).is_some());
        drop(server);
        assert_eq!(answers(port), None);
        assert!(!folder.exists());
    }
}
