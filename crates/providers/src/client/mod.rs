//! The way to a provider and back, whichever vendor's it is: pooled connections, bounded waits, and failures that say what may be billed.
//!
//! Going out: [`Provider`] (`provider.rs`) sends an [`Outbound`] to an address (`address.rs`, `connector.rs`) within `patience.rs`, by the
//! platform's account or by another (`account.rs`). Coming back: `body.rs` reads a whole answer (which finds its room in `room.rs`), `stream.rs` one in pieces (`batch.rs`), `allowance.rs` what the head says is left to send. What the
//! bytes mean is for `translate` to say. What went wrong is told by `error.rs`, in words that `scrub.rs` has cleaned.

mod account;
mod address;
mod alarm;
mod allowance;
mod batch;
mod body;
mod connector;
mod error;
mod patience;
mod provider;
mod room;
mod scrub;
mod stream;

pub use account::{AccountKey, check_key};
pub use batch::Batch;
pub(crate) use batch::Outgoing;
pub use error::UpstreamError;
pub(crate) use error::{from_answer, unreadable};
pub use patience::RanOut;
pub use provider::{JsonAnswer, Outbound, Provider, SendFailure, Sent};
pub use room::{NoRoom, Room};
pub(crate) use scrub::Scrub;
pub use stream::ChatStream;
pub(crate) use stream::Fault;
