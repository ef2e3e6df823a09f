//! The words of a text, as lexical search knows them: one tokenizer for what is stored and for what is asked.
//!
//! Words are those of Unicode's word boundaries (UAX 29), in compatibility form and lower case, cut down to their stems where
//! the language has a stemmer. Scripts that put no space between words give pairs of neighbouring characters instead.
//!
//! ```
//! use insula_ingest::{Language, words};
//!
//! let english: Vec<String> = words::tokens("The tenants’ Budgets", Some(Language::English)).collect();
//! assert_eq!(english, ["the", "tenant", "budget"]);
//! let pairs: Vec<String> = words::tokens("契約書", None).collect();
//! assert_eq!(pairs, ["契約", "約書"]);
//! ```

use std::collections::VecDeque;

use rust_stemmers::Stemmer;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::{UWordBoundIndices, UnicodeSegmentation};

use crate::Language;

/// A longer word is cut off here: nobody types it, and it may be anything.
const WORD_CHARS_MAX: usize = 64;

/// The words of a text in their order, repetitions included. The same text and language always give the same words.
///
/// What was stored with a language is found only by a question in that language: ask with [`of_question`] where a corpus
/// holds several.
pub fn tokens(text: &str, language: Option<Language>) -> impl Iterator<Item = String> {
    Tokens {
        bounds: text.split_word_bound_indices(),
        stemmer: language.and_then(Language::stemmer),
        elides: matches!(language, Some(Language::French | Language::Italian | Language::Catalan)),
        run: String::new(),
        ready: VecDeque::new(),
    }
}

/// The words of a question under every language that a corpus holds, each once, in their order.
pub fn of_question(text: &str, languages: &[Option<Language>]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in languages.iter().flat_map(|language| tokens(text, *language)) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

struct Tokens<'a> {
    bounds: UWordBoundIndices<'a>,
    stemmer: Option<Stemmer>,
    elides: bool,
    /// Neighbouring characters of a script without spaces.
    run: String,
    ready: VecDeque<String>,
}

impl Iterator for Tokens<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(word) = self.ready.pop_front() {
                return Some(word);
            }
            let Some((_, piece)) = self.bounds.next() else {
                self.end_run();
                return self.ready.pop_front();
            };
            self.take(piece);
        }
    }
}

impl Tokens<'_> {
    fn take(&mut self, piece: &str) {
        if piece.chars().next().is_some_and(is_unspaced) {
            self.run.extend(piece.nfkc());
            // A run may be as long as the text; its pairs need only the last character.
            if self.run.len() > 4 * WORD_CHARS_MAX {
                let last = self.run.chars().next_back();
                self.end_run();
                self.run.extend(last);
            }
            return;
        }
        self.end_run();
        if piece.chars().any(char::is_alphanumeric) {
            self.ready.extend(self.word(piece));
        }
    }

    /// Pairs of what stood together; a single character stands for itself.
    fn end_run(&mut self) {
        let chars: Vec<char> = self.run.drain(..).flat_map(char::to_lowercase).collect();
        match chars.as_slice() {
            [] => {}
            [one] => self.ready.push_back(one.to_string()),
            several => self.ready.extend(several.windows(2).map(String::from_iter)),
        }
    }

    fn word(&self, piece: &str) -> Option<String> {
        let folded: String = piece
            .nfkc()
            .filter(|c| !is_joiner(*c))
            .map(|c| if c == '\u{2019}' { '\'' } else { c })
            .flat_map(char::to_lowercase)
            .take(WORD_CHARS_MAX)
            .collect();
        let word = match folded.split_once('\'') {
            // l'avocat, dell'accordo
            Some((article, rest)) if self.elides && article.chars().count() <= 4 && !rest.is_empty() => rest,
            Some((word, "s" | "")) => word,
            _ => &folded,
        };
        let word = self.stemmer.as_ref().map_or_else(|| word.to_owned(), |stemmer| stemmer.stem(word).into_owned());
        (!word.is_empty()).then_some(word)
    }
}

/// Joins or shapes letters and is no letter itself.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// Of a script that puts no spaces between words, or, as Korean does, between a word and what belongs to it.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' // Hangul
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' // Kana
        | '\u{ff66}'..='\u{ff9f}' // Kana of half width
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' // Han
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str, language: Option<Language>) -> Vec<String> {
        tokens(text, language).collect()
    }

    #[test]
    fn a_word_is_found_in_its_other_forms() {
        let english = Some(Language::English);
        assert_eq!(words("Cancelling contracts", english), words("cancel CONTRACT", english));
        let german = Some(Language::German);
        assert_eq!(words("Verträge", german), words("VERTRÄGEN", german));
        assert_eq!(words("l’accord", Some(Language::French)), words("ACCORDS", Some(Language::French)));
    }

    #[test]
    fn forms_of_writing_make_no_difference() {
        assert_eq!(words("ﬁle co\u{ad}operate Ｃａｔ", None), ["file", "cooperate", "cat"]);
        assert_eq!(words("cafe\u{301}", None), ["café"]);
        assert_eq!(words("§ 12, (b) -- 3.5%", None), ["12", "b", "3.5"]);
    }

    #[test]
    fn scripts_without_spaces_give_pairs_and_mixed_text_both() {
        assert_eq!(words("東京都 the ラーメン a", None), ["東京", "京都", "the", "ラー", "ーメ", "メン", "a"]);
        assert_eq!(words("ฉบับ", None).len(), 3);
        assert_eq!(words("계약서", None), ["계약", "약서"]);
        assert_eq!(words("字", None), ["字"]);
    }

    #[test]
    fn a_long_run_loses_no_pair() {
        let text: String = "一二三四五六七八九十".repeat(100);
        assert_eq!(words(&text, None).len(), 999);
    }

    #[test]
    fn arabic_and_persian_words_keep_together() {
        assert_eq!(words("می\u{200c}خواهم", None), ["میخواهم"]);
        assert_eq!(words("العقد الجديد", None).len(), 2);
    }

    #[test]
    fn a_question_is_asked_in_every_language_once() {
        let asked = of_question("contracts", &[None, Some(Language::English), Some(Language::English)]);
        assert_eq!(asked, ["contracts", "contract"]);
    }

    proptest! {
        #[test]
        fn words_are_short_and_never_empty(text in ".{0,200}") {
            for language in [None, Some(Language::English), Some(Language::Turkish), Some(Language::Arabic)] {
                for word in tokens(&text, language) {
                    prop_assert!(!word.is_empty() && word.chars().count() <= 2 * WORD_CHARS_MAX);
                }
            }
        }
    }
}
