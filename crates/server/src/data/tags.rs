//! `x-insula-tags`: labels for a request's bill, beside its body.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use insula_model::{Error, Result};

const TAGS: HeaderName = HeaderName::from_static("x-insula-tags");
const SHOWN: &str = "x-insula-tags";

/// Labels of one request, and the characters of their names and values: as many as OpenAI's `metadata` may have.
const TAGS_MAX: usize = 16;
const NAME_CHARS_MAX: usize = 64;
const VALUE_CHARS_MAX: usize = 512;

/// Reads `team=search, feature=faq`: names and values percent-encoded, in one header or in several.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`], naming the header.
pub(super) fn read(headers: &HeaderMap) -> Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for value in headers.get_all(TAGS) {
        let text = value.to_str().map_err(|_| wrong("is not ASCII; write other characters percent-encoded"))?;
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| wrong("is a list such as `team=search, feature=faq`"))?;
            let (name, value) = (decoded(name.trim())?, decoded(value.trim())?);
            if !is_text(&name, 1, NAME_CHARS_MAX) || !is_text(&value, 0, VALUE_CHARS_MAX) {
                return Err(wrong(&format!(
                    "takes names of 1 to {NAME_CHARS_MAX} and values of up to {VALUE_CHARS_MAX} characters, no control characters"
                )));
            }
            if tags.insert(name, value).is_some() {
                return Err(wrong("names a label twice"));
            }
            if tags.len() > TAGS_MAX {
                return Err(wrong(&format!("takes at most {TAGS_MAX} labels")));
            }
        }
    }
    Ok(tags)
}

fn wrong(why: &str) -> Error {
    Error::invalid(format!("`{SHOWN}` {why}")).at(SHOWN)
}

fn is_text(text: &str, chars_min: usize, chars_max: usize) -> bool {
    (chars_min..=chars_max).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Text without its percent-encoding (RFC 3986, section 2.1).
fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong("has a `%` without two digits behind it")) };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8 once it is decoded"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (TAGS, HeaderValue::from_str(line).expect("a header"))).collect()
    }

    #[test]
    fn reads_lists_in_one_header_or_in_several() {
        assert!(read(&HeaderMap::new()).expect("none").is_empty());
        let tags = read(&headers(&["team=search, feature = faq,", "note=a%2Cb%3Dc %C3%A9,empty="])).expect("tags");
        let want = [("team", "search"), ("feature", "faq"), ("note", "a,b=c é"), ("empty", "")];
        assert_eq!(tags, want.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn what_is_wrong_names_the_header() {
        let many: Vec<String> = (0..=TAGS_MAX).map(|n| format!("t{n}=x")).collect();
        let (many, long) = (many.join(","), format!("t={}", "x".repeat(VALUE_CHARS_MAX + 1)));
        for line in ["team", "=x", "a=1,a=2", "a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "é=1", &many, &long] {
            assert_eq!(read(&headers(&[line])).expect_err(line).param(), Some(SHOWN), "{line}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(line in "[ -~]{0,80}") {
            let _ = read(&headers(&[&line]));
        }
    }
}
