//! A turn: a seat on this node, held until the answer or the stream ends.

use std::time::Duration;

use insula_model::{Error, ErrorKind, Result, Subject};
use insula_store::Seat;

use crate::{Call, Engine};

/// Takes a seat on the node, at the tenant's table and at the key's, or none.
pub(crate) async fn take(engine: &Engine, call: &Call) -> Result<Seat> {
    let mut wanted = vec![(Subject::Platform, engine.settings.inflight_max)];
    wanted.extend(call.limited_subjects().filter_map(|(subject, limits)| Some((subject, limits.concurrency?))));
    engine.coordination.seat(&wanted).await.map_err(|full| match wanted.get(full) {
        None | Some((Subject::Platform, _)) => Engine::unavailable("this node serves as many requests as it may; try again"),
        Some((subject, concurrency)) => Error::new(
            ErrorKind::RateLimited { retry_after: Duration::from_secs(1) },
            format!("concurrency limit of the {} reached: {concurrency} requests under way", subject.level().name()),
        ),
    })
}
