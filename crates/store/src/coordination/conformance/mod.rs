//! What every way to count must do, case by case.
//!
//! A case knows only [`Coordination`]. Each runs on every engine, and there a second time as another tenant, who must find
//! everything as if the first had never been there.

mod equal;
mod rates;
mod seats;

use std::{sync::Arc, time::Duration};

use insula_model::{KeyId, ManualClock, Subject, TenantId, Timestamp};

use super::{Charge, Coordination, RateKind, Seat, redis::World};

/// One node with a clock that stands still.
struct Site {
    coordination: Coordination,
    clock: Clock,
}

enum Clock {
    Here(Arc<ManualClock>),
    Shared(Box<World>),
}

/// Whose limits a case is about.
#[derive(Clone, Copy)]
struct Who {
    tenant: Subject,
    key: Subject,
}

impl Who {
    fn new(byte: u8) -> Self {
        let tenant = TenantId::from_bytes([byte; 16]);
        Self { tenant: Subject::Tenant(tenant), key: Subject::Key(tenant, KeyId::from_bytes([2; 16])) }
    }
}

impl Site {
    fn local() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_000_000)));
        Self { coordination: Coordination::local(clock.clone()), clock: Clock::Here(clock) }
    }

    async fn redis() -> Self {
        let world = World::new().await;
        Self { coordination: world.node().await, clock: Clock::Shared(Box::new(world)) }
    }

    async fn advance(&mut self, by: Duration) {
        match &mut self.clock {
            Clock::Here(clock) => clock.advance(by),
            Clock::Shared(world) => world.advance(by).await,
        }
    }

    /// Takes a seat that was given back just now: that takes a moment to be known.
    async fn seat_soon(&self, wanted: &[(Subject, u32)]) -> Seat {
        for _ in 0..500 {
            if let Ok(seat) = self.coordination.seat(wanted).await {
                return seat;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a seat that was given back stayed taken");
    }
}

/// Runs a case as one tenant, then on the same site as another.
async fn twice(mut site: Site, case: impl AsyncFn(&mut Site, Who)) {
    case(&mut site, Who::new(1)).await;
    case(&mut site, Who::new(9)).await;
}

/// A test of each case on each engine.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test] async fn $case() { super::super::twice(super::super::Site::local(), super::$case).await })*
        }
        mod redis {
            $(#[tokio::test] async fn $case() { super::super::twice(super::super::Site::redis().await, super::$case).await })*
        }
    };
}
use cases;

fn requests(subject: Subject, per_minute: u32) -> Charge {
    Charge { subject, kind: RateKind::Requests, per_minute, amount: 1 }
}

fn tokens(subject: Subject, per_minute: u32, amount: u32) -> Charge {
    Charge { subject, kind: RateKind::Tokens, per_minute, amount }
}
