//! Which characters of an answer are code, as Markdown has it: the only place where brackets mean something else.
//!
//! Code is what stands between two fences that begin their lines, or between two runs of as many backticks in one line. What only looks like
//! the beginning of either is text, and so is all behind it: whoever writes a lone backtick hides nothing. From an opening run on
//! characters are held back until it is known which it is, never more than [`CODE_CHARS_MAX`].

use std::ops::Range;

/// Characters between the runs of backticks that make code in a line. What is longer is text.
pub(super) const CODE_CHARS_MAX: usize = 1_000;
/// Characters of a line's beginning in which a fence can begin: blanks and the signs of lists.
const BEGINNING_CHARS_MAX: usize = 64;
/// Backticks of a fence, at least.
const FENCE_MIN: usize = 3;
/// Blanks before a fence, at most; with more it is text that is set in.
const INDENT_MAX: usize = 3;
/// Columns of a tab.
const TAB: &str = "    ";

/// A character, and whether it is code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub c: char,
    pub is_code: bool,
}

/// Tells code from text, character by character.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// How the line begins.
    line: String,
    /// The column at which the text of the list begins that the line may go on with; 0 outside of lists.
    list: usize,
    fence: Option<Fence>,
    /// Whether a backslash stands before, which makes a backtick a mere sign.
    is_escaped: bool,
    /// Whether backticks that follow belong to a run that was passed on.
    is_spent: bool,
    held: Held,
}

/// What may become code, from its first backtick on.
#[derive(Debug, Default)]
struct Held {
    chars: Vec<char>,
    /// Backticks that opened it; 0 until all of them are there.
    open: usize,
    /// Backticks that just came.
    run: usize,
    /// Where it begins its line: the column of the text that a fence there belongs to.
    begins_line: Option<usize>,
}

/// Between fences.
#[derive(Debug)]
struct Fence {
    /// Backticks that opened it.
    open: usize,
    /// Where the text begins that it belongs to: a line that begins before that is none of its lines.
    column: usize,
    /// The line so far: its blanks, and the backticks behind them.
    blanks: usize,
    run: usize,
    /// Whether something else stands in it.
    is_other: bool,
}

impl Code {
    /// Reads on, and hands over what is known by now.
    pub fn take(&mut self, c: char, each: &mut impl FnMut(Seen)) {
        if self.fence.is_some() && self.within_fence(c) {
            return each(Seen { c, is_code: true });
        }
        if self.held.chars.is_empty() {
            return self.in_text(c, each);
        }
        if c == '`' {
            self.held.run += 1;
            return self.hold(c, each);
        }
        let run = std::mem::take(&mut self.held.run);
        if self.held.open == 0 {
            self.held.open = run;
        } else if run == self.held.open {
            let Held { chars, .. } = std::mem::take(&mut self.held);
            chars.into_iter().for_each(|c| each(Seen { c, is_code: true }));
            return self.in_text(c, each);
        }
        self.hold(c, each);
        if c == '\n' {
            self.end_line(each);
        }
    }

    /// The answer is at its end.
    pub fn end(&mut self, each: &mut impl FnMut(Seen)) {
        let Self { held, .. } = std::mem::take(self);
        part(&held.chars, each);
    }

    fn in_text(&mut self, c: char, each: &mut impl FnMut(Seen)) {
        let opens = c == '`' && !self.is_escaped && !self.is_spent;
        self.is_escaped = c == '\\' && !self.is_escaped;
        self.is_spent &= c == '`';
        if opens {
            let begins_line = self.begins_line();
            self.held = Held { run: 1, begins_line, ..Held::default() };
            return self.hold(c, each);
        }
        self.note(c);
        each(Seen { c, is_code: false });
        if c == '\n' {
            self.next_line();
        }
    }

    fn hold(&mut self, c: char, each: &mut impl FnMut(Seen)) {
        self.note(c);
        self.held.chars.push(c);
        if self.held.chars.len() > CODE_CHARS_MAX && c != '\n' {
            let Held { chars, .. } = std::mem::take(&mut self.held);
            part(&chars, each);
            self.is_spent = c == '`';
        }
    }

