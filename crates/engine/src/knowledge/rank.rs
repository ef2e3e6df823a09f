//! From what each place has to the chunks that answer a question best.
//!
//! Several places are ranked as one: what lies near is compared across all whose vectors one embedder made, what has the words is scored
//! by how rare they are in all of them, and the lists are fused once. So a place that has nothing to say takes nobody's rank.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use insula_model::DocumentId;
use insula_store::{Index, Near};

use super::lexical::{Postings, Statistics, matching};

/// How deep each list is looked into, at least.
const DEPTH_MIN: usize = 100;
/// What keeps the first places from deciding alone (Cormack et al. 2009, Reciprocal Rank Fusion).
const RANK_OFFSET: f64 = 60.0;

/// The score of what is first in both lists.
pub(crate) const SCORE_MAX: f64 = 2.0 / (RANK_OFFSET + 1.0);

/// What one place has for a question.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Its chunks.
    pub index: Arc<Index>,
    /// What made its vectors; absent where it has none.
    pub embedder: Option<String>,
    /// Those that lie near, the nearest first.
    pub near: Vec<Near>,
    /// Whether that is nothing because what makes or searches vectors does not answer.
    pub by_words_alone: bool,
    /// Whether another space serves by now than the question was embedded for.
    pub is_moved: bool,
    /// Those that have the words.
    pub postings: Postings,
    /// The documents that count; all where absent.
    pub counting: Option<HashSet<DocumentId>>,
}

/// What is asked, as it is ranked by.
pub(super) struct Question {
    /// What each place has.
    pub found: Vec<Found>,
    /// How much stands in all of them, and how rare the words are there.
    pub statistics: Statistics,
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
    /// Which place has it.
    pub shelf: usize,
    /// Its number there.
    pub chunk: u64,
    /// How well, beside others of the same search.
    pub score: f64,
}

/// A place among those that are searched, and an entry's place there.
type At = (usize, usize);

/// All chunks that answer it, the best first; at least as many as are wanted wherever that many count.
pub(super) fn rank(question: &Question) -> Vec<Ranked> {
    let mut lists = near(question);
    lists.push(said(question));
    let mut scores: HashMap<At, f64> = HashMap::new();
    for list in lists {
        for (rank, (_, at)) in (1_u32..).zip(list) {
            *scores.entry(at).or_default() += 1.0 / (RANK_OFFSET + f64::from(rank));
        }
    }
    let all = best(scores.into_iter().map(|(at, score)| (score, at)).collect(), usize::MAX);
    let chunk = |(shelf, place): At| question.found[shelf].index.entries()[place].chunk;
    all.into_iter().map(|(score, at)| Ranked { shelf: at.0, chunk: chunk(at), score }).collect()
}

/// What lies near of one embedder's vectors, each with how near.
type OfEmbedder<'a> = (&'a Option<String>, Vec<(f64, At)>);

/// What lies near: a list for each embedder, because vectors of two cannot be compared.
fn near(question: &Question) -> Vec<Vec<(f64, At)>> {
    let mut by_embedder: Vec<OfEmbedder<'_>> = Vec::new();
    for (shelf, found) in question.found.iter().enumerate() {
        let at = |near: &Near| Some((f64::from(near.score), (shelf, found.index.place_of(near.chunk)?)));
        let list = found.near.iter().filter_map(at);
        match by_embedder.iter_mut().find(|(embedder, _)| **embedder == found.embedder) {
            Some((_, known)) => known.extend(list),
            None => by_embedder.push((&found.embedder, list.collect())),
        }
    }
    by_embedder.into_iter().map(|(_, list)| best(list, depth(question.limit))).collect()
}

/// What has the words.
fn said(question: &Question) -> Vec<(f64, At)> {
    let depth = depth(question.limit);
    let mut all = Vec::new();
    for (shelf, Found { index, postings, counting, .. }) in question.found.iter().enumerate() {
        let counts: Vec<bool> =
            index.documents().map(|id| counting.as_ref().is_none_or(|counting| counting.contains(&id))).collect();
        let matching = matching(index, postings, &question.statistics, &counts, depth);
        all.extend(matching.into_iter().map(|(score, place)| (score, (shelf, place))));
    }
    best(all, depth)
}

