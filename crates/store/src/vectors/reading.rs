//! What a search works with.

use std::{collections::HashSet, sync::Arc};

use insula_model::{DocumentId, Result, TenantScope};

use super::{Index, Near, Nearest, Space, VectorEngine, Vectors, index, spaces};
use crate::{
    KnowledgeReader, Store, TenantStore,
    tenants::{Corpus, Knowledge},
};

/// One unchanging state of a tenant's documents. While it is held, a tenant's file serves nobody else.
pub struct Reading {
    tenant: TenantStore,
    knowledge: Knowledge,
    vectors: Arc<Vectors>,
    corpus: Corpus,
    space: Option<Space>,
    index: Arc<Index>,
}

impl Store {
    /// A tenant's documents as they stand now, with what this node holds of them in memory brought up to that.
    pub async fn reading(&self, scope: &TenantScope) -> Result<Reading> {
        self.knowledge_of(scope).await?.reading().await
    }

    /// The embedder that a tenant's documents are searched by; none where it has none yet.
    pub async fn serving_space(&self, scope: &TenantScope) -> Result<Option<Space>> {
        self.knowledge_of(scope).await?.serving_space().await
    }
}

impl KnowledgeReader {
    /// The embedder that the documents are searched by; none where there are none yet.
    pub async fn serving_space(&self) -> Result<Option<Space>> {
        let mut knowledge = self.store().knowledge().await?;
        Ok(spaces::find(knowledge.tx()).await?.map(|spaces| spaces.serving))
    }

    /// The documents as they stand now, with what this node holds of them in memory brought up to that.
    pub async fn reading(&self) -> Result<Reading> {
        let (store, vectors, home) = (self.store(), &self.store().vectors, self.home());
        let slot = vectors.indexes.slot(home);
        // Before the snapshot: whoever waits here for another's snapshot holds none.
        let mut held = slot.lock().await;
        let mut knowledge = store.knowledge().await?;
        let corpus = knowledge.corpus().await?;
        let space = spaces::find(knowledge.tx()).await?.map(|spaces| spaces.serving);
        if let Some(space) = &space {
            let (engine, opener) = (&vectors.engine, self.opener());
            let with_vectors = engine.holds_vectors() || !engine.serves(store, opener, &mut knowledge, corpus, space).await?;
            index::refresh(&mut held, &mut knowledge, corpus, space, with_vectors, self.opener()).await?;
        }
        let index = if space.is_some() { Arc::clone(&held) } else { Arc::default() };
        drop(held);
        vectors.indexes.weigh(home, &slot, index.bytes());
        Ok(Reading { tenant: store.clone(), knowledge, vectors: Arc::clone(vectors), corpus, space, index })
    }
}

impl Reading {
    /// What all documents hold together.
    pub fn corpus(&self) -> Corpus {
        self.corpus
    }

    /// The space that is searched; absent where there is nothing yet.
    pub fn space(&self) -> Option<&Space> {
        self.space.as_ref()
    }

    /// The chunks that can be found.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// The tables.
    pub fn knowledge(&mut self) -> &mut Knowledge {
        &mut self.knowledge
    }

    /// Whether vectors are searched in another place than the tables: one may be away without the other.
    pub fn is_searched_elsewhere(&self) -> bool {
        self.vectors.engine.settles()
    }

    /// The nearest chunks to a place in the space that serves, the best first: as many as are wanted wherever so many count.
    pub async fn nearest(&mut self, vector: &[f32], counting: Option<&HashSet<DocumentId>>, limit: usize) -> Result<Vec<Near>> {
        if self.index.entries().is_empty() {
            return Ok(Vec::new());
        }
        let counts: Option<Arc<[bool]>> =
            counting.map(|counting| self.index.documents().map(|id| counting.contains(&id)).collect());
        let ask = Nearest { vector: vector.into(), counts, limit };
        let Self { tenant, knowledge, vectors, index, .. } = self;
        if index.dimension() > 0 {
            return vectors.embedded.nearest(tenant, knowledge, index, ask).await;
        }
        vectors.engine.nearest(tenant, knowledge, index, ask).await
    }
}
