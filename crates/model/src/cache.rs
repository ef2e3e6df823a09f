//! What a tenant wants of the answer cache.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether finished answers are given again to the very same request, and for how long. About an absent value nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheRules {
    /// Whether answers are kept and given again; they are not unless somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How long an answer is given again, in seconds: 1 to 604800 (a week), 3600 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 604_800)]
    pub ttl_seconds: Option<u32>,
    /// Whether an answer is for the end user alone for whom it was made; it is unless somebody says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_end_user: Option<bool>,
}

impl CacheRules {
    /// What holds where nobody has said anything.
    pub const DEFAULT: CacheRules = CacheRules { enabled: Some(false), ttl_seconds: Some(3_600), per_end_user: Some(true) };
}
