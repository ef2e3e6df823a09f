//! Marks of citations in an answer, found character by character: how the answer was cut into pieces makes no difference.
//!
//! A mark is what the model was asked for, `[[2: "quote"]]`, or what looks like an attempt at one: without its quote, with other signs between,
//! never closed. So are numbers of passages in brackets outside of code ([`bare`], [`code`]), which would look like a mark that was checked. All
//! else is text, and passed on as it comes; only what may still become a mark, or code, is held back, never more than [`MARK_CHARS_MAX`].
//!
//! What turns out to be none is read again for marks within it, in a plainer way each time ([`Reader::level`]): so no character is looked at
//! more often than a few times, whatever an answer says.

mod bare;
mod code;
mod held;

use self::{
    code::{Code, Seen},
    held::{Held, is_quote},
};

/// Characters of a mark. What is longer is none: its opening is taken out, and the rest is text.
pub(super) const MARK_CHARS_MAX: usize = 1_200;
/// Digits of a number.
const DIGITS_MAX: usize = 9;
/// Characters before the number of a mark, its brackets included.
const LEAD_CHARS_MAX: usize = 16;
/// Characters up to the end of its number.
const NUMBER_CHARS_MAX: usize = 32;
/// Characters of numbers in brackets: those of all passages that there may be.
const BARE_CHARS_MAX: usize = 256;
/// Characters of what may be the address of a link behind them, and of its beginning, which tells.
const ADDRESS_CHARS_MAX: usize = 256;
const SCHEME_CHARS_MAX: usize = 16;
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
    /// Behind a bracket, in which there may be numbers.
    Bare,
    /// Behind those, where only what follows tells that it is no link; with how many characters they have.
    Closed(usize),
    /// Behind `[[`, before its number.
    Lead,
    /// In its number, or behind it.
    Number,
    /// Behind what parts number and quote. `strict` marks are ones whatever they hold; others only where all that they hold is a quote.
    Content { is_strict: bool },
    /// Behind the dagger that models put into `【1†name】`.
    Dagger,
}

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Numbers above this one are no bare marks.
    sources: u64,
    code: Code,
    at: At,
    held: Held,
    /// How often what is read was read before. From the first time on no mark stands in another, from the second on only bare ones are looked for.
    level: u8,
    /// A space that is passed on once it is known what follows.
    has_space: bool,
    /// Whether the first of two brackets was just passed on, and the second follows.
    is_behind_bracket: bool,
    text: String,
    /// How many characters were looked at.
    #[cfg(test)]
    steps: usize,
}

impl Reader {
    /// For an answer to so many sources.
    pub fn new(sources: u64) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Reads on, and hands over what is known by now.
    pub fn read(&mut self, text: &str, each: &mut impl FnMut(Piece)) {
        let mut code = std::mem::take(&mut self.code);
        text.chars().for_each(|c| code.take(c, &mut |seen| self.take(seen, each)));
        self.code = code;
        self.flush(each);
    }

    /// The answer is at its end: what is still open is an attempt.
    pub fn end(&mut self, each: &mut impl FnMut(Piece)) {
        let mut code = std::mem::take(&mut self.code);
        code.end(&mut |seen| self.take(seen, each));
        // What is text after all may end with an attempt, which is shorter.
        while self.at != At::Text {
            match self.at {
                At::Text => {}
                At::Bare | At::Closed(_) => self.bare(each),
                At::Content { is_strict: false } => self.is_text_again(each),
                At::Lead | At::Number | At::Content { is_strict: true } | At::Dagger => self.broken(each),
            }
        }
        self.pass_space();
        self.flush(each);
    }

    fn flush(&mut self, each: &mut impl FnMut(Piece)) {
        if !self.text.is_empty() {
            each(Piece::Text(std::mem::take(&mut self.text)));
        }
    }

    fn pass_space(&mut self) {
        if std::mem::take(&mut self.has_space) {
            self.text.push(' ');
        }
    }

    fn take(&mut self, seen: Seen, each: &mut impl FnMut(Piece)) {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        match self.at {
            At::Text => self.in_text(seen),
            At::Bare => self.in_bare(seen, each),
            At::Closed(length) => self.behind_bare(seen, length, each),
            // Of three brackets the last two open it.
            At::Lead if seen.c == '[' && self.held.seen.len() == 2 => {
                self.pass_space();
                self.text.push('[');
            }
            At::Lead => match seen.c {
                c if c.is_ascii_digit() && self.held.has_lead() => self.hold(seen, At::Number),
                c if (c.is_alphabetic() || c == ' ' || c == '#') && self.held.seen.len() < LEAD_CHARS_MAX => {
                    self.hold(seen, self.at)
                }
                _ => self.no_mark(seen, each),
            },
            At::Number => self.in_number(seen, each),
            At::Content { is_strict } => self.in_content(seen, is_strict, each),
            At::Dagger => match seen.c {
                '】' => {
                    self.hold(seen, self.at);
                    self.mark(None, each);
                }
                c if c == '\n' || self.held.is_full() || (c == '【' && self.level > 0) => {
                    self.too_long(each);
                    self.take(seen, each);
                }
                _ => self.hold(seen, self.at),
            },
        }
    }

