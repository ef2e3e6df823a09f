//! A store whose vectors some engine searches.

use insula_model::Random;

use super::Shelf;
use crate::{
    VectorSearch,
    conformance::world::{Engine, World},
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
}

/// So many vectors are compared one by one where an engine can be told: few, so that cases reach its index.
pub(crate) const EXACT_MAX: usize = 500;

impl Searched {
    /// All of them.
    pub(crate) const ALL: [Searched; 3] = [Searched::InMemoryOverFiles, Searched::InMemoryOverTables, Searched::Pgvector];

    /// Where the tables are.
    pub(crate) fn tables(self) -> Engine {
        match self {
            Searched::InMemoryOverFiles => Engine::Embedded,
            Searched::InMemoryOverTables | Searched::Pgvector => Engine::Cluster,
        }
    }

    /// What a store is told.
    pub(crate) fn vectors(self) -> VectorSearch {
        match self {
            Searched::InMemoryOverFiles | Searched::InMemoryOverTables => VectorSearch::Embedded,
            Searched::Pgvector => VectorSearch::Pgvector { exact_max: EXACT_MAX },
        }
    }
}

/// What a case is given.
pub(crate) struct Bed {
    pub(crate) world: World,
    pub(crate) searched: Searched,
}

impl Bed {
    /// A fresh one.
    pub(crate) async fn made(searched: Searched) -> Self {
        Self { world: World::searched(searched.tables(), searched.vectors()).await, searched }
    }

    /// The first tenant's documents; there are none yet.
    pub(crate) async fn owner(&self, dimension: usize) -> Shelf<'_> {
        Shelf::of(self, self.world.owner, dimension).await
    }

    /// The other tenant's.
    pub(crate) async fn stranger(&self, dimension: usize) -> Shelf<'_> {
        Shelf::of(self, self.world.stranger, dimension).await
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
