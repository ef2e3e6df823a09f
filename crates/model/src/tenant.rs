//! Tenants and their keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CacheRules, CredentialMark, KeyId, Name, Routing, Slug, TenantId, Timestamp, VectorRules};

/// One customer's workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its short name in URLs, unique on the platform.
    pub slug: Slug,
    /// Its name for people.
    pub name: Name,
    /// What the product around Insula calls it.
    pub external_id: Option<String>,
    /// The plan whose defaults it inherits.
    pub plan: Option<Slug>,
    /// The segment whose defaults it inherits.
    pub segment: Option<Slug>,
    /// The models that it may call, whatever its segment and plan say.
    pub models: Option<Vec<String>>,
    /// What it wants of the answer cache, whatever its segment and plan say.
    pub cache: CacheRules,
    /// Where its vectors are to be, whatever its segment and plan say.
    pub vectors: VectorRules,
    /// What places its documents among each other, whatever its segment and plan say.
    pub embedder: Option<String>,
    /// Where alone it may be processed: in this region or in one within it, as `eu-central-1` lies within `eu`.
    pub region: Option<String>,
    /// How its requests are routed, whatever its segment and plan say.
    pub routing: Routing,
    /// For which providers it has credentials of its own, by their configured names.
    pub provider_credentials: BTreeMap<String, CredentialMark>,
    /// How its data is stored.
    pub placement: Placement,
    /// Free labels for finance and support.
    pub tags: BTreeMap<String, String>,
    /// Whether it may be served.
    pub state: TenantState,
    /// Counts its changes: the `ETag` of conditional updates.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Whether a tenant may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    /// Served.
    Active,
    /// Its keys are refused until it is resumed.
    Suspended,
    /// Being erased; it answers as if it never existed.
    Erasing,
}

impl TenantState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            TenantState::Active => "active",
            TenantState::Suspended => "suspended",
            TenantState::Erasing => "erasing",
        }
    }
}

/// How a tenant's data is stored. More ways come with the engines that have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// As the engine does by default: embedded, a file of its own.
    #[default]
    Shared,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The data plane only.
    #[default]
    Service,
    /// The data plane and its own tenant's management.
    Admin,
}

/// A tenant's key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name for people.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// Keyed hash of the secret.
    pub hash: [u8; 32],
    /// Free labels for finance and support.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Key {
    /// Whether it opens anything at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