    fn in_text(&mut self, seen: Seen) {
        match seen.c {
            c if bare::opens(c) => {
                self.held.is_code = seen.is_code;
                self.held.is_nested = std::mem::take(&mut self.is_behind_bracket);
                self.hold(seen, At::Bare);
            }
            ' ' => {
                self.pass_space();
                self.has_space = true;
            }
            c => {
                self.pass_space();
                self.text.push(c);
            }
        }
    }

    fn in_bare(&mut self, seen: Seen, each: &mut impl FnMut(Piece)) {
        let (opening, length, is_code) = (self.held.seen[0].c, self.held.seen.len(), self.held.is_code);
        match seen.c {
            '[' if length == 1 && opening == '[' && self.level < 2 => self.hold(seen, At::Lead),
            '†' if opening == '【' && self.level < 2 => self.hold(seen, At::Dagger),
            c if bare::closes(c) => self.hold(seen, At::Closed(length + 1)),
            c if bare::may_hold(c) || (c == ':' && opening == '【') => match length < BARE_CHARS_MAX {
                true => self.hold(seen, self.at),
                false if is_code => self.no_mark(seen, each),
                false => {
                    self.too_long(each);
                    self.take(seen, each);
                }
            },
            _ => self.no_mark(seen, each),
        }
    }

    /// `[2](address)` is a link; where it leads nowhere it is a mark, and all of it goes.
    fn behind_bare(&mut self, seen: Seen, length: usize, each: &mut impl FnMut(Piece)) {
        let behind = &self.held.seen[length..];
        if behind.is_empty() {
            let is_list = self.held.is_nested && seen.c == ',';
            return match seen.c {
                '(' => self.hold(seen, self.at),
                _ if is_list => self.no_mark(seen, each),
                _ => {
                    self.bare(each);
                    self.take(seen, each);
                }
            };
        }
        if behind.len() <= SCHEME_CHARS_MAX && bare::is_address(&behind[1..].iter().map(|seen| seen.c).collect::<String>()) {
            return self.no_mark(seen, each);
        }
        let is_over = seen.c == '\n' || bare::opens(seen.c) || behind.len() >= ADDRESS_CHARS_MAX;
        if !is_over {
            self.hold(seen, self.at);
        }
        if is_over || seen.c == ')' {
            self.bare(each);
        }
        if is_over {
            self.take(seen, each);
        }
    }

    fn in_number(&mut self, seen: Seen, each: &mut impl FnMut(Piece)) {
        let (last, is_code, length) = (self.held.last, self.held.is_code, self.held.seen.len());
        let is_closing = last == Some(']');
        match seen.c {
            ':' | '：' => self.hold(seen, At::Content { is_strict: true }),
            c if is_quote(c) => self.hold(seen, At::Content { is_strict: true }),
            // `[[2]]`, a citation of nothing; in code it is a list.
            ']' if is_closing && !is_code => {
                self.hold(seen, self.at);
                self.mark(None, each);
            }
            ']' if !is_closing => self.hold(seen, self.at),
            ',' | '-' | '–' | '—' | '|' | '=' | '.' | ')' | ';' if !is_closing && !is_code => {
                self.hold(seen, At::Content { is_strict: false });
            }
            c if c.is_ascii_digit() && self.held.digits() < DIGITS_MAX && last.is_some_and(|c| c.is_ascii_digit()) => {
                self.hold(seen, self.at);
            }
            ' ' if !is_closing && length < NUMBER_CHARS_MAX => self.hold(seen, self.at),
            _ => self.no_mark(seen, each),
        }
    }

