//! What every handler has at hand.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use insula_engine::Engine;
use tokio::sync::watch;

use crate::{ServerSettings, data::BodyRoom, openapi};

/// The state of the router. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Everything behind the HTTP surface.
    pub engine: Arc<Engine>,
    /// The bounds.
    pub settings: Arc<ServerSettings>,
    /// `/openapi.json`, written once.
    pub(crate) openapi: Bytes,
    pub(crate) body_room: BodyRoom,
    draining: Arc<AtomicBool>,
    /// Whether open streams end now, with an error.
    ending: watch::Sender<bool>,
}

impl App {
    /// The state around a running engine.
    pub fn new(engine: Arc<Engine>, settings: ServerSettings) -> Self {
        let body_room = BodyRoom::new(settings.bodies_bytes_max, settings.body_bytes_max as u64);
        Self {
            engine,
            body_room,
            settings: Arc::new(settings),
            openapi: openapi::document(),
            draining: Arc::default(),
            ending: watch::Sender::default(),
        }
    }

    /// From now on `/readyz` says that this node takes nothing new.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Open streams end now: the drain is over.
    pub(crate) fn end_streams(&self) {
        self.ending.send_replace(true);
    }

    /// Resolves when open streams are to end; never, when they are not.
    pub(crate) fn ending(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ending = self.ending.subscribe();
        async move {
            if ending.wait_for(|is_ending| *is_ending).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
