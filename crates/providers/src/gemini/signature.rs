//! The vendor's seals on tool calls, kept in the calls' ids.
//!
//! Gemini 3 refuses a conversation whose last calls come back without the `thoughtSignature` that they were made with. Chat Completions
//! has no field for it, and few clients bring back fields that they do not know, but all of them repeat a call's id. So the seal stands
//! behind the id, in letters that every vendor takes in ids. Toward other vendors it is taken off again: it says nothing to them, and
//! OpenAI takes ids of at most 40 characters.

use bytes::Bytes;
use memchr::memmem;

/// Between a call's id and its seal.
const MARK: &str = "__sig_";

/// What Google's "Thought signatures" documents for calls that another model made: it is taken in place of a seal.
pub(super) const FOREIGN: &str = "skip_thought_signature_validator";

/// An id that holds the seal; the id alone where the seal is not the base64 that it should be.
pub(super) fn sealed(id: &str, signature: Option<&str>) -> String {
    let signature = signature.map(|text| text.trim_end_matches('=')).filter(|text| !text.is_empty());
    match signature {
        Some(text) if text.bytes().all(|b| is_plain(b) || matches!(b, b'+' | b'/')) => {
            format!("{id}{MARK}{}", text.replace('+', "-").replace('/', "_"))
        }
        _ => id.to_owned(),
    }
}

/// An id and the seal in it, as the vendor wrote it.
pub(super) fn unsealed(id: &str) -> (&str, Option<String>) {
    let Some((id, signature)) = id.split_once(MARK) else { return (id, None) };
    let mut signature = signature.replace('-', "+").replace('_', "/");
    while !signature.len().is_multiple_of(4) {
        signature.push('=');
    }
    (id, Some(signature))
}

/// A JSON text whose strings that are sealed ids from end to end have no seals any more.
pub(crate) fn without_signatures(body: &Bytes) -> Bytes {
    let mut out = Vec::new();
    let mut done = 0;
    for mark in memmem::find_iter(body, MARK) {
        let (before, after) = body.split_at(mark);
        let id = before.iter().rev().take_while(|b| is_plain(**b)).count();
        let seal = after.iter().take_while(|b| is_plain(**b)).count();
        let is_whole = id > 0 && body.get(mark - id - 1) == Some(&b'"') && after.get(seal) == Some(&b'"');
        // A backslash before the quote: it belongs to the text around.
        let is_escaped = [mark.checked_sub(id + 2), Some(mark + seal - 1)].into_iter().flatten().any(|at| body[at] == b'\\');
        if mark >= done && is_whole && !is_escaped {
            out.extend_from_slice(&body[done..mark]);
            done = mark + seal;
        }
    }
    if done == 0 {
        return body.clone();
    }
    out.extend_from_slice(&body[done..]);
    out.into()
}

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_come_back_as_they_were() {
        for signature in ["QUJD", "QUI=", "QQ==", "+/+/"] {
            let id = sealed("call_1", Some(signature));
            assert!(id.bytes().all(is_plain), "{id}");
            assert_eq!(unsealed(&id), ("call_1", Some(signature.to_owned())));
        }
        for none in [None, Some(""), Some("not base64!")] {
            assert_eq!(sealed("call_1", none), "call_1");
        }
        assert_eq!(unsealed("toolu_01"), ("toolu_01", None));
    }

    #[test]
    fn only_whole_ids_lose_their_seals() {
        for (from, to) in [
            (r#"{"id":"call_1__sig_QUJD","x":["a__sig_b"]}"#, r#"{"id":"call_1","x":["a"]}"#),
            (r#"{"content":"it is call_1__sig_QUJD, she said"}"#, r#"{"content":"it is call_1__sig_QUJD, she said"}"#),
            (r#"{"content":"\"call_1__sig_QUJD\""}"#, r#"{"content":"\"call_1__sig_QUJD\""}"#),
            (r#"{"id":"__sig_QUJD"}"#, r#"{"id":"__sig_QUJD"}"#),
            (r#"{"id":"a__sig_b__sig_c"}"#, r#"{"id":"a"}"#),
            ("__sig_", "__sig_"),
        ] {
            assert_eq!(without_signatures(&Bytes::from_static(from.as_bytes())), to, "{from}");
        }
    }
}
