//! Marks of citations in an answer, found character by character: how the answer was cut into pieces makes no difference.
//!
//! A mark is what the model was asked for, `[[2: "quote"]]`, or what looks like an attempt at one: without its quote, with other signs between,
//! never closed. So is a bare `[2]` outside code, which would look like a mark that was checked. All else is text, and passed on as it
//! comes; only what may still become a mark is held back, never more than [`MARK_CHARS_MAX`].

/// Characters of a mark. What is longer is none: its opening is taken out, and the rest is text.
pub(super) const MARK_CHARS_MAX: usize = 1_200;
/// Digits of a number.
const DIGITS_MAX: usize = 9;
/// Characters of a bare mark, such as `[1, 2]`.
const BARE_CHARS_MAX: usize = 16;
/// Words that models put before the number.
const LEADS: [&str; 7] = ["source", "sources", "cite", "citation", "ref", "doc", "document"];

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that is no mark.
    Text(String),
    /// A mark.
    Mark(Mark),
}

/// A mark, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// The number that it names, if it names one.
    pub number: Option<u64>,
    /// Its quote, if it has one and ends.
    pub quote: Option<String>,
    /// Whether a space stands before it.
    pub is_spaced: bool,
}

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// Text.
    #[default]
    Text,
    /// Behind `[`.
    Bracket,
    /// In `[1`: whether it is closed, and only what follows tells that it is no link.
    Bare { is_closed: bool },
    /// Behind `[[`, before its number.
    Lead,
    /// In its number, or behind it.
    Number,
    /// Behind what parts number and quote. `strict` marks are ones whatever they hold; others only where all that they hold is a quote.
    Content { is_strict: bool },
    /// In `【1`, before the dagger that models put there.
    Lenticular,
    /// Behind it.
    Dagger,
}

/// Code in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Code {
    /// Backticks that opened it; 0 outside.
    open: usize,
    /// Backticks that just came.
    run: usize,
}

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Numbers above this one are no bare marks.
    sources: u64,
    at: At,
    /// What may become a mark.
    held: String,
    held_chars: usize,
    /// How many `[[` are open in it.
    depth: usize,
    /// A space that is passed on once it is known what follows.
    has_space: bool,
    text: String,
    code: Code,
}

impl Reader {
    /// For an answer to so many sources.
    pub fn new(sources: u64) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Reads on, and hands over what is known by now.
    pub fn read(&mut self, text: &str, each: &mut impl FnMut(Piece)) {
        for c in text.chars() {
            self.take(c, each);
        }
        self.flush(each);
    }

    /// The answer is at its end: what is still open is an attempt.
    pub fn end(&mut self, each: &mut impl FnMut(Piece)) {
        match self.at {
            At::Text => {}
            At::Bare { .. } => self.bare(each),
            At::Lead | At::Number | At::Content { is_strict: true } | At::Dagger => self.broken(each),
            At::Content { is_strict: false } | At::Bracket | At::Lenticular => self.is_text(each),
        }
        if std::mem::take(&mut self.has_space) {
            self.text.push(' ');
        }
        self.flush(each);
    }

    fn flush(&mut self, each: &mut impl FnMut(Piece)) {
        if !self.text.is_empty() {
            each(Piece::Text(std::mem::take(&mut self.text)));
        }
    }

    fn take(&mut self, c: char, each: &mut impl FnMut(Piece)) {
        match self.at {
            At::Text => self.in_text(c),
            At::Bracket => match c {
                '[' => self.hold(c, At::Lead),
                c if c.is_ascii_digit() && self.code.open == 0 => self.hold(c, At::Bare { is_closed: false }),
                c => self.no_mark(c, each),
            },
            At::Bare { is_closed: false } => match c {
                ']' => self.hold(c, At::Bare { is_closed: true }),
                c if is_in_bare(c) && self.held_chars < BARE_CHARS_MAX => self.hold(c, self.at),
                c => self.no_mark(c, each),
            },
            // `[2](address)` is a link.
            At::Bare { is_closed: true } if c == '(' => self.no_mark(c, each),
            At::Bare { is_closed: true } => {
                self.bare(each);
                self.take(c, each);
            }
            // Of three brackets the last two open it.
            At::Lead if c == '[' && self.held == "[[" => {
                if std::mem::take(&mut self.has_space) {
                    self.text.push(' ');
                }
                self.text.push(c);
            }
            At::Lead => match c {
                c if c.is_ascii_digit() && self.has_lead() => self.hold(c, At::Number),
                c if (c.is_alphabetic() || c == ' ' || c == '#') && self.held_chars < BARE_CHARS_MAX => self.hold(c, self.at),
                c => self.no_mark(c, each),
            },
            At::Number => self.in_number(c, each),
            At::Content { is_strict } => self.in_content(c, is_strict, each),
            At::Lenticular => match c {
                '†' => self.hold(c, At::Dagger),
                c if (c.is_ascii_digit() || c == ':') && self.held_chars < BARE_CHARS_MAX => self.hold(c, self.at),
                c => self.no_mark(c, each),
            },
            At::Dagger if c == '】' => {
                self.hold(c, self.at);
                self.mark(None, each);
            }
            At::Dagger if c == '\n' || self.held_chars >= MARK_CHARS_MAX => {
                self.too_long(each);
                self.take(c, each);
            }
            At::Dagger => self.hold(c, self.at),
        }
    }

