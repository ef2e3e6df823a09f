//! From a URL to a connection: TLS, names, timeouts.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use insula_model::{Error, Result};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::failed;
use crate::tls::client_config;

/// What the server's transactions find their tables in.
const SEARCH_PATH: &str = "insula_control,insula_tenant,insula_keys";

/// How long anybody waits for a lock, and how long a transaction may stand still in the middle: a node that freezes while it
/// holds locks must not hold up the others until they count as dead themselves.
const LOCK_MAX: Duration = Duration::from_secs(3);
/// After how long a silent connection is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// How long what was sent may stay unacknowledged before the connection counts as lost.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// How to reach a PostgreSQL database. `Debug` shows no password.
#[derive(Clone)]
pub struct PostgresUrl {
    config: Config,
    /// Certificates to trust beside those that every browser does, as PEM.
    ca_file: Option<PathBuf>,
}

impl PostgresUrl {
    /// From `postgres://user:password@host:5432/database?sslmode=require`. `Invalid` where it is none.
    pub fn parse(url: &str, ca_file: Option<PathBuf>) -> Result<Self> {
        // The parser's own message may repeat a part of the URL, which may hold the password.
        let mut config = Config::from_str(url)
            .map_err(|_| Error::invalid("not a PostgreSQL URL: write postgres://user:password@host:5432/database"))?;
        if config.get_dbname().is_none() || config.get_user().is_none() {
            return Err(Error::invalid("a PostgreSQL URL names its user and its database: postgres://user@host:5432/database"));
        }
        // Left to itself "prefer" takes a server's word that it has no TLS, and anybody between may give that word.
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if is_local(&config) { SslMode::Disable } else { SslMode::Require });
        }
        Ok(Self { config, ca_file })
    }

    /// The name of the role that logs in.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// With the server's settings for its connections: where tables are found, and how long anything may take.
    pub(super) fn configured(&self, connect_max: Duration, statement_max: Duration) -> Config {
        let mut config = self.config.clone();
        let (statement_ms, lock_ms) = (statement_max.as_millis(), statement_max.min(LOCK_MAX).as_millis());
        config.connect_timeout(connect_max);
        config.application_name("insula");
        config.keepalives_idle(KEEPALIVE_IDLE);
        // A server that vanished without a word is noticed when what was sent to it is not acknowledged.
        config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
        // A statement that waits for a lock, and a transaction that nobody ends, both end by themselves.
        config.options(format!(
            "-c search_path={SEARCH_PATH} -c statement_timeout={statement_ms} -c lock_timeout={lock_ms} \
             -c idle_in_transaction_session_timeout={lock_ms}"
        ));
        config
    }

    /// How TLS is made; `None` where the connection is plain: asked for, or on this very machine without being asked for.
    pub(super) fn tls(&self) -> Result<Option<MakeRustlsConnect>> {
        if self.config.get_ssl_mode() == SslMode::Disable {
            return Ok(None);
        }
        Ok(Some(MakeRustlsConnect::new(client_config(self.ca_file.as_deref())?)))
    }

    /// One connection of its own, driven in the background until the client is dropped. For migrations and checks; nothing of
    /// the server's settings but the connect timeout holds on it.
    pub(crate) async fn connect(&self, connect_max: Duration) -> Result<Client> {
        let mut config = self.config.clone();
        config.connect_timeout(connect_max);
        config.application_name("insula");
        match self.tls()? {
            Some(tls) => {
                let (client, connection) = config.connect(tls).await.map_err(failed)?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(client)
            }
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
                tokio::spawn(async move { drop(connection.await) });
                Ok(client)
            }
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUrl").field("user", &self.user()).field("database", &self.database()).finish_non_exhaustive()
    }
}

/// Whether every place that the URL names is this very machine.
fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Whether a host is this very machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url = PostgresUrl::parse("postgres://app:hunter2@db.example:5432/insula", None).unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
        let error = PostgresUrl::parse("postgres://app:hunter2@[", None).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(PostgresUrl::parse("postgres://db.example", None).is_err());
    }

    #[test]
    fn only_this_machine_is_reached_plainly() {
        let plain = |url: &str| PostgresUrl::parse(url, None).unwrap().tls().unwrap().is_none();
        assert!(plain("postgres://app@127.0.0.1/insula"));
        assert!(plain("postgres://app@localhost/insula"));
        assert!(plain("postgres://app@db.example/insula?sslmode=disable"));
        assert!(!plain("postgres://app@db.example/insula"));
        assert!(!plain("postgres://app@127.0.0.1/insula?sslmode=require"));
        assert!(!plain("postgres://app@localhost/insula?hostaddr=192.0.2.1"));
    }

    /// What a server without TLS answers, or somebody between who wants the password.
    #[tokio::test]
    async fn a_server_that_denies_tls_gets_no_password() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = [0; 8];
            socket.read_exact(&mut asked).await.unwrap();
            socket.write_all(b"N").await.unwrap();
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).await.unwrap();
            rest
        });
        // A name that is not local, at an address that is.
        let url = format!("postgres://app:hunter2@db.example:{port}/insula?hostaddr=127.0.0.1");
        let url = PostgresUrl::parse(&url, None).unwrap();
        assert!(url.connect(Duration::from_secs(5)).await.is_err());
        assert!(server.await.unwrap().is_empty());
    }
}
