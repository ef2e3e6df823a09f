//! What is quoted and what is code: ranges of the plain text.

use std::ops::Range;

/// The longest quotation. What is longer was never closed.
const QUOTE_BYTES_MAX: usize = 700;

/// Ranges of a plain text, each list in order.
#[derive(Debug, Default)]
pub(super) struct Marks {
    quotes: Vec<Range<usize>>,
    code: Vec<Range<usize>>,
}

impl Marks {
    /// Finds quotations and code.
    pub(super) fn of(text: &str) -> Self {
        let mut marks = Self::default();
        let (mut at, mut fence) = (0, None);
        let mut quote: Option<Open> = None;
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start();
            if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
                match fence.take() {
                    Some(start) => marks.code.push(start..at),
                    None => fence = Some(at),
                }
                quote = None;
            } else if fence.is_none() {
                // Quoted from a mail, or spoken: many languages begin what is said with a dash.
                if trimmed.starts_with("> ") || trimmed.starts_with('—') || trimmed.starts_with("– ") {
                    marks.quotes.push(at..at + line.len());
                } else if line.starts_with("    ") || line.starts_with('\t') {
                    marks.code.push(at..at + line.len());
                } else if trimmed.trim_end().is_empty() {
                    quote = None;
                } else {
                    marks.line(line, at, &mut quote);
                }
            }
            at += line.len();
        }
        marks.quotes.sort_unstable_by_key(|range| range.start);
        marks.code.extend(settings(text));
        marks.code.sort_unstable_by_key(|range| range.start);
        marks
    }

    /// Whether most of a range is quoted.
    pub(super) fn is_quoted(&self, range: &Range<usize>) -> bool {
        covers(&self.quotes, range)
    }

    /// Whether most of a range is code.
    pub(super) fn is_code(&self, range: &Range<usize>) -> bool {
        covers(&self.code, range)
    }

    fn line(&mut self, line: &str, at: usize, quote: &mut Option<Open>) {
        let mut before = ' ';
        let mut last_seen = ' ';
        let mut last_but_one = ' ';
        let mut rest = line.char_indices().peekable();
        while let Some((i, c)) = rest.next() {
            let next = rest.peek().map_or(' ', |(_, c)| *c);
            match quote {
                Some(open) if at + i > open.start + QUOTE_BYTES_MAX => *quote = None,
                Some(open) if open.closes(c, before, next) => {
                    if !open.is_value {
                        self.quotes.push(open.start..at + i);
                    }
                    *quote = None;
                }
                Some(_) => {}
                None => {
                    let is_value = (last_seen == ':' && last_but_one == '"') || matches!(before, ',' | '=' | ';');
                    *quote = Open::at(c, before, next).map(|closer| Open { closer, start: at + i, is_value });
                }
            }
            before = c;
            if !c.is_whitespace() {
                (last_but_one, last_seen) = (last_seen, c);
            }
        }
    }
}

/// A quotation that has begun.
struct Open {
    closer: char,
    start: usize,
    /// The value of a field or an attribute is in quotation marks and quotes nobody.
    is_value: bool,
}

impl Open {
    /// The sign that will close a quotation that begins here.
    fn at(c: char, before: char, next: char) -> Option<char> {
        Some(match c {
            '“' => '”',
            '„' => '“',
            '«' => '»',
            '»' => '«',
            '‹' => '›',
            '「' => '」',
            '『' => '』',
            '《' => '》',
            '‘' => '’',
            '"' => '"',
            '`' => '`',
            '\'' if !before.is_alphanumeric() && next.is_alphanumeric() => '\'',
            _ => return None,
        })
    }

    fn closes(&self, c: char, before: char, next: char) -> bool {
        match self.closer {
            '\'' | '’' => c == self.closer && !next.is_alphanumeric() && !before.is_whitespace(),
            '“' => matches!(c, '“' | '”'),
            '”' => matches!(c, '”' | '“'),
            closer => c == closer,
        }
    }
}

/// Paragraphs that are settings: three or more lines, at least every second one, name a key.
fn settings(text: &str) -> Vec<Range<usize>> {
    const KEYS_MIN: usize = 3;
    let mut found = Vec::new();
    let (mut at, mut start, mut keys, mut lines) = (0, 0, 0, 0);
    for line in text.split_inclusive('\n').chain([""]) {
        if line.trim().is_empty() {
            if keys >= KEYS_MIN && 2 * keys >= lines {
                found.push(start..at);
            }
            (start, keys, lines) = (at + line.len(), 0, 0);
        } else {
            let named = line.trim_start_matches([' ', '-', '\t']).split_once([':', '=']);
            let is_key =
                |key: &str| !key.is_empty() && key.trim_end().bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
            keys += usize::from(named.is_some_and(|(key, rest)| is_key(key) && rest.starts_with(char::is_whitespace)));
            lines += 1;
        }
        at += line.len();
    }
    found
}

/// Whether one of the ranges holds the middle of another and most of it.
fn covers(ranges: &[Range<usize>], range: &Range<usize>) -> bool {
    let middle = range.start + range.len() / 2;
    let upto = ranges.partition_point(|r| r.start <= middle);
    ranges.get(..upto).and_then(<[_]>::last).is_some_and(|r| {
        let shared = r.end.min(range.end).saturating_sub(r.start.max(range.start));
        middle < r.end && 2 * shared > range.len()
    })
}
