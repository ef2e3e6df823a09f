//! Where a hit stands, in the document's own words.

use std::{collections::HashSet, ops::Range};

use insula_model::DocumentId;

use super::{detail::Passage, words::words};

/// Bytes of a quote.
const QUOTE_BYTES_MAX: usize = 400;

/// A quote, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// In which document.
    pub document: DocumentId,
    /// What that is called.
    pub name: String,
    /// Where in its text, in bytes.
    pub span: Range<usize>,
    /// What stands there, word for word.
    pub quote: String,
}

impl Citation {
    /// Quotes the sentence of a passage that has most of these words, or as much of it as a quote may have.
    pub(super) fn of(document: DocumentId, name: &str, passage: &Passage, asked: &HashSet<String>) -> Self {
        let has = |span: &Range<usize>| {
            words(&passage.text[span.clone()])
                .iter()
                .collect::<HashSet<_>>()
                .into_iter()
                .filter(|word| asked.contains(*word))
                .count()
        };
        // The first of those that have as many.
        let chosen = sentences(&passage.text).into_iter().rev().max_by_key(has).unwrap_or(0..0);
        let quote = passage.text[chosen.clone()].to_owned();
        let start = passage.span.start + chosen.start;
        Self { document, name: name.to_owned(), span: start..start + quote.len(), quote }
    }

    /// The citation, if it holds: its quote stands word for word where it says in what is stored. Whoever made it, none goes out
    /// unchecked.
    pub(super) fn checked(self, stored: &Passage) -> Option<Self> {
        let from = self.span.start.checked_sub(stored.span.start)?;
        let to = self.span.end.checked_sub(stored.span.start)?;
        let holds = !self.quote.is_empty() && stored.text.get(from..to)? == self.quote;
        holds.then_some(self)
    }
}

/// The sentences of a text without what is around them, none longer than a quote may be.
fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let is_end = match c {
            '\n' | '。' | '！' | '？' => true,
            '.' | '!' | '?' => chars.peek().is_none_or(|(_, next)| next.is_whitespace()),
            _ => chars.peek().is_none_or(|(_, next)| end - start + next.len_utf8() > QUOTE_BYTES_MAX),
        };
        if is_end {
            let sentence = &text[start..end];
            let from = start + sentence.len() - sentence.trim_start().len();
            let to = from + sentence.trim().len();
            if from < to {
                spans.push(from..to);
            }
            start = end;
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> DocumentId {
        DocumentId::from_bytes([1; 16])
    }

    fn asked(text: &str) -> HashSet<String> {
        words(text).into_iter().collect()
    }

    #[test]
    fn the_sentence_that_answers_is_quoted() {
        let text = "Rent is due monthly. The deposit is returned within 2.5 months! Pets are welcome.";
        let passage = Passage { span: 100..100 + text.len(), text: text.to_owned() };
        let citation = Citation::of(id(), "lease", &passage, &asked("when is the deposit returned"));
        assert_eq!(citation.quote, "The deposit is returned within 2.5 months!");
        assert_eq!(citation.span, 121..121 + citation.quote.len());
        assert!(citation.checked(&passage).is_some());
    }

    #[test]
    fn what_does_not_stand_there_does_not_go_out() {
        let passage = Passage { span: 10..30, text: "Größe: The fee is 5.".to_owned() };
        let good = Citation::of(id(), "a", &passage, &asked("fee"));
        assert!(good.clone().checked(&passage).is_some());
        for span in
            [0..5, 9..good.span.end, good.span.start + 1..good.span.end + 1, good.span.start..usize::MAX, 13..14, 30..10]
        {
            assert!(Citation { span: span.clone(), ..good.clone() }.checked(&passage).is_none(), "{span:?}");
        }
        assert!(Citation { quote: "The fee is 4.".to_owned(), ..good.clone() }.checked(&passage).is_none());
        assert!(Citation { quote: String::new(), span: 12..12, ..good }.checked(&passage).is_none());
    }

    proptest! {
        #[test]
        fn every_quote_holds(text in "[a-zäß.!? \\n。語]{0,900}", question in "[a-zäß ]{0,40}", start in 0_usize..1000) {
            let passage = Passage { span: start..start + text.len(), text: text.clone() };
            let citation = Citation::of(id(), "a", &passage, &asked(&question));
            prop_assert!(citation.quote.len() <= QUOTE_BYTES_MAX);
            prop_assert_eq!(citation.checked(&passage).is_some(), !text.trim().is_empty());
        }
    }
}
