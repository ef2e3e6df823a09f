//! Opening connections: TCP without delay, TLS with the public roots, all of it within one bound.

use std::{
    error::Error as StdError,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use insula_model::{Error, Result};
use tokio::{net::TcpStream, time::timeout};
use tower::Service;

type BoxError = Box<dyn StdError + Send + Sync>;

/// How long a silent connection stays before the kernel asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens connections for a client. Cheap to clone: the client does so for every request.
#[derive(Clone)]
pub(super) struct Connector {
    https: Arc<HttpsConnector<HttpConnector>>,
    connect_max: Duration,
}

impl Connector {
    pub fn new(connect_max: Duration) -> Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        http.set_connect_timeout(Some(connect_max));
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(Error::internal)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { https: Arc::new(https), connect_max })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = HttpsConnector::clone(&self.https).call(to);
        let connect_max = self.connect_max;
        // The connector's own bound ends at TCP; this one holds for names and TLS too.
        Box::pin(async move { timeout(connect_max, connecting).await? })
    }
}
