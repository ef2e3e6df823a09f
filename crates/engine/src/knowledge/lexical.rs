//! What has the words: BM25 (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework), over postings.

use std::collections::{BTreeMap, HashMap};

use insula_model::Result;
use insula_store::{Corpus, Index, Knowledge};

use super::rank::best;

/// How soon a word that comes again counts no more.
const K1: f64 = 1.2;
/// How much a chunk's length counts against it.
const B: f64 = 0.75;
/// A word that more than one of so many chunks has tells little, and is passed over where a rarer one is found.
const COMMON_ONE_IN: u64 = 5;

/// The chunks that have a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    /// How many have it, whether they count or not.
    pub chunks: u64,
    /// Each with how often it has it.
    pub postings: Vec<(u64, u64)>,
}

/// Looks up words by their keys.
pub(super) async fn look_up(knowledge: &mut Knowledge, corpus: Corpus, keys: &[i64]) -> Result<Vec<Term>> {
    let found = knowledge.token_counts(keys).await?;
    let is_rare = |chunks: u64| chunks.saturating_mul(COMMON_ONE_IN) <= corpus.chunks;
    let any_rare = found.iter().any(|count| is_rare(count.chunks));
    let wanted = found.iter().filter(|count| !any_rare || is_rare(count.chunks));
    let mut terms: BTreeMap<i64, Term> =
        wanted.map(|count| (count.token, Term { chunks: count.chunks, postings: Vec::new() })).collect();
    let keys: Vec<i64> = terms.keys().copied().collect();
    for posting in knowledge.postings(&keys).await? {
        if let Some(term) = terms.get_mut(&posting.token) {
            term.postings.push((posting.chunk, posting.frequency));
        }
    }
    Ok(terms.into_values().collect())
}

/// At most `depth` places of entries whose document counts, those first that have the words best.
pub(super) fn matching(index: &Index, terms: &[Term], corpus: Corpus, counts: &[bool], depth: usize) -> Vec<usize> {
    let average = corpus.tokens as f64 / corpus.chunks.max(1) as f64;
    let mut scores: HashMap<usize, f64> = HashMap::new();
    for term in terms {
        let (all, having) = (corpus.chunks as f64, term.chunks as f64);
        let rarity = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
        for (chunk, often) in &term.postings {
            let Some(place) = index.place_of(*chunk) else { continue };
            let entry = index.entries()[place];
            if counts[entry.document as usize] {
                let (often, length) = (*often as f64, f64::from(entry.tokens) / average.max(1.0));
                *scores.entry(place).or_default() += rarity * often * (K1 + 1.0) / (often + K1 * (1.0 - B + B * length));
            }
        }
    }
    best(scores.into_iter().map(|(place, score)| (score, place)).collect(), depth)
}

#[cfg(test)]
mod tests {
    use insula_model::DocumentId;

    use super::*;

    #[test]
    fn rare_words_and_short_chunks_come_first() {
        let id = DocumentId::from_bytes([1; 16]);
        let index = Index::of(0, &[(id, 10, vec![]), (id, 10, vec![]), (id, 100, vec![])]);
        let corpus = Corpus { epoch: 1, chunks: 3, tokens: 120, next_chunk: 4 };
        let common = Term { chunks: 3, postings: vec![(1, 1), (2, 1), (3, 1)] };
        let rare = Term { chunks: 1, postings: vec![(2, 1)] };
        assert_eq!(matching(&index, &[common.clone(), rare], corpus, &[true], 9), [1, 0, 2]);
        assert_eq!(matching(&index, std::slice::from_ref(&common), corpus, &[true], 1), [0]);
        assert!(matching(&index, &[common], corpus, &[false], 9).is_empty());
    }

    #[test]
    fn the_formula_is_that_of_the_paper() {
        let id = DocumentId::from_bytes([1; 16]);
        let index = Index::of(0, &[(id, 20, vec![])]);
        let corpus = Corpus { epoch: 1, chunks: 1, tokens: 20, next_chunk: 2 };
        let term = Term { chunks: 1, postings: vec![(1, 2)] };
        // ln(1 + 0.5 / 1.5) * 2 * 2.2 / (2 + 1.2)
        let wanted = (1.0_f64 + 0.5 / 1.5).ln() * 4.4 / 3.2;
        assert!((wanted - 0.395_563).abs() < 1e-6);
        assert_eq!(matching(&index, &[term], corpus, &[true], 1), [0]);
    }
}
