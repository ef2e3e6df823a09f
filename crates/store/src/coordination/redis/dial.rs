//! From a URL to a socket: address, TLS, timeouts.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use insula_model::{Error, Result};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::RedisOptions;
use crate::tls::client_config;

/// How long making a connection may take, greeting included. No request waits for it.
pub(super) const DIAL_MAX: Duration = Duration::from_secs(2);

/// A connected socket of any kind.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// Where Redis is, and as whom to greet it. The client's own way to connect takes the process's default cryptography and sets one
/// where there is none, so sockets are made here.
pub(super) struct Dial {
    place: Place,
    login: RedisConnectionInfo,
}

enum Place {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, name: ServerName<'static>, tls: TlsConnector },
    Unix(PathBuf),
}

impl Dial {
    /// `Invalid` where the URL is none, or asks for what is not offered. The URL itself, which may hold a password, is never told.
    pub(super) fn new(options: &RedisOptions) -> Result<Self> {
        let info = parse(&options.url)?;
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err(Error::invalid(
                    "a Redis URL cannot ask for TLS without verification: trust its authority by a file",
                ));
            }
            ConnectionAddr::TcpTls { host, port, .. } => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|_| Error::invalid("the Redis URL's host is neither a name nor an address"))?;
                Place::Tls { host: host.clone(), port: *port, name, tls: connector(options)? }
            }
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            _ => return Err(not_a_url()),
        };
        Ok(Self { place, login: info.redis_settings().clone() })
    }

    pub(super) fn login(&self) -> &RedisConnectionInfo {
        &self.login
    }

    /// A new connection; the caller bounds the time.
    pub(super) async fn connect(&self) -> std::io::Result<Box<dyn Socket>> {
        match &self.place {
            Place::Tcp { host, port } => Ok(Box::new(tcp(host, *port).await?)),
            Place::Tls { host, port, name, tls } => Ok(Box::new(tls.connect(name.clone(), tcp(host, *port).await?).await?)),
            Place::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }
}

/// Where a URL leads, without who logs in there: to be shown.
pub(super) fn address(url: &str) -> String {
    parse(url).map_or_else(|_| "not a Redis URL".to_owned(), |info| info.addr().to_string())
}

fn parse(url: &str) -> Result<ConnectionInfo> {
    // The parser's own message may repeat a part of the URL.
    url.into_connection_info().map_err(|_| not_a_url())
}

fn not_a_url() -> Error {
    Error::invalid("not a Redis URL: write redis://user:password@host:6379, or rediss:// for TLS")
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = match host.parse::<IpAddr>() {
        Ok(ip) => TcpStream::connect((ip, port)).await?,
        Err(_) => TcpStream::connect((host, port)).await?,
    };
    // Each call is one small write that waits for its answer.
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connector(options: &RedisOptions) -> Result<TlsConnector> {
    Ok(TlsConnector::from(Arc::new(client_config(options.ca_file.as_deref())?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> RedisOptions {
        RedisOptions::new(url, [7; 32])
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in
            ["redis://app:hunter2@cache.example:6379", "rediss://:hunter2@cache.example", "redis://app:hunter2@[", "hunter2"]
        {
            let options = options(url);
            let shown = format!("{options:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("7, 7"), "{shown}");
            if let Err(error) = Dial::new(&options) {
                assert!(!format!("{error:?}").contains("hunter2"));
            }
        }
    }

    #[test]
    fn tls_is_verified_and_with_our_own_provider() {
        assert!(matches!(Dial::new(&options("rediss://cache.example")).unwrap().place, Place::Tls { .. }));
        assert!(matches!(Dial::new(&options("redis://127.0.0.1/3")).unwrap().place, Place::Tcp { .. }));
        assert!(matches!(Dial::new(&options("redis+unix:///run/redis.sock")).unwrap().place, Place::Unix(_)));
        assert!(Dial::new(&options("rediss://cache.example#insecure")).is_err());
        assert!(Dial::new(&options("https://cache.example")).is_err());
        let mut missing = options("rediss://cache.example");
        missing.ca_file = Some(PathBuf::from("/nowhere/ca.pem"));
        assert!(Dial::new(&missing).is_err());
        assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "nothing was set for the whole process");
    }
}
