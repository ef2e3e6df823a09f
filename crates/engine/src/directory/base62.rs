//! Random text of letters and digits: safe in headers, URLs, shells and a double click.

use insula_model::Random;
use zeroize::Zeroizing;

/// Digits, capitals, small letters, in the order of their bytes.
pub(super) const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The largest multiple of 62 that a byte reaches; larger bytes are drawn again, so that no character is favoured.
const UNBIASED_BELOW: u8 = 248;

/// Appends `count` random characters, 5.95 bits each.
pub(super) fn push_random(out: &mut String, count: usize, random: &dyn Random) {
    let mut missing = count;
    let mut drawn = Zeroizing::new([0; 64]);
    while missing > 0 {
        random.fill(drawn.as_mut_slice());
        let fair = drawn.iter().filter(|b| **b < UNBIASED_BELOW).take(missing);
        let before = out.len();
        out.extend(fair.map(|b| char::from(ALPHABET[usize::from(b % 62)])));
        missing -= out.len() - before;
    }
}

#[cfg(test)]
mod tests {
    use insula_model::SeededRandom;

    use super::*;

    #[test]
    fn every_character_is_as_likely() {
        let mut text = String::new();
        push_random(&mut text, 62_000, &SeededRandom::new(9));
        assert_eq!(text.len(), 62_000);
        for c in ALPHABET {
            let seen = text.bytes().filter(|b| b == c).count();
            assert!((850..1_150).contains(&seen), "{} seen {seen} times", *c as char);
        }
    }
}
