//! What is there against what should be, as of one unchanging state.

use insula_model::{DocumentId, Error, Result};

use crate::{
    postgres::PgTx,
    vectors::{AuditFinding, AuditKind},
};

const TABLE: &str = "embeddings";

/// What is wrong with a row of `embeddings`, or with a chunk that has none there, document by document. Only the space that serves
/// has to be whole, and only where `embeddings_kept` says that it is: elsewhere a search fills it in.
const AUDIT: &str = "
    WITH serving AS (
        SELECT s.space, k.epoch = c.epoch AS is_kept FROM corpus c JOIN spaces s ON s.space = c.space
        LEFT JOIN embeddings_kept k ON k.space = s.space WHERE c.id = 1
    )
    SELECT 'orphan' AS kind, e.document, COUNT(*) AS rows FROM embeddings e
        WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.chunk = e.chunk AND c.document = e.document)
            OR NOT EXISTS (SELECT 1 FROM spaces s WHERE s.space = e.space)
        GROUP BY e.document
    UNION ALL
    SELECT 'missing', c.document, COUNT(*) FROM chunks c JOIN serving s ON s.is_kept
        WHERE NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.space = s.space AND e.chunk = c.chunk)
        GROUP BY c.document
    UNION ALL
    SELECT 'wrong dimension', e.document, COUNT(*) FROM embeddings e JOIN spaces s ON s.space = e.space
        WHERE s.dimension <> e.dimension GROUP BY e.document";

/// Compares the tables with each other.
pub(super) async fn audit(tx: &PgTx) -> Result<Vec<AuditFinding>> {
    let finding = |row: &tokio_postgres::Row| {
        let id: [u8; 16] = row.get::<_, &[u8]>("document").try_into().map_err(Error::internal)?;
        Ok(AuditFinding {
            kind: match row.get::<_, &str>("kind") {
                "orphan" => AuditKind::Orphan,
                "missing" => AuditKind::Missing,
                _ => AuditKind::WrongDimension,
            },
            place: TABLE.to_owned(),
            document: Some(DocumentId::from_bytes(id)),
            tenant: None,
            count: u64::try_from(row.get::<_, i64>("rows")).map_err(Error::internal)?,
        })
    };
    tx.rows(AUDIT, &[]).await?.iter().map(finding).collect()
}
