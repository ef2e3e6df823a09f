//! Vectors of documents that are not shown yet, as they come: what was paid for is not paid for again after a kill.

use insula_model::{DocumentId, Result};

use super::{super::TenantStore, documents};
use crate::{
    TenantSeals,
    query::{Tx, Val, args, rec},
    vectors::{NewVector, open_vector},
};

/// A vector that came.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedVector {
    /// Which of its document's chunks it is of.
    pub place: u64,
    /// A keyed hash of what was embedded: where the document is cut differently by then, this is no vector of it.
    pub text_key: i64,
    /// Where it lies.
    pub vector: NewVector,
}

struct Row {
    place: u64,
    text_key: i64,
    sealed_vector: Vec<u8>,
}

rec!(Row { place, text_key, sealed_vector });

impl TenantStore {
    /// Keeps vectors of a document that is not shown yet. Those of one that is gone are dropped.
    pub async fn stage_vectors(&self, document: DocumentId, space: u64, staged: &[StagedVector]) -> Result<()> {
        let mut tx = self.home.db().write().await?;
        if documents::find(&mut tx, document).await?.is_none_or(|row| row.status.is_over()) {
            return Ok(());
        }
        let rows: Vec<Vec<Val<'_>>> = staged
            .iter()
            .map(|staged| {
                let (place, sealed) = (Val::count(staged.place), Val::bytes(&staged.vector.sealed));
                vec![Val::bytes(document.as_bytes()), Val::count(space), place, Val::int(staged.text_key), sealed]
            })
            .collect();
        let insert = "INSERT INTO staged_vectors (document, space, place, text_key, sealed_vector) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT (document, space, place) DO UPDATE SET text_key = excluded.text_key, \
                      sealed_vector = excluded.sealed_vector";
        tx.exec_all(insert, &rows).await?;
        tx.commit().await
    }

    /// The vectors of a document that came before, in the order of their places.
    pub async fn staged_vectors(&self, seals: &TenantSeals, document: DocumentId, space: u64) -> Result<Vec<StagedVector>> {
        let find =
            "SELECT place, text_key, sealed_vector FROM staged_vectors WHERE document = $1 AND space = $2 ORDER BY place";
        let rows: Vec<Row> = self.home.db().read().await?.all(find, args![document, space]).await?;
        let open = |row: Row| {
            let plain = open_vector(seals, space, document, row.place, &row.sealed_vector)?;
            let vector = NewVector { plain, sealed: row.sealed_vector };
            Ok(StagedVector { place: row.place, text_key: row.text_key, vector })
        };
        rows.into_iter().map(open).collect()
    }
}

/// Forgets them: the document is shown, or will never be.
pub(super) async fn forget(tx: &mut Tx, document: DocumentId) -> Result<()> {
    tx.exec("DELETE FROM staged_vectors WHERE document = $1", args![document]).await.map(drop)
}
