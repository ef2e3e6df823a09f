//! A model provider that is not one: it speaks the vendors' wire formats, answers by a script and fails on demand.
//!
//! Tests start it in-process ([`Simulator::start`]), people with `insula simulator --listen ADDR`. Both steer it over
//! `/_sim/...`; tests also through the methods here.
//!
//! | call | answer |
//! |---|---|
//! | `POST /v1/chat/completions` | JSON, or SSE with a usage chunk; tools and `response_format` included |
//! | `POST /v1/messages` | Anthropic's: JSON, or its events; tools, thinking and `output_config.format` included |
//! | `POST /v1/embeddings` | unit vectors, floats or base64 |
//! | `POST /v1/moderations` | verdicts on texts and images: a category is flagged where a text, or an image's address, names it |
//! | `POST /v1beta/models/{model}:generateContent` | Gemini's JSON; `:streamGenerateContent` its SSE, `:batchEmbedContents` its vectors |
//! | `GET /v1/models` | `sim-small`, `sim-large`, `sim-embed`, `sim-moderation` and the scenario's own |
//! | `GET /_sim/count` | `{"count"}`: model requests received since the last reset |
//! | `GET /_sim/requests` | `{"data":[{attempt_id,credential,path,body,usage,finished}]}` in order of arrival; `?fields=light` omits `body` |
//! | `POST /_sim/reset` | forgets the requests and the scenario |
//! | `GET`, `POST /_sim/scenario` | reads, or replaces, the [`Scenario`] |
//!
//! **What it must never know:** tenants, keys, money, or any other crate of Insula. It takes every `Authorization` header,
//! and it shares no code with `providers`: a mistake in one must not cancel itself out in the other.
//!
//! **Deterministic.** There is no clock and no OS randomness in an answer. Text, vectors, ids and fingerprints are
//! hashes of what was asked; which request meets a [`Fault`] is a hash of the scenario's seed and the request's ordinal.
//! The same request gets the same answer, but for the ordinal at the end of its ids.
//!
//! ```
//! use insula_simulator::{Fault, FaultKind, Scenario, Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let simulator = Simulator::start(([127, 0, 0, 1], 0).into())?;
//! simulator.set_scenario(Scenario {
//!     chunks: 4,
//!     faults: vec![Fault::new(FaultKind::RateLimit, 0.5)],
//!     ..Scenario::default()
//! });
//!
//! // ... point a client at `simulator.url()`, then look at what arrived:
//! assert!(simulator.url().starts_with("http://127.0.0.1:"));
//! assert_eq!(simulator.count(), 0);
//! assert!(simulator.requests().iter().all(|request| request.finished));
//!
//! simulator.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! **Where things are.** `serve.rs` takes a request from the socket to its answer, top to bottom: read it first. A dialect
//! is a folder with a file per endpoint (`openai/`, `anthropic/`, `gemini/`), which drafts an `Answer`
//! and knows only the drifts that change its content. `faults.rs` strikes the draft, `script.rs` plays what is left.

mod answer;
mod anthropic;
mod control;
mod credential;
mod errors;
mod faults;
mod gemini;
mod log;
mod openai;
mod scenario;
mod schema;
mod script;
mod seeded;
mod serve;
mod text;
mod tokens;
mod world;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpSocket;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::faults::{Fault, FaultKind};
pub use crate::log::{BODIES_BYTES_MAX, BODIES_MAX, RequestRecord};
pub use crate::scenario::{CHUNKS_MAX, FAULTS_MAX, MODELS_MAX, OUTPUT_TOKENS_MAX, PAUSE_MS_MAX, Scenario};
pub use crate::serve::{BODY_BYTES_MAX, STOP_GRACE_MS};
use crate::world::World;

/// Connections that the kernel holds for us before they are accepted. Load tests open a thousand at once.
const LISTEN_BACKLOG: u32 = 1024;

/// A running simulator. Dropping it closes the listener soon after; [`Simulator::stop`] waits for that.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    world: Arc<World>,
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Simulator {
    /// Binds `addr` (port 0 picks a free one) and serves it on the current tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound, or outside a tokio runtime.
    pub fn start(addr: SocketAddr) -> io::Result<Simulator> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let listener = socket.listen(LISTEN_BACKLOG)?;
        let addr = listener.local_addr()?;

        let world = Arc::new(World::default());
        let (stop, stopping) = watch::channel(());
        let accepting = runtime.spawn(serve::accept(listener, Arc::clone(&world), stopping));
        tracing::info!(%addr, "simulator listening");
        Ok(Simulator { addr, world, stop, accepting })
    }

    /// The address that it listens on, with the real port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDR`, without a path: append `/v1` for a client's base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Model requests received since the start or the last reset. Requests for `/v1/models` and `/_sim/` do not count.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.world.log.count()
    }

    /// What was received, in order of arrival, with the bodies that are still kept ([`BODIES_MAX`], [`BODIES_BYTES_MAX`]).
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.world.log.snapshot(log::Fields::All).iter().collect()
    }

    /// Replaces the scenario for requests that arrive from now on. Ordinals go on counting.
    ///
    /// The bounds that `POST /_sim/scenario` checks are the caller's duty here.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.world.set_scenario(scenario);
    }

    /// Forgets the requests received and goes back to the default scenario, as if freshly started.
    pub fn reset(&self) {
        self.world.reset();
    }

    /// Stops accepting, lets answers under way finish for up to [`STOP_GRACE_MS`], then closes what is left (stalled ones).
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.accepting.await {
            tracing::warn!(%error, "simulator did not stop cleanly");
        }
    }
}
