//! Limits on pace and concurrency.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a tenant or a key may do at most. An absent value is no limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests in a minute; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, input and output together; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub tokens_per_minute: Option<u32>,
    /// Requests under way at once, open streams included; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub concurrency: Option<u32>,
    /// Requests that may wait in the queue at once; 0 lets none wait. Of a tenant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_depth_max: Option<u32>,
    /// How long a request waits in the queue at most, in milliseconds; 0 lets none wait. Of a tenant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_wait_ms_max: Option<u32>,
    /// Its part of what is contended, beside the weights of the others; 1 to 1000, and 1 unless set. Of a tenant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: Option<u32>,
    /// How its requests are released toward the providers. Of a tenant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ReleaseMode>,
    /// How its prompts are kept apart from others' in the caches of providers. Of a tenant only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_isolation: Option<ProviderIsolation>,
}

/// How a tenant's prompts are kept apart from other tenants' in the caches of providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderIsolation {
    /// By a key or salt, where the provider has one: it costs nothing.
    #[default]
    Keyed,
    /// The same, and by a salted line before the prompt where the provider has no such thing: it costs the line's tokens.
    Prefixed,
}

/// How a tenant's requests are released toward a provider: speed against predictability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseMode {
    /// As soon as its fair turn comes.
    Fast,
    /// As soon as its fair turn comes, in step with the provider's pace.
    #[default]
    Balanced,
    /// Evenly spaced, normalised, one at a time at its own pace.
    Predictable,
}

impl ReleaseMode {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            ReleaseMode::Fast => "fast",
            ReleaseMode::Balanced => "balanced",
            ReleaseMode::Predictable => "predictable",
        }
    }
}
