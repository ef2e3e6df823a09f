//! How a document is to be cut, as its tenant says it: in tokens, for which so many characters are taken.

use insula_ingest::ChunkSettings;
use insula_model::{Error, Result};
use serde::{Deserialize, Serialize};

use super::KnowledgeSettings;

/// Characters that count as a token: about what one of Western text has. No model's own tokens are counted.
const CHARACTERS_PER_TOKEN: usize = 4;

/// Tokens of a chunk, as OpenAI bounds them.
const TOKENS_MIN: u32 = 100;
const TOKENS_MAX: u32 = 4_096;

/// How a document is to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// Tokens of a chunk.
    pub tokens_max: u32,
    /// Tokens of a chunk's end that are said again at the beginning of the next.
    pub overlap_tokens: u32,
}

impl Chunking {
    /// Chunks of so many tokens.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Invalid`], naming what is out of bounds as OpenAI calls it.
    pub fn new(tokens_max: u32, overlap_tokens: u32) -> Result<Self> {
        if !(TOKENS_MIN..=TOKENS_MAX).contains(&tokens_max) {
            let message = format!("a chunk has {TOKENS_MIN} to {TOKENS_MAX} tokens");
            return Err(Error::invalid(message).at("chunking_strategy.static.max_chunk_size_tokens"));
        }
        if overlap_tokens > tokens_max / 2 {
            let message = "chunks overlap by at most half of `max_chunk_size_tokens`";
            return Err(Error::invalid(message).at("chunking_strategy.static.chunk_overlap_tokens"));
        }
        Ok(Self { tokens_max, overlap_tokens })
    }

    /// How documents are cut of which nothing is said.
    pub(super) fn usual(settings: &KnowledgeSettings) -> Self {
        let tokens = |characters: usize| u32::try_from(characters / CHARACTERS_PER_TOKEN).unwrap_or(u32::MAX);
        Self {
            tokens_max: tokens(settings.chunk_characters_max),
            overlap_tokens: tokens(settings.chunk_overlap_characters_max),
        }
    }

    /// The same in characters; the rest as it is.
    pub(super) fn settings(self, usual: ChunkSettings) -> ChunkSettings {
        let characters = |tokens: u32| tokens as usize * CHARACTERS_PER_TOKEN;
        ChunkSettings {
            characters_max: characters(self.tokens_max),
            overlap_characters_max: characters(self.overlap_tokens),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_openai() {
        assert!(Chunking::new(100, 50).is_ok() && Chunking::new(4_096, 0).is_ok());
        for (tokens, overlap, at) in
            [(99, 0, "max_chunk_size_tokens"), (4_097, 0, "max_chunk_size_tokens"), (100, 51, "chunk_overlap_tokens")]
        {
            let error = Chunking::new(tokens, overlap).unwrap_err();
            assert_eq!(error.param(), Some(format!("chunking_strategy.static.{at}").as_str()));
        }
    }

    #[test]
    fn tokens_are_characters_and_back() {
        let settings = KnowledgeSettings::default();
        let usual = Chunking::usual(&settings);
        assert_eq!((usual.tokens_max, usual.overlap_tokens), (400, 50));
        assert_eq!(usual.settings(ChunkSettings::default()), ChunkSettings::default());
    }
}
