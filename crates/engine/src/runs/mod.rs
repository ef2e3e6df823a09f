//! Work that goes on without its caller: it is queued in the control database, and outlives the node that took it up.
//!
//! - [`runner`]: the task of a node that takes up work of one kind that is nobody's, or whose node is gone;
//! - [`watch`]: what keeps the claim on it alive, and says when it is to stop.
//!
//! The control database knows which work is not over, and whose turn it is; everything else is the tenant's own. Work is done from
//! where it stands as far as it gets, and then laid down; a kill at any point lays it down too, so whatever it does must come to
//! the same when it is done again.

mod runner;
mod watch;

use std::{pin::Pin, sync::Arc, time::Duration};

use insula_model::{Result, Timestamp};
use insula_store::Run;

pub(crate) use runner::Runner;
pub(crate) use watch::{Stop, Watch};

use crate::Engine;

/// Work whose row is not there after so long never came to be.
const ROW_LATE_MAX: Duration = Duration::from_secs(60);
/// After how long work is looked at again whose row may be about to come.
const AGAIN_SOON: Duration = Duration::from_secs(1);

/// What becomes of work when this node lays it down.
pub(crate) enum Laid {
    /// It is over, or was never there.
    Over,
    /// It goes on at this time.
    Until(Timestamp),
    /// It is another node's.
    Lost,
}

impl Laid {
    /// Its row is not there: it is about to come, or never will.
    pub fn without_row(run: &Run, now: Timestamp) -> Self {
        if now > run.queued_at.plus(ROW_LATE_MAX) { Self::Over } else { Self::Until(now.plus(AGAIN_SOON)) }
    }
}

/// Does work from where it stands as far as it gets.
pub(crate) type Perform = Arc<dyn Fn(Arc<Engine>, Run, Watch) -> Performing + Send + Sync>;

/// Work under way.
pub(crate) type Performing = Pin<Box<dyn Future<Output = Result<Laid>> + Send>>;
