//! What an attempt holds, given back whatever happens.

use std::sync::{Arc, atomic::Ordering};

use insula_model::{Error, Result};

use crate::{Engine, accounts::Hold};

/// A hold that is given back unless it is taken out.
pub(crate) struct Held {
    engine: Arc<Engine>,
    hold: Option<Hold>,
}

impl Held {
    pub fn new(engine: Arc<Engine>, hold: Hold) -> Self {
        Self { engine, hold: Some(hold) }
    }

    /// What is held.
    ///
    /// # Errors
    /// Our own fault: it was taken out.
    pub fn get(&self) -> Result<&Hold> {
        self.hold.as_ref().ok_or_else(|| Error::internal("a hold was taken out twice"))
    }

    /// Takes it out.
    pub(super) fn take(&mut self) -> Option<Hold> {
        self.hold.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.engine.accounts.release(&hold);
        }
    }
}

/// Something is under way that a stop waits for.
pub(super) struct Aloft(Arc<Engine>);

impl Aloft {
    pub fn of(engine: &Arc<Engine>) -> Self {
        engine.flights.open.fetch_add(1, Ordering::SeqCst);
        Self(engine.clone())
    }
}

impl Clone for Aloft {
    fn clone(&self) -> Self {
        Self::of(&self.0)
    }
}

impl Drop for Aloft {
    fn drop(&mut self) {
        if self.0.flights.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.flights.landed.notify_waiters();
        }
    }
}
