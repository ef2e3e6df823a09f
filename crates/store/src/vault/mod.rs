//! The vault: every key there is, and what is sealed with them.
//!
//! A [`RootKey`] from outside the data guards everything. It wraps one random key per tenant, and the wrapped keys live in a
//! key store of their own, so that no backup of anything else holds them: destroying a tenant's row there makes whatever
//! was sealed for it unreadable, wherever copies of it are. From each key come subkeys, one per purpose, by HKDF-SHA256.
//!
//! Content is sealed with AES-256-GCM-SIV. Tenant, table, column, row and key version are bound in: a sealed value that is
//! moved to another place does not open.

mod derive;
mod key_store;
mod root_key;
mod seal;

pub(crate) use key_store::KeyStore;
pub use root_key::RootKey;
pub use seal::{AnswerKey, Opener, TenantSeals};
