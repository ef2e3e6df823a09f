//! A server that forgot a check: it stands in front of the real one and lets through what the check would have stopped.
//!
//! From outside this is the same as a build in which the check was deleted, and no build has to be made for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use insula_tests::Caller;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the check decided about, and what becomes of it without the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passing {
    /// The credential; empty for none.
    pub credential: String,
    /// The path with its query.
    pub path: String,
}

type TakenFor = dyn Fn(Passing) -> Passing + Send + Sync;
type Status = dyn Fn(&Passing, u16) -> u16 + Send + Sync;

/// A check that is gone.
pub struct Forgotten {
    /// What a request is taken for.
    pub taken_for: Box<TakenFor>,
    /// What an answer's status becomes.
    pub status: Box<Status>,
}

/// A running proxy. Dropping it closes it.
pub struct Proxy {
    /// Its address.
    pub url: String,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts one in front of `server`.
    pub async fn start(server: &Caller, forgotten: Forgotten) -> Proxy {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (server, forgotten) = (server.clone(), Arc::new(forgotten));
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (server, forgotten) = (server.clone(), Arc::clone(&forgotten));
                tokio::spawn(async move {
                    let service = service_fn(|request| forward(&server, &forgotten, request));
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Proxy { url, accepting }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(
    server: &Caller,
    forgotten: &Forgotten,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let credential = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = credential.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    let came = Passing { credential: credential.to_owned(), path: parts.uri.to_string() };
    let goes = (forgotten.taken_for)(came.clone());
    let caller = if goes.credential.is_empty() { server.clone() } else { server.with(&goes.credential) };

    let mut call = caller.call(parts.method, &goes.path).body(body.collect().await.unwrap().to_bytes());
    for name in ["content-type", "idempotency-key", "if-match"] {
        if let Some(value) = parts.headers.get(name) {
            call = call.header(name, value.to_str().unwrap());
        }
    }
    let reply = call.send().await;
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = (forgotten.status)(&came, reply.status).try_into().unwrap();
    *response.headers_mut() = reply.headers;
    for framing in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        response.headers_mut().remove(framing);
    }
    Ok(response)
}
