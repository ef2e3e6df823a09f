//! The accept loop. It is our own because the bounds are: a head that never ends, a connection too many, a stop that
//! never comes to its end.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tower::Service;

use crate::{App, reading_peer::ReadingPeer, router};

/// Bytes of a request's head, the line included; above it callers get 431. At most 100 headers, hyper's own bound.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that a connection buffers in each direction.
const BUFFER_BYTES_MAX: usize = 128 * 1024;
/// How long to wait when the machine has no descriptors left; the listener would only fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a peer may take to read why its stream ends.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// Serves until `stop` resolves and its notice is over, then drains: nothing new is accepted, idle connections are closed,
/// and requests under way may end within [`drain_max`](crate::ServerSettings::drain_max). Streams that are open then end with
/// an error, and what is still left is cut off.
///
/// Returns how many connections had to be cut off.
pub async fn serve(listener: TcpListener, app: App, stop: impl Future<Output = ()>) -> usize {
    let server = Server::new(&app);
    let mut connections = JoinSet::new();
    let mut stopped = pin!(async {
        stop.await;
        app.start_draining();
        tokio::time::sleep(app.settings.stop_notice).await;
    });
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            accepted = server.accept(&listener) => accepted,
        };
        // Those that have ended since the last turn.
        while connections.try_join_next().is_some() {}
        if let Some((stream, seat)) = accepted {
            connections.spawn(server.connection(stream, seat));
        }
    }
    drop(listener);
    let mut drained = pin!(server.watch.shutdown());
    let mut is_drained = tokio::time::timeout(app.settings.drain_max, &mut drained).await.is_ok();
    if !is_drained {
        app.end_streams();
        is_drained = tokio::time::timeout(LAST_WORDS_MAX, &mut drained).await.is_ok();
    }
    while connections.try_join_next().is_some() {}
    let cut_off = if is_drained { 0 } else { connections.len() };
    if cut_off > 0 {
        tracing::warn!(cut_off, "connections were cut off at the end of the drain");
    }
    connections.shutdown().await;
    cut_off
}

struct Server {
    router: Router,
    http: http1::Builder,
    watch: GracefulShutdown,
    seats: Arc<Semaphore>,
    write_idle_max: Duration,
}

impl Server {
    fn new(app: &App) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(app.settings.header_read_max)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX);
        let seats = app.settings.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            router: router(app.clone()),
            http,
            watch: GracefulShutdown::new(),
            seats: Arc::new(Semaphore::new(seats)),
            write_idle_max: app.settings.write_idle_max,
        }
    }

    /// The next connection, once there is a seat for it: until then it waits in the backlog.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let seat = Arc::clone(&self.seats).acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, _)) => Some((stream, seat)),
            Err(error) => {
                if !is_the_callers(&error) {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                None
            }
        }
    }

    /// The work of one connection; its seat is free again when it ends.
    fn connection(&self, stream: TcpStream, seat: OwnedSemaphorePermit) -> impl Future<Output = ()> + Send + 'static {
        // Answers are written whole or event by event: holding back a small packet would only delay it.
        let _ = stream.set_nodelay(true);
        let router = self.router.clone();
        let service = service_fn(move |request| answer(router.clone(), request));
        let stream = ReadingPeer::new(stream, self.write_idle_max);
        let connection = self.watch.watch(self.http.serve_connection(TokioIo::new(stream), service));
        async move {
            let _seat = seat;
            if let Err(error) = connection.await {
                // Never the error itself: a parser's message can hold what was sent.
                tracing::debug!(kind = kind_of(&error), "a connection ended early");
            }
        }
    }
}

async fn answer(mut router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    router.call(request).await
}

/// Failures of a single connection while it was being accepted.
fn is_the_callers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn kind_of(error: &hyper::Error) -> &'static str {
    match error {
        error if error.is_timeout() => "timeout",
        error if error.is_parse() => "malformed",
        error if error.is_incomplete_message() => "incomplete",
        error if error.is_closed() || error.is_canceled() => "closed",
        error if error.is_user() => "body",
        _ => "transport",
    }
}
