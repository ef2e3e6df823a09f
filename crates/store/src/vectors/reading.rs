//! What a search works with.

use std::{collections::HashSet, sync::Arc};

use insula_model::{DocumentId, Result, TenantScope};

use super::{Index, Near, Nearest, Space, Vectors, index, spaces};
use crate::{
    Store, TenantStore,
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
        let (tenant, seals, vectors) = (self.tenant(scope).await?, self.seals(scope).await?, self.vectors());
        let slot = vectors.indexes.slot(scope.tenant());
        // Before the snapshot: whoever waits here for another's snapshot holds none.
        let mut held = slot.lock().await;
        let mut knowledge = tenant.knowledge().await?;
        let corpus = knowledge.corpus().await?;
        let space = spaces::find(knowledge.tx()).await?.map(|spaces| spaces.serving);
        if let Some(space) = &space {
            let with_vectors = vectors.engine.holds_vectors();
            index::refresh(&mut held, &mut knowledge, corpus, space, with_vectors, &seals).await?;
        }
        let index = if space.is_some() { Arc::clone(&held) } else { Arc::default() };
        drop(held);
        vectors.indexes.weigh(scope.tenant(), &slot, index.bytes());
        let vectors = Arc::clone(vectors);
        Ok(Reading { tenant, knowledge, vectors, corpus, space, index })
    }

    /// The embedder that a tenant's documents are searched by; none where it has none yet.
    pub async fn serving_space(&self, scope: &TenantScope) -> Result<Option<Space>> {
        let mut knowledge = self.tenant(scope).await?.knowledge().await?;
        Ok(spaces::find(knowledge.tx()).await?.map(|spaces| spaces.serving))
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

    /// The nearest chunks to a place in the space that serves, the best first: as many as are wanted wherever so many count.
    pub async fn nearest(&mut self, vector: &[f32], counting: Option<&HashSet<DocumentId>>, limit: usize) -> Result<Vec<Near>> {
        if self.space.is_none() {
            return Ok(Vec::new());
        }
        let counts: Option<Arc<[bool]>> =
            counting.map(|counting| self.index.documents().map(|id| counting.contains(&id)).collect());
        let ask = Nearest { vector: vector.into(), counts, limit };
        let Self { tenant, knowledge, vectors, index, .. } = self;
        vectors.engine.nearest(tenant, knowledge, index, ask).await
    }
}
