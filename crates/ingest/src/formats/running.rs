//! Running headers and footers: lines that stand at the top or the bottom of page after page.

use std::collections::HashMap;

use crate::{Defect, DefectKind, draft::Draft};

/// So many lines at either end of a page may be headers or footers.
const EDGE_LINES: usize = 2;
/// On so many pages at least does such a line stand.
const PAGES_MIN: usize = 3;
/// `Seite 3 von 9` and the like have no more letters, and say nothing.
const NUMBER_LETTERS_MAX: usize = 12;
/// A longer line is text.
const LINE_CHARS_MAX: usize = 120;

/// Whether each line of each page stays. A repeated line stays where it stands first, because it may say what is said nowhere
/// else; a line of nothing but a page's number goes everywhere.
///
/// `at_edge` says of a page's line whether it may be one, by the numbers of both.
pub(crate) fn kept<'a>(
    pages: &[Vec<&'a str>],
    at_edge: impl Fn(usize, usize) -> bool,
    draft: &mut Draft<'_>,
) -> Vec<Vec<bool>> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (number, page) in pages.iter().enumerate() {
        let edges = page.iter().enumerate().filter(|(i, _)| at_edge(number, *i));
        let mut of_page: Vec<String> = edges.filter_map(|(_, line)| shape(line)).collect();
        of_page.sort_unstable();
        of_page.dedup();
        for shape in of_page {
            *counts.entry(shape).or_default() += 1;
        }
    }
    let needed = PAGES_MIN.max(pages.len().div_ceil(3));
    counts.retain(|_, count| *count >= needed);
    let mut seen: HashMap<String, (&'a str, usize)> = HashMap::new();
    let mut keep = |line: &'a str| {
        let Some(shape) = shape(line).filter(|shape| counts.contains_key(shape)) else { return true };
        let is_number = shape.contains('0') && shape.chars().filter(|c| c.is_alphabetic()).count() <= NUMBER_LETTERS_MAX;
        let (_, count) = seen.entry(shape).or_insert((line, 0));
        *count += 1;
        *count == 1 && !is_number
    };
    let kept = pages
        .iter()
        .enumerate()
        .map(|(number, page)| page.iter().enumerate().map(|(i, line)| !at_edge(number, i) || keep(line)).collect());
    let kept = kept.collect();
    let mut seen: Vec<(&str, usize)> = seen.into_values().collect();
    seen.sort_unstable();
    for (line, count) in seen {
        draft.defect(Defect::new(DefectKind::RepeatedLine, line.trim()).times(count));
    }
    kept
}

/// Whether a line may be a header or footer by its place among so many lines.
pub(crate) fn is_edge(line: usize, lines: usize) -> bool {
    line < EDGE_LINES || line + EDGE_LINES >= lines
}

/// A line with its numbers made one, so that `Page 3 of 9` is the same on every page.
fn shape(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.chars().nth(LINE_CHARS_MAX).is_some() {
        return None;
    }
    let mut shape = String::new();
    for c in line.chars() {
        let c = if c.is_numeric() { '0' } else { c };
        if !(c == '0' && shape.ends_with('0')) {
            shape.push(c);
        }
    }
    Some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bounds;

    #[test]
    fn headers_stay_once_and_numbers_never() {
        let bounds = Bounds::default();
        let mut draft = Draft::new(&bounds);
        let texts: Vec<String> =
            (1..=4).map(|n| format!("Confidential\n{0}\n{0}more\n{0}yet more\n{n}", "word ".repeat(n))).collect();
        let pages: Vec<Vec<&str>> = texts.iter().map(|text| text.lines().collect()).collect();
        let kept = kept(&pages, |page, line| is_edge(line, pages[page].len()), &mut draft);
        assert_eq!(kept[0], [true, true, true, true, false]);
        assert_eq!(kept[3], [false, true, true, true, false]);
        let report = draft.finish(crate::Format::Pdf, None, 0).report;
        assert!(report.has(DefectKind::RepeatedLine));
    }
}