    /// The line with what is held is at its end: that is a fence, or text with what is code in it.
    fn end_line(&mut self, each: &mut impl FnMut(Seen)) {
        let Held { chars, open, begins_line, .. } = std::mem::take(&mut self.held);
        let is_fence = open >= FENCE_MIN && !chars[open.min(chars.len())..].contains(&'`');
        match begins_line.filter(|_| is_fence) {
            Some(column) => {
                chars.into_iter().for_each(|c| each(Seen { c, is_code: true }));
                self.fence = Some(Fence { open, column, blanks: 0, run: 0, is_other: false });
            }
            None => part(&chars, each),
        }
        self.next_line();
    }

    fn note(&mut self, c: char) {
        if self.line.len() < BEGINNING_CHARS_MAX {
            match c {
                '\t' => self.line.push_str(TAB),
                c => self.line.push(c),
            }
        }
    }

    fn next_line(&mut self) {
        let line = self.line.trim_end_matches(['\n', '\r']);
        let beginning = Beginning::of(line, self.list);
        if !beginning.is_blank() {
            self.list = beginning.column;
        }
        self.line.clear();
        (self.is_escaped, self.is_spent) = (false, false);
    }

    /// Where the line's text begins, if nothing of it is there yet and a fence may begin here.
    fn begins_line(&self) -> Option<usize> {
        let beginning = Beginning::of(&self.line, self.list);
        let begins = beginning.text.is_empty() && beginning.indent <= INDENT_MAX && self.line.len() < BEGINNING_CHARS_MAX;
        begins.then_some(beginning.column)
    }

    /// Whether a character stands between fences, the last of which ends here.
    fn within_fence(&mut self, c: char) -> bool {
        let Some(fence) = &mut self.fence else { return false };
        match c {
            '\n' => {
                let is_last = !fence.is_other && fence.run >= fence.open;
                (fence.blanks, fence.run, fence.is_other) = (0, 0, false);
                if is_last {
                    self.fence = None;
                    self.list = 0;
                }
                return true;
            }
            ' ' if fence.run == 0 && !fence.is_other => fence.blanks += 1,
            '\t' if fence.run == 0 && !fence.is_other => fence.blanks += TAB.len(),
            ' ' | '\t' | '\r' => {}
            // The list that it belongs to is over, and it is too.
            _ if fence.run == 0 && !fence.is_other && fence.blanks < fence.column => {
                let blanks = fence.blanks;
                (self.fence, self.list) = (None, 0);
                self.line = " ".repeat(blanks);
                return false;
            }
            '`' if !fence.is_other => fence.run += 1,
            _ => fence.is_other = true,
        }
        true
    }
}

/// How a line begins.
struct Beginning<'l> {
    /// The column of its text, behind the signs of lists.
    column: usize,
    /// Blanks there.
    indent: usize,
    /// What follows.
    text: &'l str,
}

