//! The last hand on every response: panics become a 500, failures get their body, every answer its request id.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use insula_engine::Dialect;
use insula_model::{Error, RequestId};

use crate::{
    App,
    errors::{self, Failure},
    patience::Patient,
};

/// Runs a request and finishes its response.
pub(crate) async fn finish(State(app): State<App>, request: Request, next: Next) -> Response {
    let dialect = dialect_of(request.uri().path());
    let body_idle_max = app.settings.body_idle_max;
    let request = request.map(|body| Body::new(Patient::new(body, body_idle_max)));
    let mut response = caught(next.run(request)).await.unwrap_or_else(|panic| failed(&*panic));
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        return render(failure, dialect, no_tenants_id(&app), response);
    }
    if !response.headers().contains_key(errors::REQUEST_ID) {
        response.headers_mut().insert(errors::REQUEST_ID, errors::request_id_value(no_tenants_id(&app)));
    }
    response
}

/// Management calls run in a task of their own: a change that was begun is carried to its end, also when the caller
/// leaves. No cache keeps their answers: some hold a key.
pub(crate) async fn to_the_end(request: Request, next: Next) -> Response {
    let mut response = match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => failed(&*panic),
            Err(_) => Failure::from(Error::internal("the task of a management call was stopped")).into_response(),
        },
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// No such route.
pub(crate) async fn not_found() -> Failure {
    Error::not_found().into()
}

/// The route is there, its method is not.
pub(crate) async fn method_not_allowed() -> Failure {
    Failure::method_not_allowed()
}

/// The dialect of errors below this path; none outside `/v1`.
fn dialect_of(path: &str) -> Option<Dialect> {
    let is_data_plane = path == "/v1" || path.starts_with("/v1/");
    let is_messages = path == "/v1/messages" || path.starts_with("/v1/messages/");
    is_data_plane.then_some(if is_messages { Dialect::Messages } else { Dialect::ChatCompletions })
}

fn render(failure: Failure, dialect: Option<Dialect>, request: RequestId, bare: Response) -> Response {
    let mut rendered = match dialect {
        Some(dialect) => failure.into_dialect(dialect, request),
        None => failure.into_problem(request),
    };
    // What the router had to say about it, such as `allow`.
    for (name, value) in bare.headers() {
        if !rendered.headers().contains_key(name) && name != header::CONTENT_LENGTH {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

/// The id of a request that belongs to no tenant's data plane.
fn no_tenants_id(app: &App) -> RequestId {
    app.engine.request_id([0; 4])
}

/// Polls a future and catches its panic; it is not polled again after one.
async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn failed(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::from(Error::internal(format!("a handler panicked: {}", text.unwrap_or("without words")))).into_response()
}
