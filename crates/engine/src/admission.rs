//! Whether an attempt that was noted may be sent: alone on one node always, among several not while a twin is under way.

use std::sync::Arc;

use insula_model::{Error, Result};
use insula_store::Admission;

use crate::{
    Call, Engine, Transcript,
    flight::{Flight, Left},
    idempotency::{self, Elsewhere},
    owed::Owed,
    trace::Trace,
};

/// What becomes of an attempt that was noted.
pub(crate) enum Noted {
    /// It may be sent.
    Admitted(Box<Flight>),
    /// The same `Idempotency-Key` was answered meanwhile, by another node.
    Replay(Arc<Transcript>),
    /// The twin on another node came to nothing: this call begins anew.
    Again(Box<(Owed, Trace)>),
}

/// Waits until the attempt is noted for all to see, and for a twin that another node has under way.
///
/// # Errors
/// `Unavailable` where the attempt could not be noted; those of the twin's outcome, as for a twin on this node.
pub(crate) async fn admit(engine: &Arc<Engine>, call: &Call, mut flight: Flight) -> Result<Noted> {
    if flight.admitted().await? == Admission::Admitted {
        // From here on no twin can begin; one may have ended since the key was claimed.
        let answered = match flight.claim() {
            Some(claim) => idempotency::recheck(engine, call, claim).await,
            None => Ok(None),
        };
        return match answered {
            Ok(None) => Ok(Noted::Admitted(Box::new(flight))),
            Ok(Some(transcript)) => {
                if let Some(Left { trace, .. }) = flight.stand_back(None) {
                    trace.replayed(engine, &transcript);
                }
                Ok(Noted::Replay(transcript))
            }
            Err(error) => {
                flight.never_sent(&error);
                Err(error)
            }
        };
    }
    // Money and seat go back while it waits; twins on this node go on waiting for it.
    let Some(Left { owed, trace, .. }) = flight.stand_back(None) else {
        return Err(Error::internal("an attempt ended before it began"));
    };
    match idempotency::elsewhere(engine, call, &owed.claim).await {
        Ok(Elsewhere::Replay(transcript)) => {
            trace.replayed(engine, &transcript);
            Ok(Noted::Replay(transcript))
        }
        Ok(Elsewhere::CameToNothing) => Ok(Noted::Again(Box::new((owed, trace)))),
        Err(error) => {
            trace.refuse(engine, call, &error);
            Err(error)
        }
    }
}
