//! Attempts that are under way on any of several nodes.
//!
//! The list exists only where nodes share a database; a node that serves alone knows what is under way on it.

use insula_model::{Result, TenantId};

use super::Control;
use crate::{
    query::{args, rec},
    records::{Begin, IdempotencyMark},
};

struct Begun {
    record: Vec<u8>,
}
rec!(Begun { record });

impl Control {
    /// The mark of the attempt that is under way under an `Idempotency-Key` of a tenant, on whichever node: there is at most
    /// one. Only where nodes share a database.
    pub async fn under_way(&self, tenant: TenantId, key_hash: &[u8; 32]) -> Result<Option<IdempotencyMark>> {
        let find = "SELECT record FROM begun_attempts WHERE tenant = $1 AND idempotency = $2";
        let begun: Option<Begun> = self.db.read().await?.optional(find, args![tenant, *key_hash]).await?;
        let Some(Begun { record }) = begun else { return Ok(None) };
        Ok(Begin::from_kept(&record)?.idempotency)
    }
}