    fn in_content(&mut self, seen: Seen, is_strict: bool, each: &mut impl FnMut(Piece)) {
        let Held { last, solid, has_quote, .. } = self.held;
        let c = seen.c;
        // A quote of a text has no empty line in it: who forgot to close a mark goes on writing there.
        let is_over = c == '\n' && last == Some('\n');
        let is_no_quote = c != ' ' && !is_quote(c) && !has_quote;
        // A list of lists goes on behind its first: `[[1, "a"], ..`.
        let is_list = c != ']' && last == Some(']') && solid.is_some_and(is_quote);
        let opens = c == '[' && last == Some('[');
        if !is_strict && (is_over || is_no_quote || is_list || self.held.is_full()) {
            self.is_text_again(each);
            return self.take(seen, each);
        }
        if self.held.is_full() {
            self.too_long(each);
            return self.take(seen, each);
        }
        if is_over {
            self.broken(each);
            self.take(seen, each);
            return self.take(seen, each);
        }
        if opens && self.level > 0 {
            let bracket = self.held.seen.pop();
            if is_strict {
                self.too_long(each)
            } else {
                self.is_text_again(each)
            }
            bracket.into_iter().for_each(|bracket| self.take(bracket, each));
            return self.take(seen, each);
        }
        let closes = c == ']' && last == Some(']');
        self.hold(seen, self.at);
        if opens || closes {
            // These two open and close nothing else.
            self.held.last = None;
        }
        self.held.depth += usize::from(opens);
        if closes && self.held.depth > 0 {
            self.held.depth -= 1;
        } else if closes {
            let quote = self.held.quote();
            let is_mark = quote.is_some() || (is_strict && !self.held.is_code);
            if is_mark { self.mark(quote, each) } else { self.is_text_again(each) }
        }
    }

    fn hold(&mut self, seen: Seen, at: At) {
        self.held.push(seen);
        self.at = at;
    }

    /// What is held is a mark.
    fn mark(&mut self, quote: Option<String>, each: &mut impl FnMut(Piece)) {
        self.flush(each);
        let number = self.held.number();
        let is_spaced = std::mem::take(&mut self.has_space);
        self.let_go();
        each(Piece::Mark(Mark { number, quote, is_spaced }));
    }

    /// What is held is a bare mark if there are such sources, else text.
    fn bare(&mut self, each: &mut impl FnMut(Piece)) {
        let closed = if let At::Closed(length) = self.at { length } else { self.held.seen.len() };
        let inner = self.held.seen[1..closed].iter().map(|seen| seen.c).filter(|c| !bare::closes(*c)).collect::<String>();
        if self.held.is_code || !bare::names_sources(&inner, self.sources) {
            return self.is_text(each);
        }
        let behind = self.held.seen.split_off(closed);
        self.mark(None, each);
        // An address that is not closed stays.
        if behind.last().is_some_and(|seen| seen.c != ')') {
            behind.into_iter().for_each(|seen| self.take(seen, each));
        }
    }

    /// A mark that does not end: all of it is taken out. In code, what quotes nothing is none.
    fn broken(&mut self, each: &mut impl FnMut(Piece)) {
        if self.held.is_code && !self.held.has_quote { self.is_text_again(each) } else { self.mark(None, each) }
    }

    /// One that does not end and is longer than any may be: its opening is taken out, and the rest read again.
    fn too_long(&mut self, each: &mut impl FnMut(Piece)) {
        let rest = self.held.seen.split_off(self.held.opening());
        self.held.seen.extend(&rest[..rest.len().min(NUMBER_CHARS_MAX)]);
        self.mark(None, each);
        self.again(&rest, each);
    }

    /// What is held is text after all, and was long: what stands in it is read in a plainer way.
    fn is_text_again(&mut self, each: &mut impl FnMut(Piece)) {
        let rest = self.pass_opening();
        self.again(&rest, each);
    }

    /// What is held is text after all, and short.
    fn is_text(&mut self, each: &mut impl FnMut(Piece)) {
        self.pass_opening().into_iter().for_each(|seen| self.take(seen, each));
    }

    fn no_mark(&mut self, seen: Seen, each: &mut impl FnMut(Piece)) {
        self.is_text(each);
        self.take(seen, each);
    }

    /// Passes on the bracket that opens nothing after all; what follows may, the second of two included.
    fn pass_opening(&mut self) -> Vec<Seen> {
        self.pass_space();
        self.is_behind_bracket = self.held.opening() == 2;
        let rest = self.held.seen.split_off(1);
        self.text.extend(self.held.seen.iter().map(|seen| seen.c));
        self.let_go();
        rest
    }

    fn again(&mut self, rest: &[Seen], each: &mut impl FnMut(Piece)) {
        let level = self.level;
        self.level = level.saturating_add(1);
        rest.iter().for_each(|seen| self.take(*seen, each));
        self.level = level;
    }

    fn let_go(&mut self) {
        (self.held, self.at) = (Held::default(), At::Text);
    }
}

#[cfg(test)]
mod tests;
