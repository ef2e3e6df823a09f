//! What every handler has at hand.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use insula_engine::Engine;

use crate::{ServerSettings, openapi};

/// The state of the router. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Everything behind the HTTP surface.
    pub engine: Arc<Engine>,
    /// The bounds.
    pub settings: Arc<ServerSettings>,
    /// `/openapi.json`, written once.
    pub(crate) openapi: Bytes,
    draining: Arc<AtomicBool>,
}

impl App {
    /// The state around a running engine.
    pub fn new(engine: Arc<Engine>, settings: ServerSettings) -> Self {
        Self { engine, settings: Arc::new(settings), openapi: openapi::document(), draining: Arc::default() }
    }

    /// From now on `/readyz` says that this node takes nothing new.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