/// At most `most` of these, the highest first; of equal ones those first that were there first.
pub(super) fn best<K: Ord + Copy>(mut scored: Vec<(f64, K)>, most: usize) -> Vec<(f64, K)> {
    let order = |a: &(f64, K), b: &(f64, K)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if most < scored.len() {
        scored.select_nth_unstable_by(most, order);
        scored.truncate(most);
    }
    scored.sort_unstable_by(order);
    scored
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> DocumentId {
        DocumentId::from_bytes([n; 16])
    }

    /// A chunk: its document, its length, how near it lies, and how often it has each of two words.
    type Chunk = (u8, u64, i16, [u64; 2]);

    fn chunk() -> impl Strategy<Value = Chunk> {
        (0_u8..6, 1_u64..40, -100_i16..100, [0_u64..3, 0_u64..3])
    }

    /// What a place with these chunks has, and how much stands there.
    fn place(chunks: &[Chunk], counting: Option<&HashSet<DocumentId>>, limit: usize) -> (Found, Statistics) {
        let index = Index::of(0, &chunks.iter().map(|(n, tokens, ..)| (id(*n), *tokens, vec![])).collect::<Vec<_>>());
        let counts = |n: u8| counting.is_none_or(|counting| counting.contains(&id(n)));
        let numbered = || (1_u64..).zip(chunks);
        let near = numbered().filter(|(_, chunk)| counts(chunk.0));
        let near = near.map(|(number, chunk)| (f64::from(chunk.2), number)).collect();
        let near = best(near, depth(limit)).into_iter().map(|(score, chunk)| Near { chunk, score: score as f32 }).collect();
        let word =
            |word: usize| numbered().filter(move |(_, chunk)| chunk.3[word] > 0).map(move |(n, chunk)| (n, chunk.3[word]));
        let postings: Postings = (0..2).map(|n| word(n).collect()).collect();
        let statistics = Statistics {
            chunks: chunks.len() as u64,
            tokens: chunks.iter().map(|chunk| chunk.1).sum(),
            having: postings.iter().map(|postings| postings.len() as u64).collect(),
        };
        let counting = counting.cloned();
        (
            Found {
                index: Arc::new(index),
                embedder: Some("one".to_owned()),
                near,
                by_words_alone: false,
                is_moved: false,
                postings,
                counting,
            },
            statistics,
        )
    }

    fn ranked(places: Vec<(Found, Statistics)>, limit: usize) -> Vec<Ranked> {
        let (found, statistics): (Vec<_>, Vec<_>) = places.into_iter().unzip();
        rank(&Question { found, statistics: Statistics::sum(&statistics), limit })
    }

    proptest! {
        #[test]
        fn all_that_are_wanted_are_found_wherever_they_count(
            chunks in proptest::collection::vec(chunk(), 1..300), counting in proptest::collection::hash_set(0_u8..6, 0..4),
            limit in 1_usize..120,
        ) {
            let wanted: HashSet<DocumentId> = counting.iter().map(|n| id(*n)).collect();
            let ranked = ranked(vec![place(&chunks, Some(&wanted), limit)], limit);
            let that_count = chunks.iter().filter(|chunk| counting.contains(&chunk.0)).count();
            prop_assert!(ranked.len() >= that_count.min(limit));
            prop_assert!(ranked.iter().all(|hit| counting.contains(&chunks[hit.chunk as usize - 1].0)));
            prop_assert!(ranked.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let distinct: HashSet<u64> = ranked.iter().map(|hit| hit.chunk).collect();
            prop_assert_eq!(distinct.len(), ranked.len());
        }

        #[test]
        fn several_places_are_ranked_as_if_they_were_one(
            chunks in proptest::collection::vec(chunk(), 1..200), cuts in proptest::collection::vec(0_usize..200, 0..4),
            limit in 1_usize..60,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(chunks.len())).chain([0, chunks.len()]).collect();
            cuts.sort_unstable();
            let apart: Vec<_> = cuts.windows(2).map(|pair| place(&chunks[pair[0]..pair[1]], None, limit)).collect();
            let number = |hit: &Ranked| (cuts[hit.shelf] as u64 + hit.chunk, hit.score);
            let apart: Vec<(u64, f64)> = ranked(apart, limit).iter().map(number).take(limit).collect();
            let together: Vec<(u64, f64)> = ranked(vec![place(&chunks, None, limit)], limit)
                .iter().map(|hit| (hit.chunk, hit.score)).take(limit).collect();
            prop_assert_eq!(apart, together);
        }
    }

    #[test]
    fn both_lists_count() {
        let chunks = [(1, 5, 100, [0, 0]), (2, 5, 90, [1, 0]), (3, 5, 0, [0, 0])];
        let chunks: Vec<u64> = ranked(vec![place(&chunks, None, 3)], 3).iter().map(|hit| hit.chunk).collect();
        assert_eq!(chunks, [2, 1, 3], "the second lies nearly as near, and has the word");
    }

    #[test]
    fn vectors_of_two_embedders_are_not_compared() {
        let near = [(1, 5, 90, [0, 0]), (2, 5, 80, [0, 0])];
        let far = [(1, 5, 3, [0, 0])];
        let mut other = place(&far, None, 3);
        let one = ranked(vec![place(&near, None, 3), place(&far, None, 3)], 3);
        assert_eq!(one.iter().map(|hit| hit.shelf).collect::<Vec<_>>(), [0, 0, 1]);
        other.0.embedder = Some("another".to_owned());
        let two = ranked(vec![place(&near, None, 3), other], 3);
        assert_eq!(two.iter().map(|hit| hit.shelf).collect::<Vec<_>>(), [0, 1, 0], "each is the nearest of its kind");
    }
}
