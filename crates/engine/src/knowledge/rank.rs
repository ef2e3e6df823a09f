//! From a question to the chunks that answer it best.

use std::collections::{HashMap, HashSet};

use insula_model::DocumentId;
use insula_store::{Corpus, Index, Near};

use super::lexical::{Term, matching};

/// How deep each list is looked into, at least.
const DEPTH_MIN: usize = 100;
/// What keeps the first places from deciding alone (Cormack et al. 2009, Reciprocal Rank Fusion).
const RANK_OFFSET: f64 = 60.0;

/// What is asked, as it is ranked by.
pub(super) struct Question {
    /// The chunks that lie near, the nearest first.
    pub near: Vec<Near>,
    /// Its words, where they are found.
    pub terms: Vec<Term>,
    /// What the documents hold together.
    pub corpus: Corpus,
    /// The documents that count; all where absent.
    pub counting: Option<HashSet<DocumentId>>,
    /// How many chunks are wanted.
    pub limit: usize,
}

/// How deep each list is looked into for so many chunks.
pub(super) fn depth(limit: usize) -> usize {
    limit.max(DEPTH_MIN)
}

/// A chunk that answers it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    /// Its number.
    pub chunk: u64,
    /// How well, beside others of the same search.
    pub score: f64,
}

/// The best chunks, the best first; as many as are wanted wherever that many lie near.
pub(super) fn rank(index: &Index, question: &Question) -> Vec<Ranked> {
    let counting = question.counting.as_ref();
    let counts: Vec<bool> = index.documents().map(|id| counting.is_none_or(|counting| counting.contains(&id))).collect();
    let near = question.near.iter().filter_map(|near| index.place_of(near.chunk)).collect();
    let said = matching(index, &question.terms, question.corpus, &counts, depth(question.limit));
    let mut scores: HashMap<usize, f64> = HashMap::new();
    for list in [near, said] {
        for (rank, place) in (1_u32..).zip(list) {
            *scores.entry(place).or_default() += 1.0 / (RANK_OFFSET + f64::from(rank));
        }
    }
    let score_of = scores.clone();
    let places = best(scores.into_iter().map(|(place, score)| (score, place)).collect(), question.limit);
    places.into_iter().map(|place| Ranked { chunk: index.entries()[place].chunk, score: score_of[&place] }).collect()
}

/// At most `most` of these, the highest first; of equal ones those first that were there first.
pub(super) fn best(mut scored: Vec<(f64, usize)>, most: usize) -> Vec<usize> {
    let order = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if most < scored.len() {
        scored.select_nth_unstable_by(most, order);
        scored.truncate(most);
    }
    scored.sort_unstable_by(order);
    scored.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> DocumentId {
        DocumentId::from_bytes([n; 16])
    }

    proptest! {
        #[test]
        fn all_that_are_wanted_are_found_wherever_they_count(
            documents in proptest::collection::vec(0_u8..6, 1..300), counting in proptest::collection::hash_set(0_u8..6, 0..4),
            limit in 1_usize..120,
        ) {
            let chunks: Vec<_> = documents.iter().map(|n| (id(*n), 5, Vec::new())).collect();
            let index = Index::of(0, &chunks);
            let corpus = Corpus { epoch: 1, chunks: chunks.len() as u64, tokens: 5 * chunks.len() as u64, next_chunk: 999 };
            let wanted: HashSet<DocumentId> = counting.iter().map(|n| id(*n)).collect();
            let terms = vec![Term { chunks: 1, postings: vec![(1, 1)] }];
            let that_lie_near = (1..).zip(&documents).filter(|(_, n)| counting.contains(n)).take(depth(limit));
            let near = that_lie_near.map(|(chunk, _)| Near { chunk, score: 0.5 }).collect();
            let question = Question { near, terms, corpus, counting: Some(wanted), limit };
            let ranked = rank(&index, &question);
            let that_count = documents.iter().filter(|n| counting.contains(n)).count();
            prop_assert_eq!(ranked.len(), that_count.min(limit));
            prop_assert!(ranked.iter().all(|hit| counting.contains(&documents[hit.chunk as usize - 1])));
            prop_assert!(ranked.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let distinct: HashSet<u64> = ranked.iter().map(|hit| hit.chunk).collect();
            prop_assert_eq!(distinct.len(), ranked.len());
        }
    }

    #[test]
    fn both_lists_count() {
        let index = Index::of(0, &[(id(1), 5, vec![]), (id(2), 5, vec![]), (id(3), 5, vec![])]);
        let corpus = Corpus { epoch: 1, chunks: 3, tokens: 15, next_chunk: 4 };
        let terms = vec![Term { chunks: 1, postings: vec![(2, 1)] }];
        let near = [(1, 1.0), (2, 0.9), (3, 0.0)].map(|(chunk, score)| Near { chunk, score }).to_vec();
        let question = Question { near, terms, corpus, counting: None, limit: 3 };
        let chunks: Vec<u64> = rank(&index, &question).iter().map(|hit| hit.chunk).collect();
        assert_eq!(chunks, [2, 1, 3], "the second lies nearly as near, and has the word");
    }
}
