//! Running headers and footers: lines that stand at the top or the bottom of page after page.

use std::collections::HashMap;

use crate::{Defect, DefectKind, draft::Draft};

/// So many lines at either end of a page may be headers or footers.
const EDGE_LINES: usize = 2;
/// On so many pages at least does such a line stand.
const PAGES_MIN: usize = 3;
/// `Seite 3 von 9` and the like have no more letters, and say nothing.
const NUMBER_LETTERS_MAX: usize = 12;
/// Stands before a number that is relative to its page's; in no text, because control characters are taken out.
const COUNTED: char = '\u{1}';
/// A longer line is text.
const LINE_CHARS_MAX: usize = 120;

/// Whether each line of each page stays. A repeated line stays where it stands first, because it may say what is said nowhere
/// else; a line of little but a number that counts the pages goes everywhere.
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
        let mut of_page: Vec<String> = edges.flat_map(|(_, line)| shapes(line, number)).collect();
        of_page.sort_unstable();
        of_page.dedup();
        for shape in of_page {
            *counts.entry(shape).or_default() += 1;
        }
    }
    let needed = PAGES_MIN.max(pages.len().div_ceil(3));
    counts.retain(|_, count| *count >= needed);
    let mut seen: HashMap<String, (&'a str, usize)> = HashMap::new();
    let mut keep = |line: &'a str, number: usize| {
        let Some(shape) = shapes(line, number).into_iter().find(|shape| counts.contains_key(shape)) else { return true };
        let counts_pages = shape.contains(COUNTED);
        let is_number = counts_pages && line.chars().filter(|c| c.is_alphabetic()).count() <= NUMBER_LETTERS_MAX;
        let (_, count) = seen.entry(shape).or_insert((line, 0));
        *count += 1;
        *count == 1 && !is_number
    };
    let mut kept: Vec<Vec<bool>> = Vec::with_capacity(pages.len());
    for (number, page) in pages.iter().enumerate() {
        kept.push(page.iter().enumerate().map(|(i, line)| !at_edge(number, i) || keep(line, number)).collect());
    }
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

/// What a line may have in common with those of other pages: all of it, or all but its first or last number, which goes up
/// by one from page to page. `Page 3 of 9` counts pages, `Section 3` does not, unless each page has one.
fn shapes(line: &str, page: usize) -> Vec<String> {
    let line = line.trim();
    if line.is_empty() || line.chars().nth(LINE_CHARS_MAX).is_some() {
        return Vec::new();
    }
    let first = line.find(|c: char| c.is_ascii_digit());
    let last = line.rfind(|c: char| c.is_ascii_digit());
    let mut shapes = vec![line.to_owned()];
    if let (Some(first), Some(last)) = (first, last) {
        let first_end = line[first..].find(|c: char| !c.is_ascii_digit()).map_or(line.len(), |length| first + length);
        let last_start = line[..last]
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        shapes.extend(counted(line, first, first_end, page));
        shapes.extend(counted(line, last_start, last + 1, page));
    }
    shapes
}

/// The line with a number relative to its page's.
fn counted(line: &str, start: usize, end: usize, page: usize) -> Option<String> {
    let number: i64 = line[start..end].parse().ok()?;
    Some(format!("{}{COUNTED}{}{}", &line[..start], number - i64::try_from(page).ok()?, &line[end..]))
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
        assert_eq!(shapes("Page 3 of 9", 2)[1], shapes("Page 4 of 9", 3)[1]);
        assert_ne!(shapes("Section 3", 2)[1..], shapes("Section 3", 3)[1..]);
        let report = draft.finish(crate::Format::Pdf, None, 0).report;
        assert!(report.has(DefectKind::RepeatedLine));
    }
}
