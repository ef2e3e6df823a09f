//! What a publication and a removal change, in their own transaction.

use insula_model::{DocumentId, Error, Result};

use super::statements::Statements;
use crate::{
    postgres::PgTx,
    vectors::{Filled, NewVector, filling::DROPPED_AT_ONCE},
};

/// Vectors that are sent at once: 1.5 MB of the largest that have an index.
pub(super) const ROWS_AT_ONCE: usize = 128;

/// What the corpus says while its row is held.
struct Corpus {
    epoch: i64,
    is_empty: bool,
}

/// Writes a document's vectors, instead of those that it had.
pub(super) async fn publish(
    tx: &PgTx,
    statements: &Statements,
    document: DocumentId,
    first: u64,
    vectors: &[(u64, &[NewVector])],
) -> Result<()> {
    let corpus = corpus(tx).await?;
    let spaces = vectors.iter().map(|(space, _)| number(*space)).collect::<Result<Vec<i64>>>()?;
    clear(tx, document).await?;
    if corpus.is_empty {
        // The first document of all: from here on everything is there. What may be left is of a node without this engine.
        tx.run("DELETE FROM embeddings WHERE space = ANY ($1)", &[&spaces]).await?;
        let begin = "INSERT INTO embeddings_kept (space, epoch) SELECT given.space, $2::bigint FROM unnest($1::bigint[]) AS given (space) \
                     ON CONFLICT (tenant_id, space) DO UPDATE SET epoch = excluded.epoch";
        tx.run(begin, &[&spaces, &corpus.epoch]).await?;
    } else {
        let follow = "UPDATE embeddings_kept SET epoch = $2::bigint WHERE epoch = $2::bigint - 1 AND space = ANY ($1)";
        tx.run(follow, &[&spaces, &corpus.epoch]).await?;
    }
    for (space, vectors) in vectors {
        let numbered: Vec<(u64, &NewVector)> = (first..).zip(*vectors).collect();
        for some in numbered.chunks(ROWS_AT_ONCE) {
            let rows: Vec<Row<'_>> =
                some.iter().map(|(chunk, vector)| Row { chunk: *chunk, document, vector: &vector.plain }).collect();
            insert(tx, statements, *space, &rows).await?;
        }
    }
    Ok(())
}

/// Removes a document's vectors.
pub(super) async fn remove(tx: &PgTx, document: DocumentId) -> Result<()> {
    let corpus = corpus(tx).await?;
    clear(tx, document).await?;
    tx.run("UPDATE embeddings_kept SET epoch = $1::bigint WHERE epoch = $1::bigint - 1", &[&corpus.epoch]).await?;
    Ok(())
}

/// Adds vectors of a space that does not serve yet.
pub(super) async fn fill(tx: &PgTx, statements: &Statements, space: u64, chunks: &[&Filled]) -> Result<()> {
    for some in chunks.chunks(ROWS_AT_ONCE) {
        let rows: Vec<Row<'_>> = some
            .iter()
            .map(|filled| Row { chunk: filled.chunk, document: filled.document, vector: &filled.vector.plain })
            .collect();
        insert(tx, statements, space, &rows).await?;
    }
    Ok(())
}

/// A space serves from an epoch on, and what there was of another goes. Where a node without this engine had a hand in it something may be missing:
/// then the next search finds that it is not kept, and has it filled in.
pub(super) async fn serve(tx: &PgTx, space: u64, instead_of: u64, epoch: u64) -> Result<()> {
    const GONE: &str = "DELETE FROM embeddings e WHERE e.space = $1 AND NOT EXISTS \
                        (SELECT 1 FROM chunks c WHERE c.chunk = e.chunk AND c.document = e.document)";
    const KEPT: &str = "INSERT INTO embeddings_kept (space, epoch) SELECT $1::bigint, $2::bigint WHERE NOT EXISTS \
                        (SELECT 1 FROM vectors v WHERE v.space = $1::bigint AND NOT EXISTS \
                        (SELECT 1 FROM embeddings e WHERE e.space = v.space AND e.chunk = v.chunk)) \
                        ON CONFLICT (tenant_id, space) DO UPDATE SET epoch = excluded.epoch";
    let (of, epoch) = (number(space)?, number(epoch)?);
    give_up(tx, instead_of).await?;
    tx.run(GONE, &[&of]).await?;
    tx.run(KEPT, &[&of, &epoch]).await?;
    Ok(())
}

/// What there is of a space goes.
pub(super) async fn give_up(tx: &PgTx, space: u64) -> Result<()> {
    const LAST: &str = "SELECT max(chunk) FROM (SELECT chunk FROM embeddings WHERE space = $1 AND chunk >= $2 ORDER BY chunk LIMIT $3) some_embeddings";
    const SOME: &str = "DELETE FROM embeddings WHERE space = $1 AND chunk >= $2 AND chunk <= $3";
    let of = number(space)?;
    let mut first = 0_i64;
    loop {
        let found = tx.rows(LAST, &[&of, &first, &i64::from(DROPPED_AT_ONCE)]).await?;
        let Some(last) = found.first().and_then(|row| row.get::<_, Option<i64>>(0)) else { break };
        tx.run(SOME, &[&of, &first, &last]).await?;
        first = last + 1;
    }
    tx.run("DELETE FROM embeddings_kept WHERE space = $1", &[&of]).await?;
    Ok(())
}

/// One vector.
pub(super) struct Row<'a> {
    pub(super) chunk: u64,
    pub(super) document: DocumentId,
    pub(super) vector: &'a [f32],
}

/// Adds vectors of one space and one dimension. Those that are there stay.
pub(super) async fn insert(tx: &PgTx, statements: &Statements, space: u64, rows: &[Row<'_>]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let dimension = first.vector.len();
    if rows.iter().any(|row| row.vector.len() != dimension || row.vector.iter().any(|number| !number.is_finite())) {
        return Err(Error::internal("a vector is not of its space, or has a number that is none"));
    }
    let chunks = rows.iter().map(|row| number(row.chunk)).collect::<Result<Vec<i64>>>()?;
    let documents: Vec<&[u8]> = rows.iter().map(|row| row.document.as_bytes().as_slice()).collect();
    let numbers: Vec<f32> = rows.iter().flat_map(|row| row.vector).copied().collect();
    let (space, dimension) = (number(space)?, number(dimension as u64)?);
    tx.run(statements.insert, &[&space, &chunks, &documents, &dimension, &numbers]).await?;
    Ok(())
}

async fn clear(tx: &PgTx, document: DocumentId) -> Result<()> {
    tx.run("DELETE FROM embeddings WHERE document = $1", &[&document.as_bytes().as_slice()]).await?;
    Ok(())
}

/// Whoever changes documents holds its row, and has raised its epoch; what it counts is brought up to date last.
async fn corpus(tx: &PgTx) -> Result<Corpus> {
    let rows = tx.rows("SELECT epoch, chunks FROM corpus WHERE id = 1", &[]).await?;
    let row = rows.first().ok_or_else(|| Error::internal("documents are changed without their corpus"))?;
    Ok(Corpus { epoch: row.get(0), is_empty: row.get::<_, i64>(1) == 0 })
}

/// A number as a column has it.
pub(super) fn number(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(Error::internal)
}
