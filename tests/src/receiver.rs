//! A receiver of webhooks on this machine, which answers as a test tells it to and remembers what it was sent.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::wait::eventually;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Told {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signatures: String,
    /// The body as text.
    pub body: String,
}

impl Told {
    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// What it is about.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    /// How many of the signatures are made with `secret`, by the words of Standard Webhooks.
    pub fn signatures_of(&self, secret: &str) -> usize {
        let secret = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.timestamp, self.body).as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        self.signatures.split(' ').filter(|signature| **signature == expected).count()
    }
}

#[derive(Default)]
struct State {
    told: Vec<Told>,
    answers: VecDeque<Answer>,
}

/// What a request gets for an answer.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// This status.
    Status(u16),
    /// Nothing, for good.
    Silence,
}

/// A receiver. It answers 200, unless it was told otherwise.
#[derive(Clone)]
pub struct Receiver {
    /// Where it listens.
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// Listens, for as long as the runtime lives.
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/told", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let receiver = Receiver { url, state: Arc::clone(&state) };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                let serve = service_fn(move |request| answer(Arc::clone(&state), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), serve));
            }
        });
        receiver
    }

    /// The next requests get these answers, one after the other.
    pub fn answer(&self, answers: &[Answer]) {
        self.state.lock().unwrap().answers.extend(answers);
    }

    /// All that it was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap().told.clone()
    }

    /// Waits for the request with this number, from 1.
    pub async fn nth(&self, number: usize) -> Told {
        eventually("the webhook is told", || async { self.told().get(number - 1).cloned() }).await
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (id, timestamp, signatures) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let told = Told { id, timestamp, signatures, body: String::from_utf8_lossy(&body).into_owned() };
    let next = {
        let mut state = state.lock().unwrap();
        state.told.push(told);
        state.answers.pop_front().unwrap_or(Answer::Status(200))
    };
    match next {
        Answer::Status(status) => {
            let mut response = Response::new(Empty::new());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Ok(response)
        }
        Answer::Silence => std::future::pending().await,
    }
}
