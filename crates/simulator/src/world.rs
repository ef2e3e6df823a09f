//! What all connections share, and the one place where a request enters it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::faults::{self, Fault, FaultKind};
use crate::log::{Log, Record};
use crate::scenario::Scenario;

/// The simulator's state.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// What was received.
    pub(crate) log: Log,
    scenario: RwLock<Arc<Scenario>>,
    in_flight: AtomicU64,
}

/// One model request on its way through: everything about it that was decided at its arrival.
#[derive(Debug)]
pub(crate) struct Call {
    /// The scenario at its arrival; a later one does not touch it.
    pub(crate) scenario: Arc<Scenario>,
    /// Its place in the order of arrival, from 0.
    pub(crate) ordinal: u64,
    /// The fault that it meets.
    pub(crate) fault: Option<Fault>,
    /// Whether too many were under way.
    pub(crate) degraded: bool,
    /// Held until the answer has been played.
    pub(crate) ticket: Ticket,
}

/// A seat among the requests under way and the record of one. Dropping it frees the seat and writes nothing.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Its line in the log.
    pub(crate) record: Arc<Record>,
    world: Arc<World>,
}

impl Call {
    /// Whether the request meets this fault.
    pub(crate) fn meets(&self, kind: FaultKind) -> bool {
        self.fault.is_some_and(|fault| fault.kind == kind)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.world.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl World {
    /// The scenario in force.
    pub(crate) fn scenario(&self) -> Arc<Scenario> {
        Arc::clone(&self.scenario.read())
    }

    /// Replaces the scenario.
    pub(crate) fn set_scenario(&self, scenario: Scenario) {
        *self.scenario.write() = Arc::new(scenario);
    }

    /// As freshly started. Requests under way go on, unlogged.
    pub(crate) fn reset(&self) {
        self.set_scenario(Scenario::default());
        self.log.reset();
    }

    /// Logs a request whose body has arrived and decides its fate.
    pub(crate) fn arrive(self: &Arc<World>, attempt_id: Option<&str>, path: impl Into<Cow<'static, str>>, body: Bytes) -> Call {
        let scenario = self.scenario();
        let (ordinal, record) = self.log.add(attempt_id, path, body);
        let in_flight = 1 + self.in_flight.fetch_add(1, Ordering::Relaxed);
        Call {
            ordinal,
            fault: faults::choose(&scenario, ordinal),
            degraded: scenario.degrade_above.is_some_and(|most| in_flight > most),
            ticket: Ticket { record, world: Arc::clone(self) },
            scenario,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degradation_counts_those_under_way() {
        let world = Arc::new(World::default());
        world.set_scenario(Scenario { degrade_above: Some(1), ..Scenario::default() });
        let first = world.arrive(None, "/v1/embeddings", Bytes::new());
        let second = world.arrive(None, "/v1/embeddings", Bytes::new());
        assert!(!first.degraded && second.degraded);
        drop((first, second));
        assert!(!world.arrive(None, "/v1/embeddings", Bytes::new()).degraded);
    }
}
