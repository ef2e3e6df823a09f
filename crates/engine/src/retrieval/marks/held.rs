//! What may become a mark, as far as it was read.

use super::{MARK_CHARS_MAX, code::Seen};

/// Words that models put before the number.
const LEADS: [&str; 7] = ["source", "sources", "cite", "citation", "ref", "doc", "document"];

/// What may become a mark.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub seen: Vec<Seen>,
    /// Whether its opening is code.
    pub is_code: bool,
    /// Whether a bracket stands right before it: then it may be the first list of a list.
    pub is_nested: bool,
    /// How many `[[` are open in it.
    pub depth: usize,
    /// Whether a quotation mark stands in it.
    pub has_quote: bool,
    /// The last character, unless it already belongs to brackets that stand together.
    pub last: Option<char>,
    /// The last one that is neither blank nor a bracket that closes.
    pub solid: Option<char>,
}

impl Held {
    /// One character more.
    pub fn push(&mut self, seen: Seen) {
        self.seen.push(seen);
        self.last = Some(seen.c);
        self.has_quote |= is_quote(seen.c);
        if seen.c != ']' && !seen.c.is_whitespace() {
            self.solid = Some(seen.c);
        }
    }

    /// Whether no mark has more characters.
    pub fn is_full(&self) -> bool {
        self.seen.len() >= MARK_CHARS_MAX
    }

    /// What is held begins with this many brackets.
    pub fn opening(&self) -> usize {
        if self.seen.len() > 1 && self.seen[..2].iter().all(|seen| seen.c == '[') { 2 } else { 1 }
    }

    /// Whether what stands between the brackets and the number is nothing, or a word that models put there.
    pub fn has_lead(&self) -> bool {
        let lead: String = self.seen[2..].iter().map(|seen| if seen.c == '#' { ' ' } else { seen.c }).collect();
        let lead = lead.trim().to_lowercase();
        lead.is_empty() || LEADS.contains(&lead.as_str())
    }

    /// Digits at its end.
    pub fn digits(&self) -> usize {
        self.seen.iter().rev().take_while(|seen| seen.c.is_ascii_digit()).count()
    }

    /// The number that is named first.
    pub fn number(&self) -> Option<u64> {
        let chars = self.seen.iter().map(|seen| seen.c);
        let digits = chars.skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
        digits.collect::<String>().parse().ok()
    }

    /// What stands between quotation marks, where nothing else stands behind the number.
    pub fn quote(&self) -> Option<String> {
        let held: String = self.seen.iter().map(|seen| seen.c).collect();
        let behind =
            held.find(|c: char| c.is_ascii_digit()).map(|at| held[at..].trim_start_matches(|c: char| c.is_ascii_digit()))?;
        let behind = behind.trim_start().trim_start_matches(|c: char| !is_quote(c) && !c.is_alphanumeric() && c != '[');
        let content = behind.strip_suffix("]]")?.trim_end_matches([' ', '.', ',', ';']);
        let mut chars = content.chars();
        let is_whole = chars.next().is_some_and(is_quote) && chars.next_back().is_some_and(is_quote);
        is_whole.then(|| chars.as_str().to_owned())
    }
}

/// Marks that begin or end a quote, in any language.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』' | '＂' | '\u{2018}'..='\u{201f}')
}