impl<'l> Beginning<'l> {
    /// `list` is where the text of the list begins that it may go on with.
    fn of(line: &'l str, list: usize) -> Self {
        let blanks = |text: &str| text.len() - text.trim_start_matches(' ').len();
        let mut column = if blanks(line) >= list { list } else { 0 };
        let mut rest = &line[column..];
        loop {
            let indent = blanks(rest);
            let text = &rest[indent..];
            match marker(text).filter(|_| indent <= INDENT_MAX) {
                Some(marker) => {
                    column += indent + marker;
                    rest = &text[marker..];
                }
                None => return Self { column, indent, text },
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.column == 0 && self.text.is_empty()
    }
}

/// Bytes of a list's sign and the blank behind it, if a text begins with one.
fn marker(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let sign = match text.as_bytes().get(digits)? {
        b'-' | b'*' | b'+' if digits == 0 => 1,
        b'.' | b')' if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    text[sign..].starts_with(' ').then_some(sign + 1)
}

/// Hands over text with what is code in it.
fn part(chars: &[char], each: &mut impl FnMut(Seen)) {
    let runs: Vec<Range<usize>> = runs(chars);
    // How long runs are that nothing closes: each is looked for once.
    let mut open: Vec<usize> = Vec::new();
    let (mut at, mut next) = (0, 0);
    let mut say = |range: Range<usize>, is_code| chars[range].iter().for_each(|c| each(Seen { c: *c, is_code }));
    while at < chars.len() {
        while runs.get(next).is_some_and(|run| run.end <= at) {
            next += 1;
        }
        match runs.get(next) {
            Some(run) if run.start <= at => {
                let length = run.end - at;
                let closing = runs[next + 1..].iter().find(|closing| !open.contains(&length) && closing.len() == length);
                let end = closing.map_or(run.end, |closing| closing.end);
                if closing.is_none() {
                    open.push(length);
                }
                say(at..end, closing.is_some());
                at = end;
            }
            // What stands behind a backslash opens nothing.
            _ => {
                let end = if chars[at] == '\\' { (at + 2).min(chars.len()) } else { at + 1 };
                say(at..end, false);
                at = end;
            }
        }
    }
}

/// Runs of backticks.
fn runs(chars: &[char]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in chars.iter().enumerate().filter(|(_, c)| **c == '`') {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text with braces around what is code.
    fn shown(text: &str) -> String {
        let (mut code, mut shown, mut was_code) = (Code::default(), String::new(), false);
        let mut each = |Seen { c, is_code }: Seen| {
            if std::mem::replace(&mut was_code, is_code) != is_code {
                shown.push(if is_code { '{' } else { '}' });
            }
            shown.push(c);
        };
        text.chars().for_each(|c| code.take(c, &mut each));
        code.end(&mut each);
        if was_code {
            shown.push('}');
        }
        shown
    }

    #[test]
    fn runs_in_one_line_are_code() {
        for (text, wanted) in [
            ("a `b` c", "a {`b`} c"),
            ("``a ` b`` c", "{``a ` b``} c"),
            ("a `b`", "a {`b`}"),
            ("a ` b\nc` d", "a ` b\nc` d"),
            ("a ``b` c", "a ``b` c"),
            ("a ` b ``c`` d", "a ` b {``c``} d"),
            ("a \\`b` c", "a \\`b` c"),
            ("a \\\\`b` c", "a \\\\{`b`} c"),
            ("a `b\\` c", "a {`b\\`} c"),
            ("a ``` \\``b` c", "a ``` \\`{`b`} c"),
            ("a ```b\nc", "a ```b\nc"),
            ("``` a ``` b", "{``` a ```} b"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn fences_begin_their_lines() {
        for (text, wanted) in [
            ("```rust\na\n```\nb", "{```rust\na\n```\n}b"),
            ("  ```\na\n  ````  \nb", "  {```\na\n  ````  \n}b"),
            ("```\na ``` b\n``\n```c\n", "{```\na ``` b\n``\n```c\n}"),
            ("a ```\nb\n```", "a ```\nb\n```"),
            ("    ```\nb", "    ```\nb"),
            ("- ```\n  a\n  ```\nb", "- {```\n  a\n  ```\n}b"),
            ("1. x\n\n    ```\n    a\n    ```\nb", "1. x\n\n    {```\n    a\n    ```\n}b"),
            // A fence ends with its list.
            ("- x\n\n  ```\nb", "- x\n\n  {```\n}b"),
            ("> ```\nb", "> ```\nb"),
            ("```", "```"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_text() {
        let long = format!("a `{}` b `c` d", "x".repeat(CODE_CHARS_MAX));
        assert_eq!(shown(&long), format!("a `{}{{` b `}}c` d", "x".repeat(CODE_CHARS_MAX)));
        let ticks = format!("{}[1]` `", "`".repeat(CODE_CHARS_MAX + 5));
        assert!(shown(&ticks).contains("`[1]{` `}"), "what is left of a run opens nothing: {}", shown(&ticks));
        let mut code = Code::default();
        let mut seen = 0;
        "`".chars().chain("x".repeat(2 * CODE_CHARS_MAX).chars()).for_each(|c| code.take(c, &mut |_| seen += 1));
        assert!(seen > CODE_CHARS_MAX, "it is not held back for ever");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[`\\\\ \n\ta1.*>-]{0,80}") {
            let (mut code, mut all) = (Code::default(), String::new());
            let mut each = |seen: Seen| all.push(seen.c);
            text.chars().for_each(|c| code.take(c, &mut each));
            code.end(&mut each);
            prop_assert_eq!(all, text);
        }
    }
}
