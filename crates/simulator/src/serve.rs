//! From the socket to the answer: read this first.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::answer::Answer;
use crate::anthropic;
use crate::control;
use crate::credential;
use crate::errors::ApiError;
use crate::faults::{self, Outcome};
use crate::gemini;
use crate::openai;
use crate::script::{Player, Script};
use crate::world::{Call, Ticket, World};

/// Largest request body; above it the answer is 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long answers under way may take to finish once the simulator stops.
pub const STOP_GRACE_MS: u64 = 1_000;

/// Wait after a failed accept: out of descriptors, most likely, and trying at once would only burn a core.
const ACCEPT_RETRY_MS: u64 = 50;
/// Memory reserved before a body arrives, whatever its `content-length` claims.
const BODY_RESERVE_BYTES_MAX: usize = 64 * 1024;
/// Where the gateway puts the id of its attempt.
const ATTEMPT_HEADER: &str = "x-insula-attempt";

/// Drafts the answer of one endpoint to one body. Pure: what it may depend on is in the call.
type Endpoint = fn(&Call, &[u8]) -> Result<Answer, ApiError>;

/// Writes a refusal as a vendor does.
type Shape = fn(&ApiError) -> Bytes;

/// Every path whose requests are counted, logged and subject to faults. A new dialect adds its lines here; Gemini's paths are patterns.
const ENDPOINTS: [(&str, Endpoint, Shape); 4] = [
    ("/v1/chat/completions", openai::chat::answer, ApiError::to_json),
    ("/v1/embeddings", openai::embeddings::answer, ApiError::to_json),
    ("/v1/moderations", openai::moderations::answer, ApiError::to_json),
    ("/v1/messages", anthropic::messages::answer, ApiError::to_anthropic_json),
];

/// Accepts connections until `stop` changes or its sender is gone.
///
/// No header or idle timeout is set, on purpose: a pooled connection that closes by itself would be a fault that no
/// scenario asked for.
pub(crate) async fn accept(listener: TcpListener, world: Arc<World>, mut stop: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&world), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(Duration::from_millis(STOP_GRACE_MS), finished).await.is_err() {
        tracing::debug!(open = connections.len(), "closing connections that did not finish");
    }
}

/// Serves one connection. It owns the socket, so it is the one that can reset it.
async fn connection(stream: TcpStream, world: Arc<World>, mut stop: watch::Receiver<()>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY not set");
    }
    let reset = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (world, reset) = (Arc::clone(&world), Arc::clone(&reset));
        async move { Ok::<_, Infallible>(respond(request, world, reset).await) }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);

    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            served = &mut connection => {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = reset.notified() => break,
            _ = stop.changed(), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    // With a linger of zero, closing sends RST instead of FIN.
    if let Err(error) = connection.into_parts().io.into_inner().set_zero_linger() {
        tracing::debug!(%error, "connection closed without RST");
    }
}

/// Answers one request.
async fn respond(request: Request<Incoming>, world: Arc<World>, reset: Arc<Notify>) -> Response<Player> {
    let (head, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err(error) => return refusal(&error, error.to_json(), None, reset),
    };
    let path = head.uri.path();
    if let Some(target) = gemini::Target::of(path).filter(|_| head.method == Method::POST) {
        let call = world.arrive(attempt_of(&head.headers), path.to_owned(), body.clone());
        let drafted = let_in(&call, &head.headers).and_then(|()| target.answer(&call, &body));
        return model_call(call, drafted, ApiError::to_google_json, reset).await;
    }
    let endpoint = ENDPOINTS.into_iter().find(|(served, ..)| *served == path);
    let answered = match (endpoint, &head.method) {
        (Some((path, endpoint, shape)), &Method::POST) => {
            let call = world.arrive(attempt_of(&head.headers), path, body.clone());
            let drafted = let_in(&call, &head.headers).and_then(|()| endpoint(&call, &body));
            return model_call(call, drafted, shape, reset).await;
        }
        (Some(_), method) => Err(wrong_method(method, path)),
        (None, &Method::GET) if path == "/v1/models" => Ok(openai::models::list(&world.scenario())),
        (None, method) => control::answer(&world, method, path, head.uri.query(), &body),
    };
    match answered {
        Ok(json) => play(StatusCode::OK, Script::json(json, true), None, reset),
        Err(error) => refusal(&error, error.to_json(), None, reset),
    }
}

/// The id that the gateway gave its attempt.
fn attempt_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(ATTEMPT_HEADER).and_then(|value| value.to_str().ok())
}

/// Notes with which credentials a request came, and refuses those that the scenario refuses.
fn let_in(call: &Call, headers: &HeaderMap) -> Result<(), ApiError> {
    if let Some(shown) = credential::shown(headers) {
        call.ticket.record.set_credential(shown);
    }
    credential::refused(&call.scenario, headers).map_or(Ok(()), Err)
}

/// Answers a request that counts; `shape` writes its refusals.
async fn model_call(call: Call, drafted: Result<Answer, ApiError>, shape: Shape, reset: Arc<Notify>) -> Response<Player> {
    let paced = |ms: u64| Duration::from_millis(if call.degraded { ms.saturating_mul(2) } else { ms });

    // Before anything is answered, refusals and faults included: to the client they all look like thinking.
    pause(paced(call.scenario.latency_ms)).await;

    // Faults after checks, so that what is wrong with a request is said whatever the dice say.
    let answer = match drafted {
        Ok(answer) => answer,
        Err(error) => return refusal(&error, shape(&error), Some(call.ticket), reset),
    };
    let outcome = faults::strike(call.fault, answer.form, paced(call.scenario.gap_ms));
    tracing::debug!(ordinal = call.ordinal, fault = ?call.fault.map(|fault| fault.kind), "answering");
    match outcome {
        Outcome::Play(script) => {
            // From here on tokens are spent, however the stream ends.
            call.ticket.record.set_usage(answer.usage);
            play(StatusCode::OK, script, Some(call.ticket), reset)
        }
        Outcome::Refuse(error) => refusal(&error, shape(&error), Some(call.ticket), reset),
        Outcome::Reset => {
            reset.notify_one();
            std::future::pending().await
        }
        // The call keeps its seat until hyper notices that the client left and drops this future.
        Outcome::Stall => std::future::pending().await,
    }
}

/// Sleeps, unless there is nothing to wait for: the timer rounds up to a millisecond.
async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

/// Reads a whole body into memory of its own size: the log may keep it for long.
async fn read(mut body: Incoming) -> Result<Bytes, ApiError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > BODY_BYTES_MAX {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced.min(BODY_RESERVE_BYTES_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::new(StatusCode::BAD_REQUEST, None, format!("The body of your request ended early: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into_boxed_slice().into())
}

fn too_large() -> ApiError {
    let message = format!("The body of your request is larger than {BODY_BYTES_MAX} bytes.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Some("request_too_large"), message)
}

fn wrong_method(method: &Method, path: &str) -> ApiError {
    let message = format!("Not allowed to {method} on {path}.");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, Some("method_not_supported"), message)
}

fn refusal(error: &ApiError, body: Bytes, ticket: Option<Ticket>, reset: Arc<Notify>) -> Response<Player> {
    let mut response = play(error.status, Script::json(body, true), ticket, reset);
    if let Some(seconds) = error.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn play(status: StatusCode, script: Script, ticket: Option<Ticket>, reset: Arc<Notify>) -> Response<Player> {
    let content_type = HeaderValue::from_static(script.content_type);
    let mut response = Response::new(Player::new(script, ticket, reset));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
