//! What has the words: BM25 (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework), over postings.

use std::collections::HashMap;

use insula_model::Result;
use insula_store::{Corpus, Index, Knowledge};

use super::rank::best;

/// How soon a word that comes again counts no more.
const K1: f64 = 1.2;
/// How much a chunk's length counts against it.
const B: f64 = 0.75;
/// A word that more than one of so many chunks has tells little, and is passed over where a rarer one is found.
const COMMON_ONE_IN: u64 = 5;
/// Postings that one question reads: the rarest words first, as many as have no more together. The rarest is always read.
const POSTINGS_MAX: u64 = 400_000;

/// How much stands where a search looks, and how many chunks have each word, whether they count or not. Of several places it is one sum:
/// a word is as rare as it is in all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    /// All chunks.
    pub chunks: u64,
    /// Their tokens.
    pub tokens: u64,
    /// The chunks that have each word of the question, in the order of its words.
    pub having: Vec<u64>,
}

/// The chunks that have a word, each with how often it has it; one list for each word of a question.
pub(super) type Postings = Vec<Vec<(u64, u64)>>;

impl Statistics {
    /// Of one place, where the words have these keys.
    pub async fn of(knowledge: &mut Knowledge, corpus: Corpus, keys: &[i64]) -> Result<Self> {
        let counts = knowledge.token_counts(keys).await?;
        let counts: HashMap<i64, u64> = counts.into_iter().map(|count| (count.token, count.chunks)).collect();
        let having = keys.iter().map(|key| counts.get(key).copied().unwrap_or_default()).collect();
        Ok(Self { chunks: corpus.chunks, tokens: corpus.tokens, having })
    }

    /// Of several places.
    pub fn sum(all: &[Self]) -> Self {
        let words = all.iter().map(|one| one.having.len()).max().unwrap_or_default();
        let having = (0..words).map(|word| all.iter().filter_map(|one| one.having.get(word)).sum()).collect();
        Self { chunks: all.iter().map(|one| one.chunks).sum(), tokens: all.iter().map(|one| one.tokens).sum(), having }
    }

    /// Which words are worth looking up: of those that are found the rarest, as many as may be read, without those that tell little where
    /// others tell more.
    fn telling(&self) -> Vec<bool> {
        let is_rare = |word: usize| self.having[word].saturating_mul(COMMON_ONE_IN) <= self.chunks;
        let mut rarest: Vec<usize> = (0..self.having.len()).filter(|word| self.having[*word] > 0).collect();
        rarest.sort_unstable_by_key(|word| (self.having[*word], *word));
        let any_rare = rarest.first().is_some_and(|word| is_rare(*word));
        let (mut tells, mut read) = (vec![false; self.having.len()], 0_u64);
        for (rank, word) in rarest.into_iter().filter(|word| !any_rare || is_rare(*word)).enumerate() {
            read = read.saturating_add(self.having[word]);
            if rank > 0 && read > POSTINGS_MAX {
                break;
            }
            tells[word] = true;
        }
        tells
    }
}

/// Looks up words by their keys, as far as they tell something.
pub(super) async fn look_up(knowledge: &mut Knowledge, keys: &[i64], statistics: &Statistics) -> Result<Postings> {
    let telling = keys.iter().zip(statistics.telling()).enumerate().filter(|(_, (_, tells))| *tells);
    let words: HashMap<i64, usize> = telling.map(|(word, (key, _))| (*key, word)).collect();
    let wanted: Vec<i64> = words.keys().copied().collect();
    let mut postings = vec![Vec::new(); keys.len()];
    for posting in knowledge.postings(&wanted).await? {
        if let Some(word) = words.get(&posting.token) {
            postings[*word].push((posting.chunk, posting.frequency));
        }
    }
    Ok(postings)
}

/// At most `depth` places of entries whose document counts, those first that have the words best, each with how well.
pub(super) fn matching(
    index: &Index,
    postings: &[Vec<(u64, u64)>],
    statistics: &Statistics,
    counts: &[bool],
    depth: usize,
) -> Vec<(f64, usize)> {
    let all = statistics.chunks as f64;
    let average = statistics.tokens as f64 / all.max(1.0);
    let mut scores: HashMap<usize, f64> = HashMap::new();
    for (having, postings) in statistics.having.iter().zip(postings) {
        let having = *having as f64;
        let rarity = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
        for (chunk, often) in postings {
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

    fn places(matching: Vec<(f64, usize)>) -> Vec<usize> {
        matching.into_iter().map(|(_, place)| place).collect()
    }

    #[test]
    fn rare_words_and_short_chunks_come_first() {
        let id = DocumentId::from_bytes([1; 16]);
        let index = Index::of(0, &[(id, 10, vec![]), (id, 10, vec![]), (id, 100, vec![])]);
        let common = vec![(1, 1), (2, 1), (3, 1)];
        let both = Statistics { chunks: 3, tokens: 120, having: vec![3, 1] };
        let found = matching(&index, &[common.clone(), vec![(2, 1)]], &both, &[true], 9);
        assert_eq!(places(found), [1, 0, 2]);
        let one = Statistics { having: vec![3], ..both };
        assert_eq!(places(matching(&index, std::slice::from_ref(&common), &one, &[true], 1)), [0]);
        assert!(matching(&index, &[common], &one, &[false], 9).is_empty());
    }

    #[test]
    fn the_formula_is_that_of_the_paper() {
        let id = DocumentId::from_bytes([1; 16]);
        let index = Index::of(0, &[(id, 20, vec![])]);
        let statistics = Statistics { chunks: 1, tokens: 20, having: vec![1] };
        // ln(1 + 0.5 / 1.5) * 2 * 2.2 / (2 + 1.2)
        let wanted = (1.0_f64 + 0.5 / 1.5).ln() * 4.4 / 3.2;
        assert!((wanted - 0.395_563).abs() < 1e-6);
        let found = matching(&index, &[vec![(1, 2)]], &statistics, &[true], 1);
        assert_eq!((found[0].1, (found[0].0 - wanted).abs() < 1e-9), (0, true));
    }

    #[test]
    fn rare_words_are_read_and_no_more_than_may_be() {
        let statistics = |having: &[u64], chunks| Statistics { chunks, tokens: 1, having: having.to_vec() };
        let read = |having: &[u64], all: u64| statistics(having, all).telling();
        assert_eq!(read(&[90, 3, 20, 0], 100), [false, true, true, false], "one in five is rare enough");
        assert_eq!(read(&[90, 30], 100), [true, true], "where none is rare all are read");
        assert_eq!(read(&[POSTINGS_MAX, 7, POSTINGS_MAX - 7], 10_000_000), [false, true, true]);
        assert_eq!(read(&[POSTINGS_MAX + 2, POSTINGS_MAX + 1], 10_000_000), [false, true], "the rarest, whatever it takes");
        assert!(read(&[], 5).is_empty());

        let all = Statistics::sum(&[statistics(&[4, 0], 4), Statistics::default(), statistics(&[0, 3], 100)]);
        assert_eq!(all, Statistics { chunks: 104, tokens: 2, having: vec![4, 3] });
        assert_eq!(all.telling(), [true, true], "what one place is full of may be rare in all of them");
    }
}
