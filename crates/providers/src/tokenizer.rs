//! Counting tokens for real, where bytes are too rough.

use serde::{Deserialize, Serialize};

/// A tokenizer that this crate can count with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// GPT-4o and later.
    O200kBase,
    /// GPT-3.5, GPT-4 and the third generation of embeddings.
    Cl100kBase,
}

/// Texts are counted in pieces of this many bytes: the tokenizer's pattern backtracks over long runs of one kind of
/// character, and gives up (by a panic) at a million steps.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// A cut can change how its neighbourhood falls into tokens. That is a few tokens; this is more.
const CUT_TOKENS: u64 = 16;

impl Tokenizer {
    /// At least as many tokens as `text` has. The first call builds the tokenizer (some 0.3 s, some 50 MB); all calls
    /// block.
    pub(crate) fn count(self, text: &str) -> u64 {
        let bpe = match self {
            Tokenizer::O200kBase => tiktoken_rs::o200k_base_singleton(),
            Tokenizer::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        };
        let (mut rest, mut tokens) = (text, 0);
        while rest.len() > PIECE_BYTES_MAX {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES_MAX));
            tokens += bpe.count_ordinary(piece) as u64 + CUT_TOKENS;
            rest = after;
        }
        tokens + bpe.count_ordinary(rest) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_the_vendor_counts() {
        assert_eq!(Tokenizer::O200kBase.count("hello world"), 2);
        assert_eq!(Tokenizer::Cl100kBase.count("tiktoken is great!"), 6);
        assert_eq!(Tokenizer::O200kBase.count(""), 0);
    }

    #[test]
    fn long_runs_neither_panic_nor_take_long() {
        for run in [" ", "\n", "a", "A", "1", "_", "ä", "中", "\u{301}", " \t", "aA"] {
            let text = run.repeat(200_000 / run.len());
            assert!(Tokenizer::O200kBase.count(&text) <= text.len() as u64);
        }
    }
}
