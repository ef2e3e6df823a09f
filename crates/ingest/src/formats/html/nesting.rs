//! How deep the elements of a page lie, by its tags alone.

use std::collections::HashMap;

/// They end by themselves, or hold nothing.
const NEVER_DEEP: &[&str] = &[
    "p", "li", "dt", "dd", "td", "th", "tr", "tbody", "thead", "tfoot", "option", "optgroup", "colgroup", "rt", "rp", "br",
    "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr", "param", "html", "head",
    "body",
];

/// Where the page goes deeper than this many elements.
pub(super) fn too_deep(page: &str, depth_max: usize) -> Option<usize> {
    let bytes = page.as_bytes();
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = page[at..].find('<') {
        let start = at + found;
        at = start + 1;
        if page[at..].starts_with("!--") {
            at = page[at..].find("-->").map_or(page.len(), |end| at + end + 3);
            continue;
        }
        let closes = bytes.get(at) == Some(&b'/');
        let name_at = at + usize::from(closes);
        let length = page[name_at..].bytes().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
        if length == 0 || !bytes[name_at].is_ascii_alphabetic() {
            continue;
        }
        let name = page[name_at..name_at + length].to_ascii_lowercase();
        at = name_at + length;
        if NEVER_DEEP.contains(&name.as_str()) {
            continue;
        }
        let of_name = open.entry(name).or_default();
        if !closes {
            *of_name += 1;
            depth += 1;
        } else if *of_name > 0 {
            *of_name -= 1;
            depth -= 1;
        }
        if depth > depth_max {
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_by_what_stays_open() {
        assert_eq!(too_deep(&"<p>a<li>b<div>c</div>".repeat(500), 10), None);
        assert_eq!(too_deep(&"<div>".repeat(20), 10), Some(50));
        assert_eq!(too_deep(&"<b><i></b></i>".repeat(100), 10), None);
        assert_eq!(too_deep("<!-- <div><div> --><div>", 1), None);
        assert_eq!(too_deep("a < b <", 1), None);
        assert_eq!(too_deep(&"</div><div>".repeat(5), 1), None);
    }
}
