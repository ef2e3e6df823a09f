//! The words of a text, the same for documents and for what is asked.

/// Characters of a word; of a longer one the rest makes the next.
const WORD_CHARS_MAX: usize = 64;

/// The words of a text in their order: runs of letters and digits in lower case. Where a script puts no space between words each of
/// its characters is one.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut length) = (String::new(), 0);
    for c in text.chars() {
        if !c.is_alphanumeric() || is_ideograph(c) || length == WORD_CHARS_MAX {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            length = 0;
        }
        if is_ideograph(c) {
            words.push(c.to_string());
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
            length += 1;
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Han, Hiragana and Katakana.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_script() {
        assert_eq!(words("The VAT-rate is 19 %: Größe."), ["the", "vat", "rate", "is", "19", "größe"]);
        assert_eq!(words("東京 tower"), ["東", "京", "tower"]);
        assert_eq!(words("العقد المبرم"), ["العقد", "المبرم"]);
        assert!(words(" \n–").is_empty());
        assert_eq!(words(&"a".repeat(130)).iter().map(String::len).collect::<Vec<_>>(), [64, 64, 2]);
    }
}
