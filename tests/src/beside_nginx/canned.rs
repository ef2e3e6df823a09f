//! An upstream of three vendors' forms that says the same again and again: what the simulator answered once, whole and streamed. It costs
//! so little that the gateway in front of it is what is measured.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use insula_simulator::{Scenario, Simulator};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What it is asked by the forms that it speaks, whole and streamed.
const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const GENERATE: &str = "/v1beta/models/sim-small:generateContent";
const GENERATE_STREAM: &str = "/v1beta/models/sim-small:streamGenerateContent";

/// An answer as it is sent.
struct Answer {
    kind: String,
    /// The events of a stream; one piece otherwise.
    pieces: Vec<Bytes>,
}

/// Answers by path, and whether they are streamed.
type Answers = HashMap<(&'static str, bool), Answer>;

/// The upstream, on a thread of its own until the process ends.
pub struct Canned {
    /// Where it listens.
    pub url: String,
    /// The fingerprint that its chats name.
    pub fingerprint: String,
}

impl Canned {
    /// Asks the simulator once for an answer of each form, of so many chunks, and begins to repeat them. `at_once` writes a stream in
    /// as few pieces as go; else each event by itself.
    pub async fn start(prompt: &str, chunks: usize, at_once: bool) -> Result<Self> {
        let simulator = Simulator::start(([127, 0, 0, 1], 0).into()).context("the simulator")?;
        simulator.set_scenario(Scenario { chunks, output_tokens: chunks as u64, ..Scenario::default() });
        let mut answers = Answers::new();
        for (path, is_stream, body) in asked(prompt) {
            answers.insert((path, is_stream), record(&simulator.url(), path, &body).await?);
        }
        let chat = answers.get(&(CHAT, false)).and_then(|answer| answer.pieces.first()).context("an answer to a chat")?;
        let chat: Value = serde_json::from_slice(chat)?;
        let fingerprint = chat["system_fingerprint"].as_str().context("a chat has a fingerprint")?.to_owned();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(serve(listener, Arc::new(answers), at_once)));
        Ok(Self { url, fingerprint })
    }
}

/// The same question in each form.
fn asked(prompt: &str) -> Vec<(&'static str, bool, Value)> {
    let chat = json!({"model": "sim-small", "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]});
    let gemini =
        json!({"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": {"maxOutputTokens": 100}});
    let mut streamed = chat.clone();
    streamed["stream"] = json!(true);
    let mut with_usage = streamed.clone();
    with_usage["stream_options"] = json!({"include_usage": true});
    vec![
        (CHAT, false, chat.clone()),
        (CHAT, true, with_usage),
        (MESSAGES, false, chat),
        (MESSAGES, true, streamed),
        (GENERATE, false, gemini.clone()),
        (GENERATE_STREAM, true, gemini),
    ]
}

async fn record(base: &str, path: &str, body: &Value) -> Result<Answer> {
    let socket = tokio::net::TcpStream::connect(base.trim_start_matches("http://")).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let query = if path == GENERATE_STREAM { "?alt=sse" } else { "" };
    let request = Request::post(format!("{path}{query}"))
        .header(header::HOST, "simulator")
        .header(header::CONTENT_TYPE, "application/json")
        .header("anthropic-version", "2023-06-01")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let answer = sender.send_request(request).await?;
    ensure!(answer.status().is_success(), "the simulator answered {path} with {}", answer.status());
    let kind = answer.headers().get(header::CONTENT_TYPE).context("an answer has a type")?.to_str()?.to_owned();
    let whole = answer.into_body().collect().await?.to_bytes();
    Ok(Answer { pieces: pieces(&whole), kind })
}

/// The events, each with the line that ends it.
fn pieces(whole: &Bytes) -> Vec<Bytes> {
    let ends = whole.windows(2).enumerate().filter(|(_, two)| *two == b"\n\n").map(|(at, _)| at + 2);
    let (mut pieces, mut from) = (Vec::new(), 0);
    for end in ends.chain([whole.len()]) {
        if end > from {
            pieces.push(whole.slice(from..end));
        }
        from = end;
    }
    pieces
}

async fn serve(listener: std::net::TcpListener, answers: Arc<Answers>, at_once: bool) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let answers = answers.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(answers.clone(), request, at_once));
            // A client that leaves is none of the load's.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn answer(answers: Arc<Answers>, request: Request<Incoming>, at_once: bool) -> Result<Response<Pieces>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = head.uri.path();
    let is_stream = path == GENERATE_STREAM || body.windows(STREAM.len()).any(|part| part == STREAM);
    let known = answers.iter().find(|((known, streams), _)| *known == path && *streams == is_stream);
    let mut response = Response::new(Pieces { pieces: Vec::new().into_iter(), at_once, is_due: true });
    match known {
        Some((_, answer)) => {
            if let Ok(kind) = answer.kind.parse() {
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            response.body_mut().pieces = answer.pieces.clone().into_iter();
        }
        None => *response.status_mut() = http::StatusCode::NOT_FOUND,
    }
    Ok(response)
}

/// How bodies say that they want a stream; nobody here writes it otherwise.
const STREAM: &[u8] = b"\"stream\":true";

/// An answer on its way.
struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    at_once: bool,
    /// Whether the piece before has been written out.
    is_due: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.at_once && !std::mem::replace(&mut self.is_due, true) {
            // What was given before is written while this waits.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_due = false;
        Poll::Ready(self.pieces.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self.pieces.as_slice() {
            [whole] => http_body::SizeHint::with_exact(whole.len() as u64),
            // A stream does not say beforehand how long it will be.
            _ => http_body::SizeHint::default(),
        }
    }
}
