//! Tenants' own credentials at providers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::{CredentialId, Timestamp};

/// By whose account at the provider an attempt is made, and so whom the provider charges for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialOwner {
    /// The platform's.
    #[default]
    Platform,
    /// The tenant's own.
    Tenant,
}

impl CredentialOwner {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            CredentialOwner::Platform => "platform",
            CredentialOwner::Tenant => "tenant",
        }
    }

    /// The owner that a word names.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Platform, Self::Tenant].into_iter().find(|owner| owner.name() == name)
    }
}

/// Where a credential may be sent, and nowhere else: whose API it is for, and scheme, host and port of its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderOrigin {
    /// Whose API is spoken there, such as `openai`.
    pub kind: String,
    /// Such as `https://api.openai.com:443`.
    pub address: String,
}

/// That a tenant has a credential of its own for a provider, and which. The credential itself is sealed in the tenant's own data; what
/// is here says nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialMark {
    /// Which. Another credential in its place has another id.
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    pub id: CredentialId,
    /// Where it may be sent.
    pub origin: ProviderOrigin,
    /// When the tenant first had one for the provider.
    pub created_at: Timestamp,
    /// When this one was stored.
    pub updated_at: Timestamp,
}

fn write_id<S: Serializer>(id: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

fn read_id<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back() {
        let mark = CredentialMark {
            id: CredentialId::from_bytes([7; 16]),
            origin: ProviderOrigin { kind: "openai".to_owned(), address: "https://api.openai.com:443".to_owned() },
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(2),
        };
        let text = serde_json::to_string(&mark).unwrap();
        assert!(text.contains(&format!("\"{}\"", mark.id)), "{text}");
        assert_eq!(serde_json::from_str::<CredentialMark>(&text).unwrap(), mark);
        assert!(serde_json::from_str::<CredentialMark>(&text.replace("pcr_", "key_")).is_err());
    }

    #[test]
    fn owners_have_names() {
        for owner in [CredentialOwner::Platform, CredentialOwner::Tenant] {
            assert_eq!(CredentialOwner::from_name(owner.name()), Some(owner));
        }
        assert_eq!(CredentialOwner::from_name("nobody"), None);
    }
}
