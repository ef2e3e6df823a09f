//! Numbers of passages in brackets, as models write them without a quote: `[2]`, `[1, 2]`, `[^1]`, `[**1**]`, `【1】`.

/// Addresses of links: what begins otherwise leads nowhere, and would only make a number look like more than it is.
const SCHEMES: [&str; 3] = ["https://", "http://", "mailto:"];

/// Signs that part numbers.
fn parts(c: char) -> bool {
    matches!(c, ',' | ';' | '-' | '–' | '&' | '，' | '；' | '、') || c.is_whitespace()
}

/// Signs that stand around a number and are seen otherwise, or not at all: emphasis, a footnote's caret, an escape, what has no width.
fn adorns(c: char) -> bool {
    matches!(c, '*' | '_' | '^' | '~' | '#' | '`' | '\\' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A digit, also a wide one.
fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32),
        _ => None,
    }
}

/// Whether a character may stand in such brackets.
pub(super) fn may_hold(c: char) -> bool {
    digit(c).is_some() || parts(c) || adorns(c)
}

pub(super) fn opens(c: char) -> bool {
    matches!(c, '[' | '［' | '【')
}

pub(super) fn closes(c: char) -> bool {
    matches!(c, ']' | '］' | '】')
}

/// Whether it holds numbers of sources and nothing else.
pub(super) fn names_sources(inner: &str, sources: u64) -> bool {
    let mut numbers = inner.split(parts).map(|part| part.trim_matches(adorns)).filter(|part| !part.is_empty()).peekable();
    let is_source = |part: &str| {
        let digits: Option<String> = part.chars().map(digit).collect();
        digits.and_then(|digits| digits.parse().ok()).is_some_and(|number: u64| (1..=sources).contains(&number))
    };
    numbers.peek().is_some() && numbers.all(is_source)
}

/// Whether what stands between round brackets leads somewhere.
pub(super) fn is_address(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '<']).to_ascii_lowercase();
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_sources_are_known() {
        for inner in
            ["1", " 1 ", "^1", "**1**", "1, 2", "1-3", "1–3", "**1**, *2*", "2\\", "１", "\u{200b}3", "1\n2", "1、2", "1,"]
        {
            assert!(names_sources(inner, 3), "{inner}");
        }
        for inner in ["", " ", "-", "x", "4", "0", "1, 4", "1*2", "1.5", "99999999999999999999999"] {
            assert!(!names_sources(inner, 3), "{inner}");
        }
    }

    #[test]
    fn a_link_leads_somewhere() {
        assert!(is_address("https://example.org/") && is_address(" <HTTP://x>") && is_address("mailto:a@b"));
        assert!(!is_address("#") && !is_address("page") && !is_address("http:") && !is_address("x:y"));
    }
}
