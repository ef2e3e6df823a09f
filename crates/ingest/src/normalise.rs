//! One form of writing: what looks the same is the same. Letters keep their meaning: joiners of Arabic, Indic and emoji, ideographs
//! and their wide blanks stay as they are.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::{Defect, DefectKind, words::is_unspaced};

/// What line ends mean in a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// They were put where the paper ended: lines are joined, and divided words too.
    Flow,
    /// They matter; blanks do not.
    Keep,
    /// They matter, and so do blanks.
    Verbatim,
}

/// How often each repair was made.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    controls: usize,
    ligatures: usize,
    soft_hyphens: usize,
    hyphenations: usize,
    composed: usize,
}

impl Repairs {
    /// Names each repair that was made.
    pub(crate) fn defects(&self) -> impl Iterator<Item = Defect> {
        let all = [
            (DefectKind::ControlsRemoved, self.controls),
            (DefectKind::LigaturesExpanded, self.ligatures),
            (DefectKind::SoftHyphensRemoved, self.soft_hyphens),
            (DefectKind::HyphenationJoined, self.hyphenations),
            (DefectKind::Composed, self.composed),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| Defect::new(kind, "").times(count))
    }

    /// Counts characters that were taken out before.
    pub(crate) fn add_controls(&mut self, count: usize) {
        self.controls += count;
    }
}

/// The text in the one form, without blanks at either end.
pub(crate) fn text(raw: &str, lines: Lines, repairs: &mut Repairs) -> String {
    let spelled = spell(raw, repairs);
    let laid_out = match lines {
        Lines::Flow => flow(&spelled, repairs),
        Lines::Keep => keep(&spelled),
        Lines::Verbatim => verbatim(&spelled),
    };
    if is_nfc_quick(laid_out.chars()) == IsNormalized::Yes {
        return laid_out;
    }
    let composed: String = laid_out.nfc().collect();
    repairs.composed += usize::from(composed != laid_out);
    composed
}

/// Line ends become `\n`, blanks of a width become plain ones, ligatures letters; control characters go.
fn spell(raw: &str, repairs: &mut Repairs) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\t' => out.push(c),
            '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\u{ad}' => {
                repairs.soft_hyphens += 1;
                // At the end of a line it stood for a hyphen.
                if matches!(chars.peek(), Some('\n' | '\r')) {
                    out.push('\u{2010}');
                }
            }
            '\u{feff}' | '\u{fffe}' | '\u{ffff}' => repairs.controls += 1,
            c if c.is_control() => repairs.controls += 1,
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => out.push(' '),
            '\u{fb00}'..='\u{fb06}' => {
                repairs.ligatures += 1;
                out.extend(c.nfkc());
            }
            c => out.push(c),
        }
    }
    out
}

/// Lines become one, divided words whole.
fn flow(text: &str, repairs: &mut Repairs) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split('\n') {
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let Some(first) = words.next() else { continue };
        join(&mut out, first, repairs);
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
    }
    out
}

/// Puts the first word of a line behind the line before.
fn join(out: &mut String, first: &str, repairs: &mut Repairs) {
    let mut before = out.chars().rev();
    let (last, last_but_one) = (before.next(), before.next());
    let next = first.chars().next();
    let divided = matches!(last, Some('-' | '\u{2010}')) && last_but_one.is_some_and(char::is_alphabetic);
    if divided && next.is_some_and(char::is_lowercase) {
        out.pop();
        repairs.hyphenations += 1;
    } else if !(divided || out.is_empty() || (last.is_some_and(is_unspaced_line) && next.is_some_and(is_unspaced_line))) {
        out.push(' ');
    }
    out.push_str(first);
}

/// No blank comes between two lines of such letters. Korean has blanks.
fn is_unspaced_line(c: char) -> bool {
    (is_unspaced(c) && !matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}'))
        || matches!(c, '\u{3001}'..='\u{3002}' | '\u{ff01}'..='\u{ff20}')
}

/// Lines stay, with single blanks, and no more than one empty line in between.
fn keep(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.split('\n') {
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let Some(first) = words.next() else {
            empty += 1;
            continue;
        };
        if !out.is_empty() {
            out.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        out.push_str(first);
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
    }
    out
}

/// Everything stays but blanks at line ends and empty lines around.
fn verbatim(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').map(str::trim_end).collect();
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(first, |last| last + 1);
    lines[first..last].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow_of(raw: &str) -> String {
        text(raw, Lines::Flow, &mut Repairs::default())
    }

    #[test]
    fn paper_leaves_no_trace() {
        assert_eq!(
            flow_of("The termi-\nnation of the con\u{ad}tract\r\nis  e\u{fb03}cient. "),
            "The termination of the contract is efficient."
        );
        assert_eq!(flow_of("soft\u{ad}\nware"), "software");
        assert_eq!(flow_of("the Franco-\nPrussian war"), "the Franco-Prussian war");
        assert_eq!(flow_of("from 3 -\n4 days"), "from 3 - 4 days");
        assert_eq!(flow_of("この契約は\n日本法に"), "この契約は日本法に");
    }

    #[test]
    fn what_has_a_meaning_stays() {
        for same in ["می‌خواهم", "क्‍ष", "👩‍👩‍👧 ❤️", "東京　大阪", "ﷲ العقد", "naïve Größe", "a‑b"]
        {
            let mut repairs = Repairs::default();
            assert_eq!(text(same, Lines::Flow, &mut repairs), same);
            assert_eq!(repairs.defects().count(), 0, "{same}");
        }
    }

    #[test]
    fn repairs_are_counted() {
        let mut repairs = Repairs::default();
        assert_eq!(text("a\0b\u{1}\u{feff} cafe\u{301}\u{a0}ﬁn", Lines::Keep, &mut repairs), "ab café fin");
        let kinds: Vec<_> = repairs.defects().map(|defect| (defect.kind, defect.count)).collect();
        assert_eq!(kinds, [(DefectKind::ControlsRemoved, 3), (DefectKind::LigaturesExpanded, 1), (DefectKind::Composed, 1)]);
    }

    #[test]
    fn lines_stay_where_they_matter() {
        let keep = |raw| text(raw, Lines::Keep, &mut Repairs::default());
        assert_eq!(keep("\n\n a  b \n\n\n\n c\nd\n"), "a b\n\nc\nd");
        let code = |raw| text(raw, Lines::Verbatim, &mut Repairs::default());
        assert_eq!(code("\n  if x:\n\n    y  \n"), "  if x:\n\n    y");
    }
}
