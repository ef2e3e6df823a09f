//! Vector stores: which there are, and which documents are in which.
//!
//! A store that is deleted, or whose time has come, goes in two steps: from the first on nobody finds it or what is in it, and what
//! is in it goes document by document afterwards, however often that is interrupted.

use insula_model::{DocumentId, Result, Timestamp, VectorStoreId};

use super::{super::TenantStore, publish::raise_epoch, snapshot::Knowledge};
use crate::query::{Tx, args, rec};

/// A vector store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorStoreRow {
    /// Its id.
    pub id: VectorStoreId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub active_at: Timestamp,
    /// After how many days without use it goes; never where absent.
    pub expires_days: Option<u32>,
    /// When that is.
    pub expires_at: Option<Timestamp>,
    /// What its tenant calls it and says of it, sealed for (`vector_stores`, `detail`, its id).
    pub sealed_detail: Vec<u8>,
}

rec!(VectorStoreRow { id, created_at, active_at, expires_days, expires_at, sealed_detail });

/// Which part of a list, in the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// From the one behind this on.
    pub after: Option<[u8; 16]>,
    /// Up to the one ahead of this: where `after` is absent, those that stand nearest to it.
    pub before: Option<[u8; 16]>,
    /// The oldest first, else the newest.
    pub oldest_first: bool,
    /// How many at most.
    pub limit: u32,
}

impl Slice {
    /// Below and above which ids, and whether it is read from the lower end.
    pub(super) fn bounds(&self) -> ([u8; 16], [u8; 16], bool) {
        let (low, high) = if self.oldest_first { (self.after, self.before) } else { (self.before, self.after) };
        (low.unwrap_or([0; 16]), high.unwrap_or([0xff; 16]), self.oldest_first != self.is_backwards())
    }

    /// Whether it is read against its order.
    fn is_backwards(&self) -> bool {
        self.after.is_none() && self.before.is_some()
    }

    /// Goes on behind the last row that was read.
    pub fn go_on(&mut self, last: Option<[u8; 16]>) {
        if self.is_backwards() { self.before = last } else { self.after = last }
    }

    /// Cuts what was read to what is wanted and puts it in order; whether there was more.
    pub fn cut<T>(&self, read: &mut Vec<T>) -> bool {
        let more = read.len() > self.limit as usize;
        read.truncate(self.limit as usize);
        if self.is_backwards() {
            read.reverse();
        }
        more
    }
}

struct Id {
    id: DocumentId,
}

rec!(Id { id });

struct There {
    stores: u64,
}

rec!(There { stores });

impl TenantStore {
    /// Adds a store. False where the tenant has `most` of them.
    pub async fn insert_vector_store(&self, row: &VectorStoreRow, most: u64) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let there: There = tx.one("SELECT COUNT(*) AS stores FROM vector_stores", &[]).await?;
        if there.stores >= most {
            return Ok(false);
        }
        tx.exec(
            "INSERT INTO vector_stores (id, state, created_at, active_at, expires_days, expires_at, sealed_detail) \
             VALUES ($1, 'active', $2, $3, $4, $5, $6)",
            args![row.id, row.created_at, row.active_at, row.expires_days, row.expires_at, row.sealed_detail],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// One store that is not being removed.
    pub async fn vector_store(&self, id: VectorStoreId) -> Result<Option<VectorStoreRow>> {
        let find = "SELECT id, created_at, active_at, expires_days, expires_at, sealed_detail FROM vector_stores \
                    WHERE id = $1 AND state = 'active'";
        self.home.db().read().await?.optional(find, args![id]).await
    }

    /// Part of the list of stores that are not being removed.
    pub async fn vector_stores(&self, slice: &Slice) -> Result<Vec<VectorStoreRow>> {
        let (low, high, upwards) = slice.bounds();
        let up = "SELECT id, created_at, active_at, expires_days, expires_at, sealed_detail FROM vector_stores \
                  WHERE state = 'active' AND id > $1 AND id < $2 ORDER BY id LIMIT $3";
        let down = "SELECT id, created_at, active_at, expires_days, expires_at, sealed_detail FROM vector_stores \
                    WHERE state = 'active' AND id > $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        let sql = if upwards { up } else { down };
        self.home.db().read().await?.all(sql, args![low, high, slice.limit]).await
    }

    /// Keeps what has changed of a store. False where it is gone.
    pub async fn change_vector_store(&self, row: &VectorStoreRow) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let update = "UPDATE vector_stores SET active_at = $2, expires_days = $3, expires_at = $4, sealed_detail = $5 \
                      WHERE id = $1 AND state = 'active'";
        let changed =
            tx.exec(update, args![row.id, row.active_at, row.expires_days, row.expires_at, row.sealed_detail]).await?;
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Notes that a store is used, unless its time has come; what it is kept for begins anew.
    pub async fn use_vector_store(&self, id: VectorStoreId, now: Timestamp) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        used(&mut tx, id, now).await?;
        tx.commit().await
    }

