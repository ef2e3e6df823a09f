//! A seat at the tenant's and the key's own tables, held until the answer or the stream ends.

use std::time::Duration;

use insula_model::{Cause, Error, ErrorKind, Result, Subject};
use insula_store::Seat;

use crate::{Call, Engine, directory::Limited};

/// Takes a seat of the tenant's concurrency and of the key's, or none: who is over a limit of its own does not queue.
pub(crate) async fn take(engine: &Engine, call: &Call) -> Result<Seat> {
    // A question is embedded within a search, or a request, that has a seat or is about to take one.
    if matches!(call.cause, Cause::Embedding) && !call.is_background {
        return seat(engine, std::iter::empty()).await;
    }
    let share = |concurrency| if call.is_background { background_share(concurrency) } else { concurrency };
    seat(engine, call.limited_subjects().filter_map(|(subject, limits)| Some((subject, share(limits.concurrency?))))).await
}

/// Takes one for what is no call of a provider, such as a search.
pub(crate) async fn take_of(engine: &Engine, limited: impl IntoIterator<Item = Limited>) -> Result<Seat> {
    seat(engine, limited.into_iter().filter_map(|(subject, limits)| Some((subject, limits.concurrency?)))).await
}

async fn seat(engine: &Engine, wanted: impl Iterator<Item = (Subject, u32)>) -> Result<Seat> {
    let wanted: Vec<_> = wanted.collect();
    engine.coordination.seat(&wanted).await.map_err(|full| match wanted.get(full) {
        None => Engine::unavailable("no seat is free; try again"),
        Some((subject, concurrency)) => Error::new(
            ErrorKind::RateLimited { retry_after: Duration::from_secs(1) },
            format!("concurrency limit of the {} reached: {concurrency} requests under way", subject.level().name()),
        ),
    })
}

/// The seats that requests for which nobody waits may take: they leave half to the others.
pub(crate) fn background_share(concurrency: u32) -> u32 {
    concurrency.div_ceil(2)
}
