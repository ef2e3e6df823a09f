//! From a URL to a connection: TLS, names, timeouts.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use insula_model::{Error, Result};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::failed;

/// What the server's transactions find their tables in.
const SEARCH_PATH: &str = "insula_control,insula_tenant,insula_keys";

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
        let config = Config::from_str(url)
            .map_err(|_| Error::invalid("not a PostgreSQL URL: write postgres://user:password@host:5432/database"))?;
        if config.get_dbname().is_none() || config.get_user().is_none() {
            return Err(Error::invalid("a PostgreSQL URL names its user and its database: postgres://user@host:5432/database"));
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
        let statement_ms = statement_max.as_millis();
        config.connect_timeout(connect_max);
        config.application_name("insula");
        config.keepalives_idle(KEEPALIVE_IDLE);
        // A server that vanished without a word is noticed when what was sent to it is not acknowledged.
        config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
        // A statement that waits for a lock, and a transaction that nobody ends, both end by themselves.
        config.options(format!(
            "-c search_path={SEARCH_PATH} -c statement_timeout={statement_ms} -c lock_timeout={statement_ms} \
             -c idle_in_transaction_session_timeout={statement_ms}"
        ));
        config
    }

    /// How TLS is made; `None` where the connection is plain: asked for, or on this very machine without being asked for.
    pub(super) fn tls(&self) -> Result<Option<MakeRustlsConnect>> {
        let plain = match self.config.get_ssl_mode() {
            SslMode::Disable => true,
            SslMode::Prefer => self.config.get_hosts().iter().all(is_here),
            _ => false,
        };
        if plain {
            return Ok(None);
        }
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = &self.ca_file {
            let unreadable = |error: &dyn fmt::Display| Error::invalid(format!("{}: {error}", file.display()));
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
                roots.add(certificate.map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(Error::internal)?.with_root_certificates(roots).with_no_client_auth();
        Ok(Some(MakeRustlsConnect::new(config)))
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
    }
}