    fn in_text(&mut self, c: char) {
        self.code.see(c);
        match c {
            '[' => self.hold(c, At::Bracket),
            '【' => self.hold(c, At::Lenticular),
            ' ' => {
                if std::mem::replace(&mut self.has_space, true) {
                    self.text.push(' ');
                }
            }
            c => {
                if std::mem::take(&mut self.has_space) {
                    self.text.push(' ');
                }
                self.text.push(c);
            }
        }
    }

    fn in_number(&mut self, c: char, each: &mut impl FnMut(Piece)) {
        match c {
            ':' | '：' => self.hold(c, At::Content { is_strict: true }),
            c if is_quote(c) => self.hold(c, At::Content { is_strict: true }),
            // `[[2]]`, a citation of nothing; in code it is a list.
            ']' if self.held.ends_with(']') && self.code.open == 0 => {
                self.hold(c, self.at);
                self.mark(None, each);
            }
            ']' if !self.held.ends_with(']') => self.hold(c, self.at),
            ',' | '-' | '–' | '—' | '|' | '=' | '.' | ')' | ';' if !self.held.ends_with(']') && self.code.open == 0 => {
                self.hold(c, At::Content { is_strict: false });
            }
            c if c.is_ascii_digit() && self.digits() < DIGITS_MAX && self.held.ends_with(|c: char| c.is_ascii_digit()) => {
                self.hold(c, self.at);
            }
            ' ' if !self.held.ends_with(']') && self.held_chars < 2 * BARE_CHARS_MAX => self.hold(c, self.at),
            c => self.no_mark(c, each),
        }
    }

    fn in_content(&mut self, c: char, is_strict: bool, each: &mut impl FnMut(Piece)) {
        // A quote of a text has no empty line in it: who forgot to close a mark goes on writing there.
        let is_over = c == '\n' && self.held.ends_with('\n') || self.held_chars >= MARK_CHARS_MAX;
        let is_no_quote = c != ' ' && !is_quote(c) && !self.held.contains(is_quote);
        // A list of lists goes on behind its first: `[[1, "a"], ..`.
        let is_list = c != ']' && self.held.ends_with(']') && self.held.trim_end_matches(']').trim_end().ends_with(is_quote);
        if !is_strict && (is_over || is_no_quote || is_list) {
            return self.no_mark(c, each);
        }
        if is_over && self.held_chars >= MARK_CHARS_MAX {
            self.too_long(each);
            return self.take(c, each);
        }
        if is_over {
            self.broken(each);
            self.take('\n', each);
            return self.take(c, each);
        }
        let closes = c == ']' && self.held.ends_with(']');
        let opens = c == '[' && self.held.ends_with('[');
        self.hold(c, self.at);
        if opens {
            self.depth += 1;
        }
        if !closes {
            return;
        }
        if self.depth > 0 {
            self.depth -= 1;
            // The two that closed it close nothing else.
            self.held.push(TAKEN);
            return;
        }
        let quote = self.quote();
        let is_mark = quote.is_some() || (is_strict && self.code.open == 0);
        if is_mark { self.mark(quote, each) } else { self.is_text(each) }
    }

    fn hold(&mut self, c: char, at: At) {
        self.held.push(c);
        self.held_chars += 1;
        self.at = at;
    }

    /// Whether what stands between the brackets and the number is nothing, or a word that models put there.
    fn has_lead(&self) -> bool {
        let lead = self.held.trim_start_matches('[').replace('#', " ").trim().to_lowercase();
        lead.is_empty() || LEADS.contains(&lead.as_str())
    }

