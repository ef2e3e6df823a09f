//! The words of an answer: an echo of what was said, so that a leak can be seen, then words that a seed picks.

use crate::seeded::Seeded;

/// Characters of the last user message that an answer repeats.
const EXCERPT_CHARS_MAX: usize = 200;

/// What an answer is padded with. Plain nouns, none of which a leak test would plant.
const WORDS: [&str; 64] = [
    "amber", "anchor", "apple", "arch", "atlas", "autumn", "basil", "beacon", "birch", "bridge", "candle", "canyon", "cedar",
    "circle", "cloud", "copper", "coral", "cotton", "cradle", "dawn", "delta", "ember", "fable", "feather", "fern", "forest",
    "garden", "glacier", "grain", "granite", "harbour", "hazel", "hollow", "indigo", "iris", "ivory", "jasper", "kernel",
    "kettle", "lagoon", "lantern", "linen", "maple", "marble", "meadow", "mirror", "nectar", "needle", "oasis", "olive",
    "orchard", "pebble", "pepper", "prairie", "quartz", "ribbon", "river", "saddle", "saffron", "shadow", "silver", "tundra",
    "velvet", "willow",
];

/// `You said: <excerpt>.` and then words, `words_count` words in all: a short answer cuts the excerpt.
pub(crate) fn answer(said: &str, words_count: u64, seed: u64) -> String {
    let mut text = format!("You said: {}.", excerpt(said));
    let words_count = usize::try_from(words_count).unwrap_or(usize::MAX);
    match end_of_word(&text, words_count) {
        Ok(end) => text.truncate(end),
        Err(present) => {
            let mut seeded = Seeded::new(seed);
            for _ in present..words_count {
                text.push(' ');
                text.push_str(word(&mut seeded));
            }
        }
    }
    text
}

/// The next word of a seeded stream.
pub(crate) fn word(seeded: &mut Seeded) -> &'static str {
    seeded.pick(&WORDS).copied().unwrap_or_default()
}

/// Cuts `text` into at most `count` pieces of about equal length, none empty, none splitting a character.
pub(crate) fn pieces(text: &str, count: usize) -> Vec<&str> {
    let count = count.max(1);
    let mut pieces = Vec::with_capacity(count.min(text.len()));
    let mut start = 0;
    for piece in 1..=count {
        let end = text.floor_char_boundary(text.len() * piece / count);
        if start < end {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces
}

/// The first `part` of `whole` of a text: what a model has written when it is cut off there.
pub(crate) fn cut(mut text: String, part: u64, whole: u64) -> String {
    let kept = (text.len() as u128 * u128::from(part)).checked_div(u128::from(whole)).unwrap_or(0);
    text.truncate(text.floor_char_boundary(kept as usize));
    text
}

fn excerpt(said: &str) -> &str {
    let said = said.trim();
    match said.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => said[..end].trim_end(),
        None => said,
    }
}

/// Where the `count`th word ends, or how many words there are if fewer.
fn end_of_word(text: &str, count: usize) -> Result<usize, usize> {
    let mut words = 0;
    let mut inside = false;
    for (at, character) in text.char_indices() {
        let blank = character.is_whitespace();
        if inside && blank && words == count {
            return Ok(at);
        }
        words += usize::from(!inside && !blank);
        inside = !blank;
    }
    if words == count { Ok(text.len()) } else { Err(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_echoes_and_has_the_words_it_was_asked_for() {
        let text = answer("my secret is CANARY-7", 64, 1);
        assert!(text.starts_with("You said: my secret is CANARY-7. "));
        assert_eq!(text.split_whitespace().count(), 64);
        assert_eq!(answer("one two three", 3, 1), "You said: one");
        assert_eq!(answer("one two", 4, 1), "You said: one two.");
        assert_ne!(answer("one", 20, 1), answer("one", 20, 2));
    }

    #[test]
    fn an_excerpt_counts_characters_not_bytes() {
        let text = answer(&"é".repeat(500), 2, 1);
        assert_eq!(text, "You said:");
        let text = answer(&"é".repeat(500), 3, 1);
        assert_eq!(text.matches('é').count(), EXCERPT_CHARS_MAX);
    }

    #[test]
    fn pieces_are_whole_characters_and_join_to_the_text() {
        for text in ["", "a", "日本語のテキスト", "You said: hello."] {
            for count in [0, 1, 3, 8, 100] {
                let pieces = pieces(text, count);
                assert_eq!(pieces.concat(), text);
                assert!(pieces.len() <= count.max(1));
                assert!(pieces.iter().all(|piece| !piece.is_empty()));
            }
        }
        assert_eq!(pieces("abcdefgh", 8).len(), 8);
    }

    #[test]
    fn a_cut_keeps_its_share() {
        assert_eq!(cut("abcdefgh".to_owned(), 1, 2), "abcd");
        assert_eq!(cut("日本".to_owned(), 1, 2), "日");
        assert_eq!(cut("abc".to_owned(), 5, 5), "abc");
    }
}
