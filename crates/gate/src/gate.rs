//! Sending through the gate.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use insula_model::{Error, Result};
use rustls::ClientConfig;
use tower::Service;

use crate::{NoAddress, Reach, Resolver, Target, Unsent, pinned::Pinned};

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// What is sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Names and values of headers, beside those that every request has.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Bytes,
    /// How long everything may take, from the name to the end of the answer.
    pub total_max: Duration,
    /// Bytes of the answer that are read and thrown away before the connection is closed.
    pub answer_bytes_max: usize,
}

/// The gate: one for a process.
pub struct Gate {
    resolver: Arc<dyn Resolver>,
    tls: Arc<ClientConfig>,
}

impl Gate {
    /// A gate that asks `resolver` for addresses and trusts the public certificates.
    ///
    /// # Errors
    /// When TLS cannot be set up at all.
    pub fn new(resolver: Arc<dyn Resolver>) -> Result<Self> {
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_webpki_roots()
            .with_no_client_auth();
        Ok(Self { resolver, tls: Arc::new(tls) })
    }

    /// Posts a message to a target within `reach`. Answers the status, whichever it is; redirects are not followed.
    ///
    /// # Errors
    /// [`Unsent`], saying why there is no answer.
    pub async fn post(&self, target: &Target, reach: &Reach, message: &Message) -> std::result::Result<u16, Unsent> {
        let sent = tokio::time::timeout(message.total_max, self.send(target, reach, message)).await;
        sent.unwrap_or(Err(Unsent::TimedOut(message.total_max.as_millis())))
    }

    async fn send(&self, target: &Target, reach: &Reach, message: &Message) -> std::result::Result<u16, Unsent> {
        // Resolved once: what is checked here is what is connected to.
        let addresses = self.addresses(target, reach).await?;
        let mut connector = HttpsConnector::from((Pinned(addresses), Arc::clone(&self.tls)));
        let stream = connector.call(target.uri().clone()).await;
        let stream = stream.map_err(|error| Unsent::Unreachable(error.to_string()))?;
        let broken = |error: hyper::Error| Unsent::Broken(error.to_string());
        let mut handshake = http1::Builder::new();
        handshake.max_buf_size(HEAD_BYTES_MAX);
        let (mut sender, connection) = handshake.handshake(stream).await.map_err(broken)?;
        let exchange = async {
            let response = sender.send_request(request(target, message)?).await.map_err(broken)?;
            let status = response.status().as_u16();
            discard(response.into_body(), message.answer_bytes_max).await;
            Ok(status)
        };
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            answered = &mut exchange => answered,
            // The connection may end with the answer already read.
            _ = connection => exchange.await,
        }
    }

    /// All addresses of a target, each of which may be reached: one that may not condemns the name.
    async fn addresses(&self, target: &Target, reach: &Reach) -> std::result::Result<Arc<[SocketAddr]>, Unsent> {
        reach.admits(target)?;
        let found = match target.literal() {
            Some(address) => vec![address],
            None => self.named(target.host(), reach).await?,
        };
        for address in &found {
            reach.admits_address(target, *address)?;
        }
        Ok(found.iter().take(ADDRESSES_MAX).map(|address| SocketAddr::new(*address, target.port())).collect())
    }

    /// All addresses of a name, of which each lies within reach.
    async fn named(&self, host: &str, reach: &Reach) -> std::result::Result<Vec<IpAddr>, NoAddress> {
        let found = self.resolver.resolve(host).await.map_err(|_| NoAddress::Unresolved)?;
        match found.iter().all(|address| reach.contains(*address)) {
            true if found.is_empty() => Err(NoAddress::Unresolved),
            true => Ok(found),
            false => Err(NoAddress::Inside),
        }
    }
}

fn request(target: &Target, message: &Message) -> std::result::Result<Request<Full<Bytes>>, Unsent> {
    const MALFORMED: Unsent = Unsent::Malformed("the message has a header that is none");
    let mut request = Request::new(Full::new(message.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.path().parse().map_err(|_| Unsent::Malformed("the URL's path is not one"))?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(target.authority()).map_err(|_| MALFORMED)?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("insula/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &message.headers {
        let value = HeaderValue::from_str(value).map_err(|_| MALFORMED)?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(request)
}

/// Reads what fits, so that the other side is not cut off in the middle of a short answer.
async fn discard(body: Incoming, bytes_max: usize) {
    let _ = Limited::new(body, bytes_max).collect().await;
}