    fn digits(&self) -> usize {
        self.held.chars().rev().take_while(char::is_ascii_digit).count()
    }

    /// The number that is named first.
    fn number(&self) -> Option<u64> {
        let digits = self.held.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
        digits.collect::<String>().parse().ok()
    }

    /// What stands between quotation marks, where nothing else stands behind the number.
    fn quote(&self) -> Option<String> {
        let held = self.held.replace(TAKEN, "");
        let behind =
            held.find(|c: char| c.is_ascii_digit()).map(|at| held[at..].trim_start_matches(|c: char| c.is_ascii_digit()))?;
        let behind = behind.trim_start().trim_start_matches(|c: char| !is_quote(c) && !c.is_alphanumeric() && c != '[');
        let content = behind.strip_suffix("]]")?.trim_end_matches([' ', '.', ',', ';']);
        let mut chars = content.chars();
        let is_whole = chars.next().is_some_and(is_quote) && chars.next_back().is_some_and(is_quote);
        is_whole.then(|| chars.as_str().to_owned())
    }

    /// What is held is a mark.
    fn mark(&mut self, quote: Option<String>, each: &mut impl FnMut(Piece)) {
        self.flush(each);
        let number = self.number();
        let is_spaced = std::mem::take(&mut self.has_space);
        self.drop_held();
        each(Piece::Mark(Mark { number, quote, is_spaced }));
    }

    /// What is held is a bare mark if there are such sources, else text.
    fn bare(&mut self, each: &mut impl FnMut(Piece)) {
        let inner = self.held.trim_matches(['[', ']']);
        let mut numbers = inner.split([',', ';', '-', '–', ' ']).filter(|number| !number.is_empty());
        let is_mark = numbers.all(|number| number.parse().is_ok_and(|number: u64| (1..=self.sources).contains(&number)));
        if is_mark { self.mark(None, each) } else { self.is_text(each) }
    }

    /// A mark that does not end: all of it is taken out. In code, what quotes nothing is none.
    fn broken(&mut self, each: &mut impl FnMut(Piece)) {
        if self.code.open > 0 && !self.held.contains(is_quote) {
            return self.is_text(each);
        }
        self.mark(None, each);
    }

    /// One that does not end and is longer than any may be: its opening is taken out, and the rest read again.
    fn too_long(&mut self, each: &mut impl FnMut(Piece)) {
        let rest = self.held.replace(TAKEN, "").trim_start_matches(['[', '【']).to_owned();
        self.mark(None, each);
        for c in rest.chars() {
            self.take(c, each);
        }
    }

    /// What is held is text after all.
    fn is_text(&mut self, each: &mut impl FnMut(Piece)) {
        if std::mem::take(&mut self.has_space) {
            self.text.push(' ');
        }
        let mut held = std::mem::take(&mut self.held);
        self.drop_held();
        held.retain(|c| c != TAKEN);
        // What it begins with opens nothing; what follows may.
        let opening = if held.starts_with("[[") { 2 } else { held.chars().next().map_or(0, char::len_utf8) };
        let (opening, rest) = held.split_at(opening);
        self.text.push_str(opening);
        for c in rest.chars() {
            self.take(c, each);
        }
    }

    fn no_mark(&mut self, c: char, each: &mut impl FnMut(Piece)) {
        self.is_text(each);
        self.take(c, each);
    }

    fn drop_held(&mut self) {
        self.held.clear();
        (self.held_chars, self.depth, self.at) = (0, 0, At::Text);
    }
}

/// Stands in what is held behind brackets that were closed: no text has it.
const TAKEN: char = '\u{10ffff}';

impl Code {
    fn see(&mut self, c: char) {
        if c == '`' {
            self.run += 1;
            return;
        }
        let run = std::mem::take(&mut self.run);
        match (self.open, run) {
            (_, 0) => {}
            (0, run) => self.open = run,
            // A fence is closed by as many as opened it, or more.
            (open, run) if run == open || (open >= 3 && run >= open) => self.open = 0,
            _ => {}
        }
        // What one or two open ends with its line.
        if c == '\n' && self.open < 3 {
            self.open = 0;
        }
    }
}

fn is_in_bare(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, ',' | ';' | '-' | '–' | ' ')
}

/// Marks that begin or end a quote, in any language.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』' | '＂' | '\u{2018}'..='\u{201f}')
}

#[cfg(test)]
#[path = "marks_tests.rs"]
mod tests;
