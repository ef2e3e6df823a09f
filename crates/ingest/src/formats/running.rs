//! Running headers and footers: lines that stand at the top or the bottom of page after page.

use std::collections::HashMap;

use crate::{Defect, DefectKind, draft::Draft};

/// So many lines at either end of a page may be headers or footers.
const EDGE_LINES: usize = 2;
/// On so many pages at least does such a line stand.
const PAGES_MIN: usize = 3;
/// A longer line is text.
const LINE_CHARS_MAX: usize = 120;

/// Whether each line of each page stays. A repeated line stays where it stands first, because it may say what is said nowhere
/// else; a line of nothing but a page's number goes everywhere.
pub(crate) fn kept<'a>(pages: &[Vec<&'a str>], draft: &mut Draft<'_>) -> Vec<Vec<bool>> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for page in pages {
        let mut of_page: Vec<String> = edges(page.len()).filter_map(|i| shape(page[i])).collect();
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
        let is_number = !shape.chars().any(char::is_alphabetic);
        let (_, count) = seen.entry(shape).or_insert((line, 0));
        *count += 1;
        *count == 1 && !is_number
    };
    let kept = pages.iter().map(|page| {
        let edges: Vec<usize> = edges(page.len()).collect();
        page.iter().enumerate().map(|(i, line)| !edges.contains(&i) || keep(line)).collect()
    });
    let kept = kept.collect();
    let mut seen: Vec<(&str, usize)> = seen.into_values().collect();
    seen.sort_unstable();
    for (line, count) in seen {
        draft.defect(Defect::new(DefectKind::RepeatedLine, line.trim()).times(count));
    }
    kept
}

/// The places of lines that may be headers or footers.
fn edges(lines: usize) -> impl Iterator<Item = usize> {
    (0..lines).filter(move |i| *i < EDGE_LINES || i + EDGE_LINES >= lines)
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
        let kept = kept(&pages, &mut draft);
        assert_eq!(kept[0], [true, true, true, true, false]);
        assert_eq!(kept[3], [false, true, true, true, false]);
        let report = draft.finish(crate::Format::Pdf, None, 0).report;
        assert!(report.has(DefectKind::RepeatedLine));
    }
}
