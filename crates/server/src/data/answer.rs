//! From the engine's answer to a response.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use insula_engine::{Answer, CacheView, Dialect, RateKind, RateView, Transcript};
use insula_model::{Error, RequestId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{BodyPermit, arrival::JSON, cache, events::EventBody};
use crate::{App, errors};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");

/// The response for an answer. A stream keeps the room of its request's body until it ends.
pub(super) fn response(app: &App, answer: Answer, dialect: Dialect, request: RequestId, room: Option<BodyPermit>) -> Response {
    let now = app.engine.clock.now();
    match answer {
        Answer::Json { body, rates, cache: view } => {
            let mut response = whole(body, JSON, &Said { rates: &rates, dialect, request, now });
            cache::tell(response.headers_mut(), view);
            response
        }
        Answer::Stream { stream, rates, cache: view } => {
            let mut response = Response::new(Body::new(EventBody::new(stream, dialect, request, room, app.ending())));
            put_headers(response.headers_mut(), EVENT_STREAM, &Said { rates: &rates, dialect, request, now });
            cache::tell(response.headers_mut(), view);
            // Proxies that buffer would hold the events back.
            response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
        Answer::Cached { transcript, rates, age } => {
            let mut response = given_again(&transcript, &Said { rates: &rates, dialect, request, now });
            cache::tell(response.headers_mut(), Some(CacheView::Hit { age }));
            response
        }
        Answer::Replay(transcript) => {
            let mut response = given_again(&transcript, &Said { rates: &[], dialect, request, now });
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            response
        }
    }
}

/// The response that an earlier caller got.
fn given_again(transcript: &Transcript, said: &Said<'_>) -> Response {
    let media = if transcript.is_stream { EVENT_STREAM } else { JSON };
    whole(transcript.body.clone(), media, said)
}

/// A page of a list in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct Paged<T> {
    /// Always `list`.
    object: &'static str,
    /// The items.
    data: Vec<T>,
    /// The first one's id.
    first_id: Option<String>,
    /// The last one's id: pass it on as `after` for the next page.
    last_id: Option<String>,
    /// Whether another page follows.
    has_more: bool,
}

impl<T> Paged<T> {
    /// A page of items that have an id.
    pub(super) fn new(data: Vec<T>, has_more: bool, id: fn(&T) -> &String) -> Self {
        let (first_id, last_id) = (data.first().map(id).cloned(), data.last().map(id).cloned());
        Self { object: "list", data, first_id, last_id, has_more }
    }
}

/// A response of our own making.
pub(super) fn json<T: Serialize>(value: &T, dialect: Dialect, request: RequestId) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => bytes(body.into(), dialect, request),
        Err(error) => errors::in_dialect(dialect, &Error::internal(error), request),
    }
}

/// A response of JSON that is written already.
pub(super) fn bytes(body: Bytes, dialect: Dialect, request: RequestId) -> Response {
    let mut response = Response::new(Body::from(body));
    put_media(response.headers_mut(), JSON, dialect, request);
    response
}

/// What the headers of an answer say.
struct Said<'a> {
    rates: &'a [RateView],
    dialect: Dialect,
    request: RequestId,
    now: Timestamp,
}

fn whole(body: Bytes, media: HeaderValue, said: &Said<'_>) -> Response {
    let mut response = Response::new(Body::from(body));
    put_headers(response.headers_mut(), media, said);
    response
}

fn put_media(headers: &mut HeaderMap, media: HeaderValue, dialect: Dialect, request: RequestId) {
    headers.insert(header::CONTENT_TYPE, media);
    errors::put_request_id(headers, dialect, request);
}

fn put_headers(headers: &mut HeaderMap, media: HeaderValue, said: &Said<'_>) {
    put_media(headers, media, said.dialect, said.request);
    put_rates(headers, said.rates);
    if said.dialect == Dialect::Messages {
        for view in tightest(said.rates) {
            put_anthropic_rate(headers, view, said.now);
        }
    }
}

/// How pace limits stand, in the headers that most clients know.
pub(super) fn put_rates(headers: &mut HeaderMap, rates: &[RateView]) {
    for view in tightest(rates) {
        put_rate(headers, view);
    }
    if let Some(view) = rates.first() {
        put(headers, "ratelimit-policy", format!("\"{}\";q={};w=60", unit(view.kind), view.limit));
        put(headers, "ratelimit", format!("\"{}\";r={};t={}", unit(view.kind), view.remaining, view.reset.as_secs()));
    }
}

/// The one to show of each kind. Tightest first, so it is the first.
fn tightest(rates: &[RateView]) -> impl Iterator<Item = &RateView> {
    [RateKind::Requests, RateKind::Tokens].into_iter().filter_map(|kind| rates.iter().find(move |view| view.kind == kind))
}

/// The headers that OpenAI's SDKs know, with durations as they write them (`1.5s`).
fn put_rate(headers: &mut HeaderMap, view: &RateView) {
    let unit = unit(view.kind);
    put(headers, &format!("x-ratelimit-limit-{unit}"), view.limit.to_string());
    put(headers, &format!("x-ratelimit-remaining-{unit}"), view.remaining.to_string());
    put(headers, &format!("x-ratelimit-reset-{unit}"), format!("{:.3}s", view.reset.as_secs_f64()));
}

/// Those that Anthropic's clients know, with times of day.
fn put_anthropic_rate(headers: &mut HeaderMap, view: &RateView, now: Timestamp) {
    let unit = unit(view.kind);
    put(headers, &format!("anthropic-ratelimit-{unit}-limit"), view.limit.to_string());
    put(headers, &format!("anthropic-ratelimit-{unit}-remaining"), view.remaining.to_string());
    put(headers, &format!("anthropic-ratelimit-{unit}-reset"), now.plus(view.reset).to_string());
}

fn unit(kind: RateKind) -> &'static str {
    match kind {
        RateKind::Requests => "requests",
        RateKind::Tokens => "tokens",
    }
}

fn put(headers: &mut HeaderMap, name: &str, value: String) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}
