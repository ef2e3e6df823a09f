//! From a URL to a connection that speaks HTTP/2.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::Uri;
use insula_model::{Error, Result};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{QdrantOptions, wire::Trouble};
use crate::tls::client_config;

/// Bytes that may be on their way to this node at once, of one answer and of all together.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Where Qdrant listens unless told otherwise.
const PORT: u16 = 6334;

/// Where Qdrant is.
pub(super) struct Dial {
    host: String,
    port: u16,
    /// What calls are addressed to.
    pub origin: String,
    tls: Option<(ServerName<'static>, TlsConnector)>,
}

impl Dial {
    /// `Invalid` where the URL is none.
    pub fn new(options: &QdrantOptions) -> Result<Self> {
        let wrong = || Error::invalid("not the URL of a Qdrant: write it such as http://qdrant:6334, or https:// for TLS");
        let uri: Uri = options.url.parse().map_err(|_| wrong())?;
        let (scheme, authority) = (uri.scheme_str().ok_or_else(wrong)?, uri.authority().ok_or_else(wrong)?);
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        // An address of version 6 stands in brackets.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match scheme {
            "http" => None,
            "https" => {
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
                let mut config = client_config(options.ca_file.as_deref())?;
                config.alpn_protocols = vec![b"h2".to_vec()];
                Some((name, TlsConnector::from(Arc::new(config))))
            }
            _ => return Err(wrong()),
        };
        let port = authority.port_u16().unwrap_or(PORT);
        Ok(Self { host, port, origin: format!("{scheme}://{authority}"), tls })
    }

    /// A new connection, driven in the background until the last handle to it is gone. The caller bounds the time.
    pub async fn connect(&self) -> Result<SendRequest<Bytes>, Trouble> {
        let stream = match self.host.parse::<IpAddr>() {
            Ok(ip) => TcpStream::connect((ip, self.port)).await,
            Err(_) => TcpStream::connect((self.host.as_str(), self.port)).await,
        };
        let stream = stream.map_err(Trouble::away)?;
        stream.set_nodelay(true).map_err(Trouble::away)?;
        match &self.tls {
            None => handshake(stream).await,
            Some((name, tls)) => handshake(tls.connect(name.clone(), stream).await.map_err(Trouble::away)?).await,
        }
    }
}

async fn handshake<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Result<SendRequest<Bytes>, Trouble> {
    let mut builder = Builder::new();
    builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES).enable_push(false);
    let (sender, connection) = builder.handshake(stream).await.map_err(Trouble::away)?;
    // Whoever asks hears of a fault by the answer that does not come.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(url: &str) -> Result<Dial> {
        Dial::new(&QdrantOptions::new(url))
    }

    #[test]
    fn urls_are_read_and_what_is_none_is_refused() {
        let plain = dial("http://qdrant").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.tls.is_none()), ("qdrant", 6334, true));
        let tls = dial("https://[::1]:7000/").unwrap();
        assert_eq!((tls.host.as_str(), tls.port, tls.tls.is_some()), ("::1", 7000, true));
        for wrong in ["qdrant:6334", "ftp://qdrant", "http://qdrant/path", "http://key@qdrant", "http://qdrant?api-key=x", ""] {
            assert!(dial(wrong).is_err(), "{wrong}");
        }
        assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "nothing was set for the whole process");
    }
}
