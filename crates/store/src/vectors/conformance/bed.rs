//! A store whose vectors some engine searches.

use insula_model::{Random, VectorCollection};

use super::Shelf;
use crate::{
    QdrantOptions, VectorSearch,
    conformance::world::{Engine, World},
    vectors::qdrant::tests::Served,
};

/// Who searches, and where the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Searched {
    /// This node in memory, over files.
    InMemoryOverFiles,
    /// This node in memory, over a shared database.
    InMemoryOverTables,
    /// pgvector, in the shared database.
    Pgvector,
    /// Qdrant, in a collection that tenants share, over files.
    QdrantShared,
    /// Qdrant, in a collection of the tenant's own, over a shared database.
    QdrantOwn,
    /// Qdrant, before anything was brought there.
    QdrantBehind,
}

/// So many vectors are compared one by one where pgvector searches: few, so that cases reach its index.
pub(crate) const EXACT_MAX: usize = 500;

impl Searched {
    /// All of them.
    pub(crate) const ALL: [Searched; 6] = [
        Searched::InMemoryOverFiles,
        Searched::InMemoryOverTables,
        Searched::Pgvector,
        Searched::QdrantShared,
        Searched::QdrantOwn,
        Searched::QdrantBehind,
    ];

    /// Those that ask a Qdrant.
    pub(crate) const OF_QDRANT: [Searched; 3] = [Searched::QdrantShared, Searched::QdrantOwn, Searched::QdrantBehind];

    /// Where the tables are.
    pub(crate) fn tables(self) -> Engine {
        match self {
            Searched::InMemoryOverFiles | Searched::QdrantShared | Searched::QdrantBehind => Engine::Embedded,
            Searched::InMemoryOverTables | Searched::Pgvector | Searched::QdrantOwn => Engine::Cluster,
        }
    }

    /// Where a tenant's vectors are to be, of an engine that is brought there after each change.
    pub(crate) fn settles_in(self) -> Option<VectorCollection> {
        match self {
            Searched::QdrantShared => Some(VectorCollection::Shared),
            Searched::QdrantOwn => Some(VectorCollection::Own),
            Searched::InMemoryOverFiles | Searched::InMemoryOverTables | Searched::Pgvector | Searched::QdrantBehind => None,
        }
    }
}

/// What a case is given.
pub(crate) struct Bed {
    pub(crate) world: World,
    pub(crate) searched: Searched,
    /// The Qdrant, where one is asked.
    pub(crate) qdrant: Option<Served>,
}

impl Bed {
    /// A fresh one.
    pub(crate) async fn made(searched: Searched) -> Self {
        let vectors = match searched {
            Searched::InMemoryOverFiles | Searched::InMemoryOverTables => VectorSearch::Embedded,
            Searched::Pgvector => VectorSearch::Pgvector { exact_max: EXACT_MAX },
            Searched::QdrantShared | Searched::QdrantOwn | Searched::QdrantBehind => {
                let served = Served::by_a_peer().await;
                let options = served.options();
                return Self::asking(searched, served, options).await;
            }
        };
        Self::over(World::searched(searched.tables(), vectors).await, searched)
    }

    /// One over a world that is there, without a Qdrant.
    pub(crate) fn over(world: World, searched: Searched) -> Self {
        Self { world, searched, qdrant: None }
    }

    /// A fresh one, whose Qdrant is reached like this.
    pub(crate) async fn asking(searched: Searched, served: Served, options: QdrantOptions) -> Self {
        let world = World::searched(searched.tables(), VectorSearch::Qdrant(options)).await;
        Self { world, searched, qdrant: Some(served) }
    }

    /// The first tenant's documents; there are none yet.
    pub(crate) async fn owner(&self, dimension: usize) -> Shelf<'_> {
        Shelf::of(self, self.world.owner, dimension).await
    }

    /// The other tenant's.
    pub(crate) async fn stranger(&self, dimension: usize) -> Shelf<'_> {
        Shelf::of(self, self.world.stranger, dimension).await
    }

    /// From here on it is known how many vectors there are, where an engine asks its database: else that counts when it comes round to it.
    pub(crate) async fn counted(&self) {
        if self.searched == Searched::Pgvector {
            self.world.place.database().administer().await.batch_execute("ANALYZE insula_tenant.embeddings").await.unwrap();
        }
    }

    /// A vector of length 1 in any direction.
    pub(crate) fn any(&self, dimension: usize) -> Vec<f32> {
        unit((0..dimension).map(|_| self.number()).collect())
    }

    /// One that lies near another.
    pub(crate) fn beside(&self, vector: &[f32]) -> Vec<f32> {
        let far = 0.8 / (vector.len() as f32).sqrt();
        unit(vector.iter().map(|number| number + far * self.number()).collect())
    }

    /// Between -1 and 1.
    fn number(&self) -> f32 {
        let mut bytes = [0; 2];
        self.world.random.fill(&mut bytes);
        f32::from(i16::from_le_bytes(bytes)) / f32::from(i16::MAX)
    }
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.into_iter().map(|number| number / length).collect()
}
