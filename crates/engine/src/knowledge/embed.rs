//! What places a text among others: texts that say the like lie near each other.

use std::pin::Pin;

use insula_ingest::hashing;
use insula_model::{Error, Result};

/// Vectors under way.
pub(crate) type Embedding = Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>>> + Send>>;

/// What turns texts into vectors.
pub(crate) trait Embedder: Send + Sync {
    /// What it is called; kept with each document, because vectors of another cannot be compared.
    fn name(&self) -> &'static str;

    /// The numbers of a vector.
    fn dimension(&self) -> usize;

    /// The vectors of these texts, each of length one, or of zeros where a text says nothing.
    fn embed(&self, texts: Vec<String>) -> Embedding;
}

/// Lexical hashing: it knows no meanings, only words and parts of words, and needs neither a model nor a network.
pub(crate) struct Hashing;

impl Embedder for Hashing {
    fn name(&self) -> &'static str {
        hashing::NAME
    }

    fn dimension(&self) -> usize {
        hashing::DIMENSIONS_DEFAULT
    }

    fn embed(&self, texts: Vec<String>) -> Embedding {
        let dimension = self.dimension();
        let all = move || texts.iter().map(|text| hashing::embed(text, dimension)).collect();
        // Off the runtime's own threads: it takes long where there is much.
        Box::pin(async move { tokio::task::spawn_blocking(all).await.map_err(Error::internal) })
    }
}
