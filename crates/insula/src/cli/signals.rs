//! SIGINT and SIGTERM: the first asks to stop, the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Failure;

/// The exit code of a process that a second signal ended: what a shell shows for an interrupted one.
const ENDED_AT_ONCE: i32 = 130;

/// Both signals, heard from now on.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Hears them instead of dying of them.
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the first.
    pub async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// From now on the next one ends the process, whatever is still under way: the journal is made for that.
    pub fn end_at_the_next(mut self) {
        tokio::spawn(async move {
            self.first().await;
            std::process::exit(ENDED_AT_ONCE);
        });
    }
}
