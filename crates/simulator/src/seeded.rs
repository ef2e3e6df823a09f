//! Chance without chance: hashes and a generator that give the same numbers on every machine and with every compiler.
//!
//! The mixing step is SplitMix64's (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).

/// The odd constant that SplitMix64 steps by: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles all 64 bits, one to one.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from `bytes` and a `seed`; chain calls to hash several parts. Eight bytes a step, for prompts are long.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed.wrapping_add(STEP) ^ bytes.len() as u64);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(state.wrapping_add(STEP) ^ u64::from_le_bytes(word));
    }
    state
}

/// Maps a hash to `0.0..1.0`, evenly.
pub(crate) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// A stream of numbers that its seed decides.
#[derive(Debug)]
pub(crate) struct Seeded(u64);

impl Seeded {
    /// The stream that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Seeded {
        Seeded(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// The next number in `0..bound`; 0 for an empty range.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// One of `items`, which is not empty unless the answer may be `None`.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len() as u64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_every_byte_and_on_the_seed() {
        assert_eq!(hash(1, b"hello world"), hash(1, b"hello world"));
        assert_ne!(hash(1, b"hello world"), hash(2, b"hello world"));
        assert_ne!(hash(1, b"hello world"), hash(1, b"hello worle"));
        assert_ne!(hash(1, b"a"), hash(1, b"a\0"));
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // First outputs of the reference implementation for seed 0.
        let mut seeded = Seeded::new(0);
        assert_eq!(seeded.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(seeded.next(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn unit_stays_below_one() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }
}
