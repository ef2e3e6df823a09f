//! What a tenant says of itself: what holds for it, above what stands in reference corpora.

use std::collections::BTreeSet;

use insula_model::{Error, Jurisdiction, Result, TenantScope, Timestamp};
use insula_store::ProfileRow;
use serde::{Deserialize, Serialize};

use crate::Engine;

/// Characters of a profile's text.
pub const PROFILE_CHARS_MAX: usize = 8_000;

/// Jurisdictions that a profile may name.
pub const PROFILE_JURISDICTIONS_MAX: usize = 64;

const PROFILE: &str = "profile";

/// A tenant's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who the tenant is and what holds for it, in its own words: to be read before what is found in corpora.
    pub text: String,
    /// Where it is at home. A search that names no corpora looks into those of these jurisdictions; where there is none, into all.
    pub jurisdictions: BTreeSet<Jurisdiction>,
    /// When it came to say so.
    pub changed_at: Timestamp,
}

/// The same as it is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    text: String,
    jurisdictions: BTreeSet<Jurisdiction>,
}

impl Profile {
    /// A new one.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming the field that is wrong.
    pub(crate) fn new(engine: &Engine, text: String, jurisdictions: Vec<Jurisdiction>) -> Result<Self> {
        if text.chars().count() > PROFILE_CHARS_MAX {
            return Err(Error::invalid(format!("a profile has at most {PROFILE_CHARS_MAX} characters")).at("text"));
        }
        if jurisdictions.len() > PROFILE_JURISDICTIONS_MAX {
            let message = format!("a profile names at most {PROFILE_JURISDICTIONS_MAX} jurisdictions");
            return Err(Error::invalid(message).at("jurisdictions"));
        }
        Ok(Self { text, jurisdictions: jurisdictions.into_iter().collect(), changed_at: engine.clock.now() })
    }

    /// Keeps it, sealed, in the place of the one before.
    pub(crate) async fn keep(&self, engine: &Engine, scope: &TenantScope) -> Result<()> {
        let seals = engine.store.seals(scope).await?;
        let sealed = Sealed { text: self.text.clone(), jurisdictions: self.jurisdictions.clone() };
        let plain = serde_json::to_vec(&sealed).map_err(Error::internal)?;
        let sealed_profile = seals.seal(PROFILE, PROFILE, &[], &plain, &*engine.random);
        let row = ProfileRow { changed_at: self.changed_at, sealed_profile };
        engine.store.tenant(scope).await?.keep_profile(&row).await
    }
}

/// A tenant's profile; absent where it has none.
pub async fn profile(engine: &Engine, scope: &TenantScope) -> Result<Option<Profile>> {
    let Some(row) = engine.store.tenant(scope).await?.profile().await? else { return Ok(None) };
    let plain = engine.store.seals(scope).await?.open(PROFILE, PROFILE, &[], &row.sealed_profile)?;
    let Sealed { text, jurisdictions } = serde_json::from_slice(&plain).map_err(Error::internal)?;
    Ok(Some(Profile { text, jurisdictions, changed_at: row.changed_at }))
}
