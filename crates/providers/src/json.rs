//! Reading foreign JSON: strict, bounded, and without building a tree.

use std::{borrow::Cow, fmt, ops::Range};

use insula_model::{Error, Result};
use memchr::memchr2;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// How deep a body may nest.
pub(crate) const JSON_DEPTH_MAX: usize = 128;
/// How many fields an object may have where its fields are listed.
pub(crate) const FIELDS_MAX: usize = 256;
/// How much of a caller's word a message repeats.
const SHOWN_BYTES_MAX: usize = 64;

/// Checks a body's encoding and depth before anything else looks at it.
pub(crate) fn checked_text(body: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(body).map_err(|_| Error::invalid("the body is not valid UTF-8"))?;
    if exceeds_depth(body, JSON_DEPTH_MAX) {
        return Err(Error::invalid(format!("the body nests deeper than {JSON_DEPTH_MAX} levels")));
    }
    Ok(text)
}

/// Whether brackets outside strings nest deeper than `max`: one pass, so that no parser ever meets a depth bomb.
fn exceeds_depth(body: &[u8], max: usize) -> bool {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(byte) = body.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(body, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Where the string that began before `at` has ended.
pub(crate) fn string_end(body: &[u8], mut at: usize) -> usize {
    while let Some(found) = body.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        let is_end = body[at + found] == b'"';
        at += found + if is_end { 1 } else { 2 };
        if is_end {
            return at;
        }
    }
    body.len()
}

/// An object's fields in their order, values unread. No field stands twice.
#[derive(Debug)]
pub(crate) struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// Lists the fields of the JSON object `text`, which `what` names in messages.
pub(crate) fn members<'a>(text: &'a str, what: &str) -> Result<Members<'a>> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Error::invalid(format!("{what} must be a JSON object")));
    }
    let members: Members<'a> =
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("{what} is not valid JSON: {error}")))?;
    if members.0.len() > FIELDS_MAX {
        return Err(Error::invalid(format!("{what} has more than {FIELDS_MAX} fields")));
    }
    for (place, (name, _)) in members.0.iter().enumerate() {
        if members.0[..place].iter().any(|(other, _)| other == name) {
            let name = shown(name);
            return Err(Error::invalid(format!("the field `{name}` stands twice in {what}")).at(name));
        }
    }
    Ok(members)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(12);
                while let Some(Key(name)) = map.next_key()? {
                    let value = map.next_value()?;
                    // Read on for the syntax, but keep no more than what shows that the bound was passed.
                    if members.len() <= FIELDS_MAX {
                        members.push((name, value));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A text that borrows where it has no escapes.
pub(crate) struct Key<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Where `part`, a piece of `whole`, stands in it.
pub(crate) fn range_in(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// Whether the value is there and not null.
pub(crate) fn is_given(value: &RawValue) -> bool {
    value.get() != "null"
}

/// As much of a caller's word as a message should repeat.
pub(crate) fn shown(word: &str) -> &str {
    &word[..word.floor_char_boundary(SHOWN_BYTES_MAX)]
}

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    out.push(b'"');
    if text.bytes().all(plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                c if u32::from(c) < 0x20 => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// The part of a visitor that takes any number, boolean or null, and does nothing with it.
macro_rules! pass_over_scalars {
    () => {
        fn visit_unit<E>(self) -> std::result::Result<(), E> {
            Ok(())
        }

        fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
            Ok(())
        }
    };
}
pub(crate) use pass_over_scalars;

/// Walks over every string value, at any depth, without keeping any.
pub(crate) struct EachText<F> {
    pub each: F,
    /// Fields of this name are passed over.
    pub skip: Option<&'static str>,
    /// How many were passed over.
    pub skipped: u64,
}

impl<F: FnMut(&str)> EachText<F> {
    pub fn new(each: F) -> Self {
        Self { each, skip: None, skipped: 0 }
    }
}

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for &mut EachText<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str)> Visitor<'de> for &mut EachText<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.each)(text);
        Ok(())
    }

    pass_over_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            if self.skip.is_some_and(|skip| name == skip) {
                map.next_value::<IgnoredAny>()?;
                self.skipped += 1;
            } else {
                map.next_value_seed(&mut *self)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(checked_text(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert!(checked_text(nested(JSON_DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(checked_text("[".repeat(100_000).as_bytes()).is_err());
        let in_string = format!(r#"{{"a":"\"{}\\","b":"{}"}}"#, "[".repeat(500), "{".repeat(500));
        assert!(checked_text(in_string.as_bytes()).is_ok());
        // A string that never ends hides nothing that a parser would accept.
        assert!(checked_text(br#"{"a":"\"#).is_ok());
    }

    #[test]
    fn fields_keep_their_order_and_stand_once() {
        let text = r#" {"b": 1, "a" : [ 2 ], "\u0063":null} "#;
        let fields = members(text, "it").unwrap().0;
        let shown: Vec<_> = fields.iter().map(|(name, value)| (name.as_ref(), value.get())).collect();
        assert_eq!(shown, [("b", "1"), ("a", "[ 2 ]"), ("c", "null")]);
        assert_eq!(&text[range_in(text, fields[1].1.get())], "[ 2 ]");
        let twice = members(r#"{"a":1,"\u0061":2}"#, "it").unwrap_err();
        assert_eq!(twice.param(), Some("a"));
        assert!(members("[1]", "it").is_err() && members("{", "it").is_err() && members("{} {}", "it").is_err());
    }

    #[test]
    fn fields_are_bounded() {
        let many: Vec<String> = (0..10_000).map(|i| format!("\"f{i}\":0")).collect();
        let error = members(&format!("{{{}}}", many.join(",")), "it").unwrap_err();
        assert!(error.message().contains("more than 256 fields"));
    }

    #[test]
    fn strings_are_written_as_json() {
        for text in ["plain/name", "quo\"te", "back\\slash", "line\nbreak", "\u{1}", "äöü"] {
            let mut out = Vec::new();
            push_string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
