//! What has the words: BM25 (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework), over postings.

use std::collections::{BTreeMap, HashMap};

use insula_model::Result;
use insula_store::{Corpus, Index, Knowledge, TokenCount};

use super::rank::best;

/// How soon a word that comes again counts no more.
const K1: f64 = 1.2;
/// How much a chunk's length counts against it.
const B: f64 = 0.75;
/// A word that more than one of so many chunks has tells little, and is passed over where a rarer one is found.
const COMMON_ONE_IN: u64 = 5;
/// Postings that one question reads: the rarest words first, as many as have no more together. The rarest is always read.
const POSTINGS_MAX: u64 = 400_000;

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
    let mut terms: BTreeMap<i64, Term> = worth_reading(found, corpus.chunks)
        .map(|count| (count.token, Term { chunks: count.chunks, postings: Vec::new() }))
        .collect();
    let keys: Vec<i64> = terms.keys().copied().collect();
    for posting in knowledge.postings(&keys).await? {
        if let Some(term) = terms.get_mut(&posting.token) {
            term.postings.push((posting.chunk, posting.frequency));
        }
    }
    Ok(terms.into_values().collect())
}

/// The words that tell something, as many as may be read.
fn worth_reading(mut found: Vec<TokenCount>, all: u64) -> impl Iterator<Item = TokenCount> {
    found.sort_unstable_by_key(|count| (count.chunks, count.token));
    let is_rare = move |chunks: u64| chunks.saturating_mul(COMMON_ONE_IN) <= all;
    let any_rare = found.first().is_some_and(|count| is_rare(count.chunks));
    let mut read = 0_u64;
    found.into_iter().enumerate().filter(move |(_, count)| !any_rare || is_rare(count.chunks)).map_while(
        move |(rank, count)| {
            read = read.saturating_add(count.chunks);
            (rank == 0 || read <= POSTINGS_MAX).then_some(count)
        },
    )
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
    fn rare_words_are_read_and_no_more_than_may_be() {
        let read = |counts: &[u64], all: u64| -> Vec<u64> {
            let found = (0..).zip(counts).map(|(token, chunks)| TokenCount { token, chunks: *chunks }).collect();
            worth_reading(found, all).map(|count| count.chunks).collect()
        };
        assert_eq!(read(&[90, 3, 20], 100), [3, 20], "one in five is rare enough");
        assert_eq!(read(&[90, 30], 100), [30, 90], "where none is rare all are read");
        assert_eq!(read(&[POSTINGS_MAX, 7, POSTINGS_MAX - 7], 10_000_000), [7, POSTINGS_MAX - 7]);
        assert_eq!(
            read(&[POSTINGS_MAX + 1, POSTINGS_MAX + 2], 10_000_000),
            [POSTINGS_MAX + 1],
            "the rarest, whatever it takes"
        );
        assert!(read(&[], 5).is_empty());
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
