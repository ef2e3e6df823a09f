//! A small HTTP client that hides nothing: every status is an answer, every header is visible.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::sse::EventStream;
use crate::wait::within;

/// No answer takes longer, whatever the test.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Someone who calls one server, with or without a credential. Clones share their connections.
#[derive(Clone)]
pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    base: Arc<str>,
    credential: Option<Arc<str>>,
}

impl Caller {
    /// Someone without a credential. `base` is the server's address, such as `http://127.0.0.1:8420`.
    pub fn anonymous(base: &str) -> Caller {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Caller { client, base: base.into(), credential: None }
    }

    /// The same server with `credential` as bearer.
    pub fn with(&self, credential: &str) -> Caller {
        Caller { credential: Some(credential.into()), ..self.clone() }
    }

    /// The same credential at another server.
    pub fn at(&self, other: &Caller) -> Caller {
        Caller { credential: self.credential.clone(), ..other.clone() }
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The credential, if there is one.
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// A call of any method.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(credential) = &self.credential {
            request = request.header(header::AUTHORIZATION, format!("Bearer {credential}"));
        }
        Call { client: self.client.clone(), request, body: Bytes::new() }
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path).send().await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path).send().await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::POST, path).json(body).send().await
    }

    /// `PUT path` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::PUT, path).json(body).send().await
    }

    /// `PATCH path` with a JSON body, unconditionally.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::PATCH, path).json(body).send().await
    }

    /// `POST path`, the answer read event by event.
    pub async fn stream(&self, path: &str, body: &Value) -> EventStream {
        self.call(Method::POST, path).json(body).stream().await
    }
}

/// A call being put together.
#[must_use]
pub struct Call {
    client: Client<HttpConnector, Full<Bytes>>,
    request: http::request::Builder,
    body: Bytes,
}

impl Call {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Call {
        self.request = self.request.header(name, value);
        self
    }

    /// The body, with its content type.
    pub fn json(self, body: &Value) -> Call {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// The body as bytes, without a content type.
    pub fn body(mut self, body: impl Into<Bytes>) -> Call {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole answer; panics when there is none.
    pub async fn send(self) -> Reply {
        self.try_send().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends it and reads the whole answer. An `Err` says how the connection failed.
    pub async fn try_send(self) -> Result<Reply, String> {
        let response = self.open().await?;
        let (parts, body) = response.into_parts();
        let body = within(ANSWER_LIMIT, "reading an answer", body.collect()).await.map_err(|error| format!("{error:?}"))?;
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
    }

    /// Sends it and leaves the answer to be read event by event; panics when there is none.
    pub async fn stream(self) -> EventStream {
        self.try_stream().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Call::stream`]. An `Err` says how the connection failed.
    pub async fn try_stream(self) -> Result<EventStream, String> {
        Ok(EventStream::new(self.open().await?))
    }

    async fn open(self) -> Result<Response<Incoming>, String> {
        let request = self.request.body(Full::new(self.body)).map_err(|error| error.to_string())?;
        let what = format!("{} {}", request.method(), request.uri());
        let answer = within(ANSWER_LIMIT, &what, self.client.request(request)).await;
        answer.map_err(|error| format!("{what}: {error:?}"))
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// This answer, or a panic that shows it when its status is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Its body as JSON; panics with the body when it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} is not JSON ({error}): {}", self.status, self.text()))
    }

    /// Its body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What `x-request-id` says.
    pub fn request_id(&self) -> &str {
        self.header("x-request-id")
    }

    /// The error's `code`, in either dialect; empty when there is none.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = body.pointer("/error/code").or_else(|| body.get("code"));
        code.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Checks that this is an error in OpenAI's shape with that status and code, and returns its `error`.
    #[track_caller]
    pub fn openai_error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let error = self.json()["error"].clone();
        for member in ["message", "type", "param", "code"] {
            assert!(error.get(member).is_some(), "`error` lacks `{member}`: {}", self.text());
        }
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{}", self.text());
        assert!(error["type"].is_string(), "{}", self.text());
        assert_eq!(error["code"], code, "{}", self.text());
        assert!(self.request_id().starts_with("req_"), "no x-request-id: {:?}", self.headers);
        error
    }

    /// Checks that this is a problem document (RFC 9457) with that status and code, and returns it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        assert_eq!(problem["request_id"], self.request_id(), "{problem}");
        problem
    }
}