    /// Takes a store away: from now on nobody finds it, nor what is in it. False where it is gone.
    pub async fn withdraw_vector_store(&self, id: VectorStoreId) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        raise_epoch(&mut tx).await?;
        let withdrawn = "UPDATE vector_stores SET state = 'removing' WHERE id = $1 AND state = 'active'";
        let is_withdrawn = tx.exec(withdrawn, args![id]).await? == 1;
        if is_withdrawn {
            tx.commit().await?;
        }
        Ok(is_withdrawn)
    }

    /// Whether a store is being removed; `None` where it is gone.
    pub async fn is_withdrawn(&self, id: VectorStoreId) -> Result<Option<bool>> {
        struct State {
            state: String,
        }
        rec!(State { state });
        let find = "SELECT state FROM vector_stores WHERE id = $1";
        let state: Option<State> = self.home.db().read().await?.optional(find, args![id]).await?;
        Ok(state.map(|found| found.state == "removing"))
    }

    /// When a store's time comes; `None` where it is gone, or its time never comes.
    pub async fn vector_store_expiry(&self, id: VectorStoreId) -> Result<Option<Timestamp>> {
        Ok(self.vector_store(id).await?.and_then(|row| row.expires_at))
    }

    /// At most `limit` documents of a store.
    pub async fn documents_of_store(&self, id: VectorStoreId, limit: u32) -> Result<Vec<DocumentId>> {
        let find = "SELECT id FROM documents WHERE vector_store = $1 ORDER BY id LIMIT $2";
        let found: Vec<Id> = self.home.db().read().await?.all(find, args![id, limit]).await?;
        Ok(found.into_iter().map(|found| found.id).collect())
    }

    /// Forgets the batches of a store that is empty, and the store itself where it is being removed. False where something is in it.
    pub async fn clear_vector_store(&self, id: VectorStoreId) -> Result<bool> {
        let mut tx = self.home.db().write().await?;
        let left: Option<Id> = tx.optional("SELECT id FROM documents WHERE vector_store = $1 LIMIT 1", args![id]).await?;
        if left.is_some() {
            return Ok(false);
        }
        tx.exec("DELETE FROM file_batches WHERE vector_store = $1", args![id]).await?;
        tx.exec("DELETE FROM vector_stores WHERE id = $1 AND state = 'removing'", args![id]).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Notes that a store is used. False where it is gone, or its time has come.
pub(super) async fn used(tx: &mut Tx, id: VectorStoreId, now: Timestamp) -> Result<bool> {
    // A day has so many microseconds.
    let used = "UPDATE vector_stores SET active_at = $2, expires_at = $2 + expires_days * 86400000000 \
                WHERE id = $1 AND state = 'active' AND (expires_at IS NULL OR expires_at > $2)";
    Ok(tx.exec(used, args![id, now]).await? == 1)
}

/// What is sealed of a document that can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedDetail {
    /// Which document.
    pub id: DocumentId,
    /// What is known of it, sealed for (`documents`, `detail`, its id).
    pub sealed_detail: Vec<u8>,
}

rec!(SealedDetail { id, sealed_detail });

impl Knowledge {
    /// The documents of a store that can be found.
    pub async fn in_store(&mut self, id: VectorStoreId) -> Result<Vec<DocumentId>> {
        let find = "SELECT id FROM documents WHERE vector_store = $1 AND published IS NOT NULL";
        let found: Vec<Id> = self.tx().all(find, args![id]).await?;
        Ok(found.into_iter().map(|found| found.id).collect())
    }

    /// The documents of stores that are being removed, or whose time has come: they are still there, and nobody's to find.
    pub async fn withdrawn(&mut self, now: Timestamp) -> Result<Vec<DocumentId>> {
        let find = "SELECT d.id AS id FROM documents d JOIN vector_stores s ON s.id = d.vector_store \
                    WHERE s.state = 'removing' OR s.expires_at <= $1";
        let found: Vec<Id> = self.tx().all(find, args![now]).await?;
        Ok(found.into_iter().map(|found| found.id).collect())
    }

    /// At most `limit` of the documents that can be found and were shown or changed after `epoch`, in the order of their ids, from
    /// the one behind `after` on.
    pub async fn details(&mut self, epoch: u64, after: DocumentId, limit: u32) -> Result<Vec<SealedDetail>> {
        let find = "SELECT id, sealed_detail FROM documents WHERE published IS NOT NULL AND (published > $1 OR amended > $1) \
                    AND id > $2 ORDER BY id LIMIT $3";
        self.tx().all(find, args![epoch, after, limit]).await
    }
}
