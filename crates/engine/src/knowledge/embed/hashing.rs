//! Lexical hashing: it knows no meanings, only words and parts of words, and needs neither a model nor a network.

use insula_ingest::hashing;
use insula_model::Error;

use super::{Embedder, Embedding, Errand, Room, Side};

/// What it is called, and where it is: in the program.
pub(super) const NAME: &str = hashing::NAME;
/// Texts at once: some milliseconds of one processor.
const TEXTS_AT_ONCE: usize = 64;

/// The embedder that is built in.
pub(super) struct Hashing;

impl Embedder for Hashing {
    fn name(&self) -> &str {
        NAME
    }

    fn dimension(&self) -> Option<u32> {
        u32::try_from(hashing::DIMENSIONS_DEFAULT).ok()
    }

    fn is_dear(&self) -> bool {
        false
    }

    fn room(&self, _errand: &Errand) -> Room {
        Room { texts: TEXTS_AT_ONCE, bytes: usize::MAX }
    }

    fn embed(&self, _errand: &Errand, _side: Side, texts: Vec<String>) -> Embedding {
        let all = move || texts.iter().map(|text| hashing::embed(text, hashing::DIMENSIONS_DEFAULT)).collect();
        // Off the runtime's own threads: it takes long where there is much.
        Box::pin(async move { tokio::task::spawn_blocking(all).await.map_err(Error::internal) })
    }
}
