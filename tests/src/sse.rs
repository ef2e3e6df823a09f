//! Reading a stream of server-sent events, strictly: what the specification forbids is a panic here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::http::Reply;
use crate::wait::within;

/// A stream is silent for less than this, or the test has failed.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// One thing that a stream says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `data:` with JSON.
    Json(Value),
    /// `data: [DONE]`.
    Done,
    /// A comment: keeps the connection awake, means nothing.
    Comment(String),
}

/// An answer that is read event by event. Dropping it closes the connection: the client has left.
pub struct EventStream {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    body: Incoming,
    unread: Vec<u8>,
}

/// All of a stream that was read to its end.
#[derive(Debug, Default)]
pub struct Transcript {
    /// The JSON events without errors, in order.
    pub chunks: Vec<Value>,
    /// Whether `[DONE]` came.
    pub done: bool,
    /// The `error` of the last event that had one.
    pub error: Option<Value>,
    /// How the connection broke, if it did.
    pub broken: Option<String>,
}

impl EventStream {
    pub(crate) fn new(response: Response<Incoming>) -> EventStream {
        let (parts, body) = response.into_parts();
        EventStream { status: parts.status.as_u16(), headers: parts.headers, body, unread: Vec::new() }
    }

    /// This stream, or a panic when it is not an open event stream.
    #[track_caller]
    pub fn expect_open(self) -> EventStream {
        assert_eq!(self.status, 200, "headers: {:?}", self.headers);
        let kind = self.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        self
    }

    /// What `x-request-id` says.
    pub fn request_id(&self) -> String {
        self.headers.get("x-request-id").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// The next event; `None` at a proper end. An `Err` says how the connection broke.
    pub async fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            if let Some(event) = self.parse() {
                return Ok(Some(event));
            }
            match self.bytes().await? {
                Some(bytes) => self.unread.extend_from_slice(&bytes),
                None if self.unread.is_empty() => return Ok(None),
                None => return Err(format!("ended within an event: {:?}", String::from_utf8_lossy(&self.unread))),
            }
        }
    }

    /// The bytes that arrive next; `None` at a proper end.
    async fn bytes(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match within(SILENCE_LIMIT, "the stream's next bytes", self.body.frame()).await {
                None => return Ok(None),
                Some(Err(error)) => return Err(format!("{error:?}")),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// Reads up to the first event that carries content of an answer; panics when there is none.
    pub async fn first_content(&mut self) -> String {
        loop {
            match self.next().await {
                Ok(Some(Event::Json(chunk))) => {
                    assert!(chunk.get("error").is_none(), "{chunk}");
                    let text = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).unwrap_or_default();
                    if !text.is_empty() {
                        return text.to_owned();
                    }
                }
                Ok(Some(Event::Comment(_))) => {}
                other => panic!("the stream ended before any content: {other:?}"),
            }
        }
    }

    /// Reads to the end.
    pub async fn collect(mut self) -> Transcript {
        let mut transcript = Transcript::default();
        loop {
            match self.next().await {
                Ok(Some(Event::Json(event))) => {
                    assert!(!transcript.done, "an event after [DONE]: {event}");
                    match event.get("error") {
                        Some(error) => transcript.error = Some(error.clone()),
                        None => transcript.chunks.push(event),
                    }
                }
                Ok(Some(Event::Done)) => transcript.done = true,
                Ok(Some(Event::Comment(_))) => {}
                Ok(None) => return transcript,
                Err(broken) => {
                    transcript.broken = Some(broken);
                    return transcript;
                }
            }
        }
    }

    /// Reads the whole answer as bytes, whatever it is, as far as it comes.
    pub async fn into_reply(mut self) -> Reply {
        while let Ok(Some(bytes)) = self.bytes().await {
            self.unread.extend_from_slice(&bytes);
        }
        Reply { status: self.status, headers: self.headers, body: self.unread.into() }
    }

    /// As [`EventStream::into_reply`]. An `Err` says how the connection broke before the end.
    pub async fn try_into_reply(mut self) -> Result<Reply, String> {
        while let Some(bytes) = self.bytes().await? {
            self.unread.extend_from_slice(&bytes);
        }
        Ok(Reply { status: self.status, headers: self.headers, body: self.unread.into() })
    }

    /// Takes one whole event off the front of what was read.
    fn parse(&mut self) -> Option<Event> {
        let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
        let block: Vec<u8> = self.unread.drain(..end + 2).collect();
        let block = std::str::from_utf8(&block[..end]).unwrap_or_else(|_| panic!("not UTF-8: {block:?}"));
        if let Some(comment) = block.strip_prefix(':') {
            return Some(Event::Comment(comment.trim().to_owned()));
        }
        let data: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let data = data.join("\n");
        if data == "[DONE]" {
            return Some(Event::Done);
        }
        let event =
            serde_json::from_str(&data).unwrap_or_else(|error| panic!("an event that is not JSON ({error}): {block:?}"));
        Some(Event::Json(event))
    }
}

impl Transcript {
    /// The text of the first choice.
    pub fn text(&self) -> String {
        self.chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str()).collect()
    }

    /// The `finish_reason` of the first choice.
    pub fn finish_reason(&self) -> Option<&str> {
        self.chunks.iter().find_map(|chunk| chunk.pointer("/choices/0/finish_reason")?.as_str())
    }

    /// The chunk's `usage` that is an object.
    pub fn usage(&self) -> Option<&Value> {
        self.chunks.iter().filter_map(|chunk| chunk.get("usage")).find(|usage| usage.is_object())
    }

    /// Checks that the stream ended as one that succeeded.
    #[track_caller]
    pub fn expect_complete(self) -> Transcript {
        assert_eq!(self.broken, None);
        assert_eq!(self.error, None);
        assert!(self.done, "no [DONE] after {} chunks", self.chunks.len());
        self
    }

    /// Checks that the stream ended with a typed error in OpenAI's shape and never claimed success; returns the error.
    #[track_caller]
    pub fn expect_error(&self) -> &Value {
        let Some(error) = &self.error else { panic!("no error event: {self:?}") };
        for member in ["message", "type", "param", "code"] {
            assert!(error.get(member).is_some(), "`error` lacks `{member}`: {error}");
        }
        assert!(error["message"].is_string() && error["type"].is_string() && error["code"].is_string(), "{error}");
        assert_eq!(self.finish_reason(), None, "a broken answer must not claim to have finished");
        assert_eq!(self.broken, None, "a stream with an error still ends properly");
        error
    }
}
