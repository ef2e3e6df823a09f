//! What places a text among others: texts that say the like lie near each other.

use std::{future::ready, pin::Pin};

use insula_model::Result;

use super::words::words;

/// What turns texts into vectors.
pub(crate) trait Embedder: Send + Sync {
    /// What it is called; kept with each document, because vectors of another cannot be compared.
    fn name(&self) -> &'static str;

    /// The numbers of a vector.
    fn dimension(&self) -> usize;

    /// The vectors of these texts, each of length one, or of zeros where a text says nothing.
    fn embed<'a>(&'a self, texts: &'a [&'a str]) -> Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>>> + Send + 'a>>;
}

/// Numbers of a vector of [`Hashing`].
const DIMENSION: usize = 384;
/// What a part of a word counts, where the word counts one: forms of a word have most of them in common.
const PART_WEIGHT: f32 = 0.3;
/// Characters of a part.
const PART_CHARS: usize = 3;

/// Lexical hashing: it knows no meanings, only words and parts of words, and needs neither a model nor a network. Each is hashed to a
/// number of the vector and a sign (Weinberger et al. 2009, Feature Hashing for Large Scale Multitask Learning).
pub(crate) struct Hashing;

impl Embedder for Hashing {
    fn name(&self) -> &'static str {
        "lexical-hashing-1"
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed<'a>(&'a self, texts: &'a [&'a str]) -> Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>>> + Send + 'a>> {
        Box::pin(ready(Ok(texts.iter().map(|text| hashed(text)).collect())))
    }
}

fn hashed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSION];
    let mut add = |part: &[u8], weight: f32| {
        let hash = fnv(part);
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        vector[(hash % DIMENSION as u64) as usize] += sign * weight;
    };
    for word in words(text) {
        add(word.as_bytes(), 1.0);
        let edged: Vec<char> = std::iter::once('^').chain(word.chars()).chain(['$']).collect();
        for part in edged.windows(PART_CHARS) {
            let part: String = part.iter().collect();
            add(part.as_bytes(), PART_WEIGHT);
        }
    }
    // What comes often counts more, but not as much more.
    for number in &mut vector {
        *number = number.signum() * number.abs().sqrt();
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
    vector
}

/// FNV-1a, 64 bits, and a last mixing (the finaliser of MurmurHash3), so that all bits count.
fn fnv(bytes: &[u8]) -> u64 {
    let mut hash =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(a: &str, b: &str) -> f32 {
        hashed(a).iter().zip(hashed(b)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_with_the_same_words_lie_near_each_other() {
        let text = "The landlord returns the deposit within two months.";
        assert!((likeness(text, text) - 1.0).abs() < 1e-5);
        let (near, far) =
            (likeness(text, "When are deposits returned by a landlord?"), likeness(text, "Bring the flour to a boil."));
        assert!(near > far + 0.1, "{near} against {far}");
        assert!(hashed("…").iter().all(|number| *number == 0.0));
    }
}
