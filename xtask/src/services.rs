//! The PostgreSQL and the Redis that the suites share: private ones for the time of the run, or those that the developer
//! names in `INSULA_TEST_POSTGRES_URL` and `INSULA_TEST_REDIS_URL`. PostgreSQL carries pgvector, so its programs come from a wheel
//! that has both, or from the folder that `INSULA_TEST_POSTGRES_PROGRAMS` names.

use std::{path::PathBuf, thread};

use anyhow::{Context, Result};
use insula_test_services::{POSTGRES_PROGRAMS, POSTGRES_URL, Postgres, REDIS_URL, Redis};

use crate::tools;

/// Servers for the suites. Those that were started here end with this.
pub struct Services {
    env: [(&'static str, String); 3],
    _postgres: Option<Postgres>,
    _redis: Option<Redis>,
}

impl Services {
    /// Takes what is named, installs what is missing, starts the rest.
    pub fn start() -> Result<Self> {
        let named = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
        let (postgres_url, redis_url) = (named(POSTGRES_URL), named(REDIS_URL));
        if redis_url.is_none() && !Redis::is_installed() {
            tools::servers(&["redis-server"]).with_context(|| format!("or name a running one in {REDIS_URL}"))?;
        }
        // Also where a server is named: some tests start one of their own.
        let programs = match named(POSTGRES_PROGRAMS) {
            Some(folder) => PathBuf::from(folder),
            None => tools::postgres().with_context(|| {
                format!(
                    "cannot install PostgreSQL with pgvector; or name the folder of a server's programs in {POSTGRES_PROGRAMS}"
                )
            })?,
        };
        let postgres = postgres_url.is_none().then(|| Postgres::start_from(&programs)).transpose()?;
        let redis = redis_url.is_none().then(Redis::start).transpose()?;
        let postgres_url = postgres.as_ref().map(Postgres::url).or(postgres_url).unwrap_or_default();
        let redis_url = redis.as_ref().map(Redis::url).or(redis_url).unwrap_or_default();
        let programs = programs.display().to_string();
        let env = [(POSTGRES_URL, postgres_url), (POSTGRES_PROGRAMS, programs), (REDIS_URL, redis_url)];
        Ok(Self { env, _postgres: postgres, _redis: redis })
    }

    /// The variables that tell the suites where they are.
    pub fn env(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env.iter().map(|(name, url)| (*name, url.as_str()))
    }
}

/// Keeps them until Ctrl-C. They end with this process, however it ends.
pub fn run() -> Result<()> {
    let services = Services::start()?;
    for (name, url) in services.env() {
        println!("export {name}='{url}'");
    }
    eprintln!("running until Ctrl-C; paste the lines above into the terminal in which you run tests");
    loop {
        thread::park();
    }
}
