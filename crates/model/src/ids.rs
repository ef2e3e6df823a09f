//! Identifiers: 128 bits, time first, written as a prefix and 26 characters of Crockford's base 32.
//!
//! The text form sorts by creation time, survives a double click and cannot be mistaken for another noun's id.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Clock, Random};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 26 characters of five bits hold 128 bits with two to spare.
const TEXT_LEN: usize = 26;

fn encode(bits: u128) -> [u8; TEXT_LEN] {
    let mut out = [0; TEXT_LEN];
    for (i, c) in out.iter_mut().enumerate() {
        *c = ALPHABET[(bits >> (5 * (TEXT_LEN - 1 - i))) as usize & 31];
    }
    out
}

fn decode(text: &str) -> Option<u128> {
    let text = text.as_bytes();
    // The first character carries only three bits; anything above 7 would overflow.
    if text.len() != TEXT_LEN || text[0] > b'7' {
        return None;
    }
    text.iter().try_fold(0u128, |bits, c| {
        let digit = ALPHABET.iter().position(|a| a == c)?;
        Some(bits << 5 | digit as u128)
    })
}

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct MalformedId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What the text form starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The id stored as these sixteen bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The sixteen bytes to store.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The 26 characters without the prefix.
            pub fn bare(&self) -> String {
                encode(u128::from_be_bytes(self.0)).iter().map(|c| *c as char).collect()
            }

            /// Reads the 26 characters without the prefix.
            pub fn from_bare(text: &str) -> Option<Self> {
                decode(text).map(|bits| Self(bits.to_be_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = encode(u128::from_be_bytes(self.0));
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                text.strip_prefix(concat!($prefix, "_")).and_then(Self::from_bare).ok_or(MalformedId)
            }
        }
    };
}

id!(
    /// A tenant. Naming one opens nothing: see [`TenantScope`](crate::TenantScope).
    TenantId,
    "ten"
);
id!(
    /// A key; its bare form stands inside the key's own text.
    KeyId,
    "key"
);
id!(
    /// An end user of a tenant's product: a keyed hash of what the product calls it, which it does not show.
    EndUserId,
    "eus"
);
id!(
    /// A budget.
    BudgetId,
    "bud"
);
id!(
    /// A credit on a tenant's bill.
    CreditId,
    "crd"
);
id!(
    /// A tenant's own credential at a provider.
    CredentialId,
    "pcr"
);
id!(
    /// One request of a caller. Carries four bytes that are the same for all requests of a tenant, see [`RequestId::tag`].
    RequestId,
    "req"
);
id!(
    /// One attempt at a provider: the unit of the ledger.
    AttemptId,
    "att"
);
id!(
    /// A file of a tenant.
    FileId,
    "file"
);
id!(
    /// A batch: many requests in one file, answered in another.
    BatchId,
    "batch"
);
id!(
    /// A document of a tenant, which can be searched.
    DocumentId,
    "doc"
);
id!(
    /// A reference corpus: documents that operators keep for the tenants that hold a grant.
    CorpusId,
    "cor"
);
id!(
    /// A vector store of a tenant: documents that were made of its files.
    VectorStoreId,
    "vs"
);
id!(
    /// Files that came into a vector store together.
    FileBatchId,
    "vsfb"
);
id!(
    /// A webhook: an address that wants to be told.
    WebhookId,
    "whk"
);
id!(
    /// Something that webhooks are told, the same however often it is sent.
    EventId,
    "evt"
);

impl RequestId {
    /// Four bytes that are equal for all requests of one tenant and say nothing else about it. An operator's view finds
    /// the tenant by them without an index over all requests; zero when the caller could not be authenticated.
    pub fn tag(&self) -> [u8; 4] {
        [self.0[6], self.0[7], self.0[8], self.0[9]]
    }
}

/// Makes ids from a clock and a random source, both passed in.
#[derive(Clone)]
pub struct IdGenerator {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl IdGenerator {
    /// Ids that take their time from `clock` and the rest from `random`.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random }
    }

    /// 48 bits of milliseconds, 80 of chance.
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let millis = (self.clock.now().micros() / 1_000) as u64;
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        self.random.fill(&mut bytes[6..]);
        bytes
    }

    /// A new tenant's id.
    pub fn tenant(&self) -> TenantId {
        TenantId(self.bytes())
    }

    /// A new key's id.
    pub fn key(&self) -> KeyId {
        KeyId(self.bytes())
    }

    /// A new budget's id.
    pub fn budget(&self) -> BudgetId {
        BudgetId(self.bytes())
    }

    /// A new credit's id.
    pub fn credit(&self) -> CreditId {
        CreditId(self.bytes())
    }

    /// A new credential's id.
    pub fn credential(&self) -> CredentialId {
        CredentialId(self.bytes())
    }

    /// A new attempt's id.
    pub fn attempt(&self) -> AttemptId {
        AttemptId(self.bytes())
    }

    /// A new file's id.
    pub fn file(&self) -> FileId {
        FileId(self.bytes())
    }

    /// A new batch's id.
    pub fn batch(&self) -> BatchId {
        BatchId(self.bytes())
    }

    /// A new document's id.
    pub fn document(&self) -> DocumentId {
        DocumentId(self.bytes())
    }

    /// A new corpus's id.
    pub fn corpus(&self) -> CorpusId {
        CorpusId(self.bytes())
    }

    /// A new vector store's id.
    pub fn vector_store(&self) -> VectorStoreId {
        VectorStoreId(self.bytes())
    }

    /// The id of files that come into a vector store together.
    pub fn file_batch(&self) -> FileBatchId {
        FileBatchId(self.bytes())
    }

    /// A new webhook's id.
    pub fn webhook(&self) -> WebhookId {
        WebhookId(self.bytes())
    }

    /// A new event's id.
    pub fn event(&self) -> EventId {
        EventId(self.bytes())
    }

    /// A new request's id carrying its tenant's `tag`.
    pub fn request(&self, tag: [u8; 4]) -> RequestId {
        let mut bytes = self.bytes();
        bytes[6..10].copy_from_slice(&tag);
        RequestId(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_back(bytes: [u8; 16]) {
            let id = AttemptId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<AttemptId>(), Ok(id));
            prop_assert!(id.to_string().parse::<RequestId>().is_err());
        }

        #[test]
        fn nonsense_never_panics(text: String) {
            let _ = text.parse::<TenantId>();
        }

        #[test]
        fn text_sorts_as_bytes(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (KeyId::from_bytes(a), KeyId::from_bytes(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
