//! The one way out to addresses that a tenant can name.
//!
//! A [`Target`] is parsed once. Its host is resolved when something is sent, every address that it has must be one that may
//! be reached ([`Reach`]), and the connection goes to the very address that was checked: a name that answers differently a
//! moment later reaches nothing. Redirects are not followed; whoever wants to follow one makes a new target of it, which
//! passes the gate again. Answers are bounded, and what an answer holds is thrown away.
//!
//! This crate knows nothing of tenants, of what is sent, or of storage.
//!
//! ```
//! use insula_gate::{Reach, Target};
//!
//! let target = Target::parse("https://hooks.example.com/insula?team=a")?;
//! Reach::default().admits(&target)?;
//! let inside = Target::parse("https://169.254.169.254/latest/meta-data")?;
//! assert!(Reach::default().admits(&inside).is_err());
//! # Ok::<(), insula_gate::Unsent>(())
//! ```

mod address;
mod gate;
mod pinned;
mod reach;
mod resolve;
mod target;

pub use address::{AddressRange, is_public};
pub use gate::{Gate, Message};
pub use reach::Reach;
pub use resolve::{Resolver, Resolving, SystemResolver};
pub use target::Target;

/// Why nothing was sent, or no answer came. Says nothing of what lies behind a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// The address is not one to send to, as it stands.
    #[error("{0}")]
    Malformed(&'static str),
    /// It may not be reached.
    #[error("{0}")]
    Refused(&'static str),
    /// The host's name leads nowhere. Whether there is such a name inside is not for whoever named it.
    #[error("the host's name has no address that may be reached")]
    NoAddress(#[from] NoAddress),
    /// No connection stands, or TLS was refused.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The connection broke before there was an answer.
    #[error("no answer: {0}")]
    Broken(String),
    /// It took too long.
    #[error("it took longer than {0} ms")]
    TimedOut(u128),
}

/// Why a name leads nowhere: for the log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// It has no address.
    #[error("it does not resolve")]
    Unresolved,
    /// An address of it may not be reached.
    #[error("an address of it is not of the public internet")]
    Inside,
}
