//! What every handler has at hand.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use insula_engine::Engine;

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
}

impl App {
    /// The state around a running engine.
    pub fn new(engine: Arc<Engine>, settings: ServerSettings) -> Self {
        let body_room = BodyRoom::new(settings.bodies_bytes_max);
        Self { engine, body_room, settings: Arc::new(settings), openapi: openapi::document(), draining: Arc::default() }
    }

    /// From now on `/readyz` says that this node takes nothing new.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
