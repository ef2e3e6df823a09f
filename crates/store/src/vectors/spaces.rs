//! Vectors that can be compared with each other.

use insula_model::{DocumentId, Error, Random, Result};

use crate::{
    Opener, TenantSeals, TenantStore,
    query::{Tx, args, rec},
};

const VECTORS: &str = "vectors";
const VECTOR: &str = "vector";

/// A set of vectors of one embedder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its number within the tenant.
    pub space: u64,
    /// What makes its vectors.
    pub embedder: String,
    /// The numbers of each of them.
    pub dimension: u32,
}

rec!(Space { space, embedder, dimension });

/// The spaces that a document has to be embedded for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spaces {
    /// The one that is searched.
    pub serving: Space,
    /// One that is being filled to take its place.
    pub next: Option<Space>,
}

impl Spaces {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Space> {
        std::iter::once(&self.serving).chain(&self.next)
    }
}

/// A vector, and how it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVector {
    /// Its numbers. Only engines that search outside of this process get them.
    pub(crate) plain: Vec<f32>,
    /// The same, sealed for its space and its place in its document.
    pub(crate) sealed: Vec<u8>,
}

impl NewVector {
    /// Seals a vector for a place in a document: its numbers, four bytes each, little endian.
    pub fn seal(
        seals: &TenantSeals,
        space: u64,
        document: DocumentId,
        place: u64,
        vector: Vec<f32>,
        random: &dyn Random,
    ) -> Self {
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        let sealed = seals.seal(VECTORS, VECTOR, &row(space, document, place), &bytes, random);
        Self { plain: vector, sealed }
    }
}

/// Opens the vector of a place in a document.
pub(crate) fn open_vector(opener: &Opener, space: u64, document: DocumentId, place: u64, sealed: &[u8]) -> Result<Vec<f32>> {
    let plain = opener.open(VECTORS, VECTOR, &row(space, document, place), sealed)?;
    let (numbers, _) = plain.as_chunks::<4>();
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// What a vector is bound to. The first space is the one that was there before there were others.
fn row(space: u64, document: DocumentId, place: u64) -> Vec<u8> {
    let mut row = [document.as_bytes().as_slice(), &place.to_be_bytes()].concat();
    if space > 1 {
        row.extend_from_slice(&space.to_be_bytes());
    }
    row
}

/// Which spaces the corpus names.
struct Named {
    space: Option<u64>,
    next_space: Option<u64>,
}

rec!(Named { space, next_space });

impl TenantStore {
    /// The spaces that a new document is to be embedded for. A tenant that has none yet gets one of this embedder.
    pub async fn spaces(&self, embedder: &str, dimension: u32) -> Result<Spaces> {
        if let Some(spaces) = find(&mut self.home.db().read().await?).await? {
            return Ok(spaces);
        }
        let mut tx = self.home.db().write().await?;
        // Waits for whoever else does the same.
        lock_corpus(&mut tx).await?;
        if find(&mut tx).await?.is_none() {
            let number = make_space(&mut tx, embedder, dimension).await?;
            tx.exec("UPDATE corpus SET space = $1 WHERE id = 1", args![number]).await?;
        }
        let spaces = find(&mut tx).await?;
        tx.commit().await?;
        spaces.ok_or_else(|| Error::internal("a tenant has no space for its vectors"))
    }
}

/// Waits for whoever changes what the tenant's documents hold together; nobody else does until the transaction is over.
pub(crate) async fn lock_corpus(tx: &mut Tx) -> Result<()> {
    let first = "INSERT INTO corpus (id, epoch, chunks, tokens, next_chunk) VALUES (1, 0, 0, 0, 1) ON CONFLICT (id) DO NOTHING";
    tx.exec(first, &[]).await?;
    tx.exec("UPDATE corpus SET epoch = epoch WHERE id = 1", &[]).await?;
    Ok(())
}

struct Last {
    last_space: u64,
}

rec!(Last { last_space });

/// Makes a space, and answers its number: one that no space had before, since what an engine still holds of one that is gone must not be taken
/// for its vectors.
pub(crate) async fn make_space(tx: &mut Tx, embedder: &str, dimension: u32) -> Result<u64> {
    let next = "UPDATE corpus SET last_space = last_space + 1 WHERE id = 1 RETURNING last_space";
    let Last { last_space } = tx.one(next, &[]).await?;
    let insert = "INSERT INTO spaces (space, embedder, dimension) VALUES ($1, $2, $3)";
    tx.exec(insert, args![last_space, embedder.to_owned(), dimension]).await?;
    Ok(last_space)
}

/// The spaces of a tenant that has some.
pub(crate) async fn find(tx: &mut Tx) -> Result<Option<Spaces>> {
    let named: Option<Named> = tx.optional("SELECT space, next_space FROM corpus WHERE id = 1", &[]).await?;
    let Some(Named { space: Some(serving), next_space }) = named else { return Ok(None) };
    let all: Vec<Space> = tx.all("SELECT space, embedder, dimension FROM spaces ORDER BY space", &[]).await?;
    let of = |number: u64| all.iter().find(|space| space.space == number).cloned();
    let serving = of(serving).ok_or_else(|| Error::internal("the space that serves is not there"))?;
    Ok(Some(Spaces { serving, next: next_space.and_then(of) }))
}
