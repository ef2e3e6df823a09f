//! The simulator as its clients see it: over a socket.

mod chat;
mod control;
mod embeddings;
mod faults;
mod gemini;
mod messages;
mod moderations;
mod stream;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::{Fault, FaultKind, Scenario, Simulator};

/// A simulator on a free port, following `scenario`.
fn start(scenario: Scenario) -> Simulator {
    let simulator = Simulator::start(([127, 0, 0, 1], 0).into()).unwrap();
    simulator.set_scenario(scenario);
    simulator
}

/// A scenario in which every request meets `kind`.
fn always(kind: FaultKind) -> Scenario {
    Scenario { faults: vec![Fault::new(kind, 1.0)], ..Scenario::default() }
}

/// An answer as far as it came.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Whether HTTP says that it is whole.
    whole: bool,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The data of each event, `[DONE]` included; a cut one at the end too.
    fn events(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap_or(event).to_owned()).collect()
    }

    /// The events that are chunks.
    fn chunks(&self) -> Vec<Value> {
        self.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
    }
}

/// Sends a request; `None` if the connection breaks before there are headers.
async fn send(simulator: &Simulator, method: &str, path: &str, body: Vec<u8>) -> Option<Reply> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::builder().method(method).uri(format!("{}{path}", simulator.url()));
    let request = request.header("x-insula-attempt", "att_1").body(Full::from(body)).unwrap();
    let (head, mut incoming) = client.request(request).await.ok()?.into_parts();
    let mut reply = Reply { status: head.status, headers: head.headers, body: Vec::new(), whole: true };
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => reply.body.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => {
                reply.whole = false;
                break;
            }
        }
    }
    Some(reply)
}

async fn get(simulator: &Simulator, path: &str) -> Reply {
    send(simulator, "GET", path, Vec::new()).await.unwrap()
}

async fn post(simulator: &Simulator, path: &str, body: &Value) -> Reply {
    send(simulator, "POST", path, body.to_string().into_bytes()).await.unwrap()
}

/// A chat of one user message, with `members` added to the request.
fn asking(said: &str, members: Value) -> Value {
    let mut body = json!({"model": "sim-small", "messages": [{"role": "user", "content": said}]});
    let object = body.as_object_mut().unwrap();
    object.extend(members.as_object().unwrap().clone());
    body
}

async fn chat(simulator: &Simulator, body: &Value) -> Reply {
    post(simulator, "/v1/chat/completions", body).await
}

/// A streamed "hello" that asks for usage.
async fn stream(simulator: &Simulator) -> Reply {
    chat(simulator, &asking("hello", json!({"stream": true, "stream_options": {"include_usage": true}}))).await
}
