//! What must be written is tried until it is.

use std::time::Duration;

use insula_model::{Error, Result};

use super::settlement::NotAll;

/// How soon what failed is tried again: at first at once, because connections break one by one when the server restarts.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// How long to wait after so many failures in a row.
pub(super) fn pause(failures: usize) -> Duration {
    PAUSES[failures.min(PAUSES.len() - 1)]
}

/// Does `step` until it succeeds. The error of one that never will.
macro_rules! persist {
    ($what:literal, $step:expr) => {{
        let mut tries = $crate::cluster::register::persist::Tries::new($what);
        loop {
            match $step.await {
                Ok(done) => break tries.succeeded(done),
                Err(error) => {
                    if let Err(error) = tries.failed(error).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}
pub(super) use persist;

/// One thing that is tried until it succeeds.
pub(super) struct Tries {
    what: &'static str,
    failures: usize,
}

impl Tries {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, failures: 0 }
    }

    pub(super) fn succeeded<T>(&self, done: T) -> Result<T> {
        if self.failures >= PAUSES.len() {
            tracing::info!("{} can be written again", self.what);
        }
        Ok(done)
    }

    /// Waits for the next try, and tells once that there is more than one. The error where it would be in vain.
    pub(super) async fn failed(&mut self, error: Error) -> Result<()> {
        if !is_passing(&error) {
            return Err(error);
        }
        // The first few are a matter of moments.
        if self.failures == PAUSES.len() - 1 {
            let (what, cause) = (self.what, error.private_source().map(ToString::to_string));
            tracing::warn!(%error, cause, "{what} cannot be written: they are kept and tried again every second");
        }
        tokio::time::sleep(pause(self.failures)).await;
        self.failures += 1;
        Ok(())
    }
}

/// Whether the same may succeed another time: everything but values that the tables refuse.
fn is_passing(error: &Error) -> bool {
    let Some(source) = error.private_source() else { return true };
    if source.is::<NotAll>() {
        return false;
    }
    let code = source.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.code());
    // 22: a value that no column holds; 23: a constraint; 54: larger than a column or an index takes.
    !code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.code().starts_with(class)))
}
