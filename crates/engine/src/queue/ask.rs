//! What is asked of a lane, and what it answers.

use insula_model::{ReleaseMode, TenantId};

use super::{
    adaptive::{Sent, Signal},
    line::{EndUser, Size},
};

/// What a request asks a lane for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub tenant: TenantId,
    pub weight: u32,
    pub mode: ReleaseMode,
    pub end_user: EndUser,
    /// Whether it goes behind all others of its tenant.
    pub is_background: bool,
    pub size: Size,
}

/// Leave to be sent.
#[derive(Debug)]
pub(super) struct Grant {
    pub tenant: TenantId,
    /// What it is expected to take, in tokens.
    pub cost: u64,
    /// Whether others waited, so that it was charged.
    pub is_charged: bool,
    pub sent: Sent,
}

/// What a request took in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// Tokens, input and output together.
    pub tokens: u64,
    /// Those of the output.
    pub output_tokens: u64,
    /// What it showed of the provider, if anything.
    pub signal: Option<Signal>,
}

/// Why a request was not sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Others were there before it.
    Turn,
    /// Every seat was taken.
    Seats,
    /// Its tenant held as many seats as it may.
    Share,
    /// The provider's pace.
    Pace,
    /// Its tenant's own steady spacing.
    Spacing,
}

impl Kept {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kept::Turn => "turn",
            Kept::Seats => "seats",
            Kept::Share => "share",
            Kept::Pace => "pace",
            Kept::Spacing => "spacing",
        }
    }
}
