//! A small HTTP client for the management API, over the network or straight into a node in this process.

use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, value::RawValue};
use tower::ServiceExt;

use super::exit::Failure;
use crate::node::Node;

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(120);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Someone who holds a credential and speaks to one server.
pub struct Client {
    reach: Reach,
    key: Option<String>,
}

enum Reach {
    /// Over the network, at this address without a final slash.
    Network { base: String, http: Box<Http> },
    /// A node that this process opened for itself.
    InProcess(Box<Node>),
}

type Http = HyperClient<HttpsConnector<HttpConnector>, Body>;

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// Speaks to the server at `url` as the holder of `key`.
    pub fn network(url: &str, key: Option<String>) -> Result<Self, Failure> {
        let base = url.trim_end_matches('/').to_owned();
        let parsed: Option<Uri> = base.parse().ok();
        if !parsed.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()) {
            return Err(Failure::usage(format!("{url:?} is no address; write it such as http://127.0.0.1:8420")));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(tcp);
        let http = Box::new(HyperClient::builder(TokioExecutor::new()).build(connector));
        Ok(Self { reach: Reach::Network { base, http }, key })
    }

    /// Speaks to a node in this process as the holder of `key`.
    pub fn in_process(node: Node, key: String) -> Self {
        Self { reach: Reach::InProcess(Box::new(node)), key: Some(key) }
    }

    /// The same server, another credential. Only over the network: a node in this process has one holder.
    pub fn with_key(&self, key: &str) -> Result<Self, Failure> {
        match &self.reach {
            Reach::Network { base, .. } => Self::network(base, Some(key.to_owned())),
            Reach::InProcess(_) => Err(Failure::failed("a node in this process has one credential")),
        }
    }

    /// The server's address; `None` for a node in this process.
    pub fn url(&self) -> Option<&str> {
        match &self.reach {
            Reach::Network { base, .. } => Some(base),
            Reach::InProcess(_) => None,
        }
    }

    /// Closes what was opened: a node in this process writes out what it holds.
    pub async fn close(self) -> Result<(), Failure> {
        match self.reach {
            Reach::Network { .. } => Ok(()),
            Reach::InProcess(node) => Ok(node.close().await?),
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<&Value>,
    ) -> anyhow::Result<Response<Body>> {
        let mut headers = headers;
        let body = match body {
            Some(body) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send_body(method, path, headers, body).await
    }

    async fn send_body(&self, method: Method, path: &str, headers: HeaderMap, body: Body) -> anyhow::Result<Response<Body>> {
        let base = match &self.reach {
            Reach::Network { base, .. } => base,
            Reach::InProcess(_) => "http://insula",
        };
        let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut request = request.body(body).context("the credential or the address cannot be sent in HTTP")?;
        request.headers_mut().extend(headers);
        match &self.reach {
            Reach::Network { http, .. } => {
                let response = http.request(request).await.map_err(|error| unreachable(base, &error))?;
                Ok(response.map(Body::new))
            }
            Reach::InProcess(node) => Ok(node.router().oneshot(request).await?),
        }
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub async fn call(&self, method: Method, path: &str, headers: HeaderMap, body: Option<&Value>) -> Result<Reply, Failure> {
        answer(self.send(method, path, headers, body)).await
    }

    /// Sends a form, and reads the body of a successful answer.
    pub async fn post_form(&self, path: &str, content_type: HeaderValue, form: Vec<u8>) -> Result<String, Failure> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
        answer(self.send_body(Method::POST, path, headers, Body::from(form))).await?.text()
    }

    /// The body of a successful answer; a failure with the server's words otherwise.
    async fn ok(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        self.call(method, path, HeaderMap::new(), body).await?.text()
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<String, Failure> {
        self.ok(Method::GET, path, None).await
    }

    /// Makes or does something.
    pub async fn post(&self, path: &str, body: Option<&Value>) -> Result<String, Failure> {
        self.ok(Method::POST, path, body).await
    }

    /// Replaces.
    pub async fn put(&self, path: &str, body: &Value) -> Result<String, Failure> {
        self.ok(Method::PUT, path, Some(body)).await
    }

    /// Removes.
    pub async fn delete(&self, path: &str) -> Result<String, Failure> {
        self.ok(Method::DELETE, path, None).await
    }

    /// All pages of a list as one, its items exactly as the server wrote them.
    pub async fn list(&self, path: &str, items_max: Option<usize>) -> Result<String, Failure> {
        let mut all = Page { data: Vec::new(), next_cursor: None };
        let separator = if path.contains('?') { '&' } else { '?' };
        loop {
            let next = match &all.next_cursor {
                Some(cursor) => format!("{path}{separator}cursor={}", escape(cursor)),
                None => path.to_owned(),
            };
            let body = self.get(&next).await?;
            let page: Page = serde_json::from_str(&body).context("the answer is no list")?;
            all.data.extend(page.data);
            all.next_cursor = page.next_cursor;
            let enough = items_max.is_some_and(|max| all.data.len() >= max);
            if enough || all.next_cursor.is_none() {
                break;
            }
        }
        Ok(serde_json::to_string(&all).context("cannot write the list")?)
    }
}

/// Reads the whole answer.
async fn answer(sent: impl Future<Output = anyhow::Result<Response<Body>>>) -> Result<Reply, Failure> {
    let whole = async {
        let (head, body) = sent.await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(unreadable)?;
        anyhow::Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    match tokio::time::timeout(CALL_MAX, whole).await {
        Ok(reply) => Ok(reply?),
        Err(_) => Err(Failure::failed(format!("no answer within {} s", CALL_MAX.as_secs()))),
    }
}

/// One page of a list.
#[derive(serde::Serialize, serde::Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

impl Reply {
    /// The body of a success as text; else the failure.
    pub fn text(self) -> Result<String, Failure> {
        if !self.status.is_success() {
            return Err(Failure::refused_by_server(self.status.as_u16(), &self.body));
        }
        Ok(String::from_utf8(self.body.into()).context("the answer is no text")?)
    }
}

/// Makes one segment of a path, or one value of a query, out of any text.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    // A path made of dots would climb.
    if out.bytes().all(|b| b == b'.') { out.replace('.', "%2E") } else { out }
}

fn unreachable(base: &str, error: &hyper_util::client::legacy::Error) -> anyhow::Error {
    if error.is_connect() {
        anyhow!("nothing answers at {base}; start a server with `insula dev` or `insula serve`")
    } else {
        anyhow!("the connection to {base} broke")
    }
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> anyhow::Error {
    if error.is::<LengthLimitError>() {
        anyhow!("the answer is larger than {ANSWER_BYTES_MAX} bytes")
    } else {
        anyhow!("the answer broke off: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_segment() {
        assert_eq!(escape("acme"), "acme");
        assert_eq!(escape("../a b?c=ü"), "..%2Fa%20b%3Fc%3D%C3%BC");
        assert_eq!(escape(".."), "%2E%2E");
    }

    #[test]
    fn addresses_are_checked() {
        assert!(Client::network("localhost:8420", None).is_err());
        assert!(Client::network("ftp://localhost", None).is_err());
        assert!(Client::network("http://127.0.0.1:8420/", None).is_ok());
    }
}
