//! The built-in *lexical hashing embedder*. It knows no meanings: texts are near where they share words, or parts of words.
//! It needs no model and no network, and gives the same vector on every machine and in every version.
//!
//! Features of a text are its words ([`crate::words::tokens`], not stemmed) and, of each word of three or more letters, the
//! trigrams and quadrigrams of `<word>`. A feature that occurs `n` times weighs
//!
//! ```text
//! (1 + ln n) * kind * length      kind: 1 for a word, 0.3 for a part of one
//!                                 length: min(letters of the word, 6) / 6; 1 in scripts without spaces
//! ```
//!
//! so that short words, which are mostly grammar, count less. Its place is `h / 2 mod dimensions` and its sign that of the last
//! bit of `h`, the feature's FNV-1a hash of 64 bits with the finalizer of SplitMix64 behind it (feature hashing: Weinberger and
//! others, 2009). The vector is divided by its Euclidean length; a text without words gives zeros.
//!
//! ```
//! let vector = insula_ingest::hashing::embed("notice period of three months", 384);
//! let length: f32 = vector.iter().map(|x| x * x).sum();
//! assert!((length - 1.0).abs() < 1e-5);
//! ```

use std::collections::BTreeMap;

use crate::words;

/// Its name, as recorded beside vectors. Another formula gets another name.
pub const NAME: &str = "lexical-hashing-1";

/// A good dimension where none is set.
pub const DIMENSIONS_DEFAULT: usize = 384;

const WORD_WEIGHT: f32 = 1.0;
const PART_WEIGHT: f32 = 0.3;
const LETTERS_FULL: usize = 6;

/// The vector of a text, of length one, or zeros where the text has no words or `dimensions` is none.
pub fn embed(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimensions];
    if dimensions == 0 {
        return vector;
    }
    // In the order of hashes, so that sums of floats come out the same everywhere.
    let mut features: BTreeMap<u64, (u32, f32)> = BTreeMap::new();
    for word in words::tokens(text, None) {
        count(&word, |hash, weight| features.entry(hash).or_insert((0, weight)).0 += 1);
    }
    for (hash, (times, weight)) in features {
        let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
        let place = ((hash >> 1) % dimensions as u64) as usize;
        #[expect(clippy::cast_precision_loss, reason = "how often a word stands in a text needs no more digits")]
        let weight = (1.0 + (times as f32).ln()) * weight;
        vector[place] += sign * weight;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

/// The features of one word.
fn count(word: &str, mut feature: impl FnMut(u64, f32)) {
    let letters: Vec<char> = std::iter::once('<').chain(word.chars()).chain(std::iter::once('>')).collect();
    let unspaced = word.chars().any(words::is_unspaced);
    #[expect(clippy::cast_precision_loss, reason = "at most six")]
    let length = if unspaced { 1.0 } else { (letters.len() - 2).min(LETTERS_FULL) as f32 / LETTERS_FULL as f32 };
    feature(hash(0, word.chars()), WORD_WEIGHT * length);
    if letters.len() >= 5 && !unspaced {
        for size in [3, 4] {
            for part in letters.windows(size) {
                feature(hash(1, part.iter().copied()), PART_WEIGHT * length);
            }
        }
    }
}

/// FNV-1a over the kind and the UTF-8 bytes, then SplitMix64's finalizer, which brings every bit to bear on every other.
fn hash(kind: u8, chars: impl Iterator<Item = char>) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut take = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    take(kind);
    for c in chars {
        c.encode_utf8(&mut [0; 4]).bytes().for_each(&mut take);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: &str, b: &str) -> f32 {
        embed(a, DIMENSIONS_DEFAULT).iter().zip(embed(b, DIMENSIONS_DEFAULT)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn similar_texts_are_nearer_than_unrelated_ones() {
        let asked = "How long is the notice period for terminating the lease?";
        let answers = [
            "The notice period for termination of this lease is three months.",
            "Terminating a lease early needs a notice of ninety days.",
        ];
        let unrelated = [
            "The kitchen is open from noon, and the soup of the day is lentil.",
            "Quarterly revenue of the hardware division rose by four per cent.",
            "For the purposes of the software, the user is the person who signs in.",
        ];
        for answer in answers {
            for other in unrelated {
                assert!(near(asked, answer) > near(asked, other) + 0.1, "{answer} / {other}");
            }
        }
    }

    #[test]
    fn other_forms_and_mistakes_of_a_word_stay_near() {
        assert!(near("Kündigungsfrist", "Kündigungsfristen") > 0.6);
        assert!(near("indemnification", "indemnifcation") > 0.4);
        assert!(near("indemnification", "photosynthesis") < 0.2);
        assert!(near("契約の解除期間", "解除期間は三か月") > near("契約の解除期間", "今日の天気は晴れ"));
    }

    #[test]
    fn the_formula_does_not_change_unnoticed() {
        let vector = embed("a", 8);
        assert_eq!(vector.iter().filter(|x| **x != 0.0).count(), 1, "{vector:?}");
        assert_eq!(hash(0, "abc".chars()), 0x162a_62a8_a536_e445, "worked out elsewhere");
        assert_eq!(embed("  -- ", 4), [0.0; 4]);
        assert!(embed("words", 0).is_empty());
    }

    proptest! {
        #[test]
        fn every_vector_has_length_one_or_none(text in ".{0,300}", dimensions in 1_usize..500) {
            let vector = embed(&text, dimensions);
            let length: f32 = vector.iter().map(|x| x * x).sum();
            prop_assert_eq!(vector.len(), dimensions);
            prop_assert!(length == 0.0 || (length - 1.0).abs() < 1e-4, "{}", length);
            prop_assert_eq!(vector, embed(&text, dimensions));
        }
    }
}
