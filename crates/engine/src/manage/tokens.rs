//! Short-lived tenant tokens.

use std::time::Duration;

use insula_model::{Error, Name, Result, Timestamp};

use crate::{Engine, directory::ManagedTenant};

/// The longest life of a token, in seconds: one day.
pub const TOKEN_TTL_SECONDS_MAX: u64 = 24 * 60 * 60;

/// A token as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// What goes into `Authorization: Bearer`.
    pub text: String,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Issues a token with the role `service` for this tenant, and for one of its end users where one is named.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] when it would live for less than a second or more than a day.
pub fn issue(engine: &Engine, tenant: &ManagedTenant, end_user: Option<Name>, ttl_seconds: u64) -> Result<IssuedToken> {
    if !(1..=TOKEN_TTL_SECONDS_MAX).contains(&ttl_seconds) {
        return Err(Error::invalid(format!("a token lives 1 to {TOKEN_TTL_SECONDS_MAX} seconds")).at("ttl_seconds"));
    }
    let (id, ttl) = (tenant.scope.tenant(), Duration::from_secs(ttl_seconds));
    let (text, expires_at) = engine.directory.sign_token(id, end_user, ttl, tenant.by)?;
    tracing::info!(tenant = %id, by = %tenant.by.key(), %expires_at, "tenant token issued");
    Ok(IssuedToken { text, expires_at })
}
