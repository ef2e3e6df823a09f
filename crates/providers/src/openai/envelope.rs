//! What surrounds an answer or a chunk of one: read in one pass that validates all of it and builds nothing.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::json::{EachText, Key, is_given, pass_over_scalars};

/// Fields of a message or delta that carry output. `role` and the like carry none.
const OUTPUT: [&str; 7] = ["content", "tool_calls", "reasoning_content", "reasoning", "refusal", "function_call", "audio"];

/// The fields of interest of an answer or chunk.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    pub error: Option<&'a RawValue>,
    /// Also where it is null.
    pub usage: Option<&'a RawValue>,
    pub model: Option<&'a RawValue>,
    pub fingerprint: Option<&'a RawValue>,
    /// How many choices, where there is a list of them.
    pub choices: Option<u64>,
    /// Bytes of text in all choices' output.
    pub text_bytes: u64,
}

impl<'a> Envelope<'a> {
    /// Reads a JSON object; an error when `text` is anything else, or not valid.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The error that stands where an answer should.
    pub fn error(&self) -> Option<&'a RawValue> {
        self.error.filter(|error| is_given(error) && error.get() != "false")
    }
}

/// The text of a field, if it is one.
pub(super) fn text_of(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut it = Envelope::default();
                while let Some(Key(name)) = map.next_key()? {
                    match name.as_ref() {
                        "choices" => {
                            let mut sum = Sum::default();
                            map.next_value_seed(Output { sum: &mut sum, within: Within::Answer })?;
                            it.choices = sum.choices;
                            it.text_bytes += sum.text_bytes;
                        }
                        "usage" => once(&mut it.usage, &mut map)?,
                        "error" => once(&mut it.error, &mut map)?,
                        "model" => it.model = Some(map.next_value()?),
                        "system_fingerprint" => it.fingerprint = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(it)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// Takes a field that decides something, so it must not stand twice.
fn once<'de, A: MapAccess<'de>>(slot: &mut Option<&'de RawValue>, map: &mut A) -> Result<(), A::Error> {
    match slot.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("a field stands twice")),
    }
}

#[derive(Default)]
struct Sum {
    choices: Option<u64>,
    text_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Answer,
    Choice,
    Message,
}

/// Sums up the output of choices. What does not have the usual shape counts nothing.
struct Output<'s> {
    sum: &'s mut Sum,
    within: Within,
}

impl<'de> DeserializeSeed<'de> for Output<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Output<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.within != Within::Answer {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut choices = 0;
        while seq.next_element_seed(Output { sum: &mut *self.sum, within: Within::Choice })?.is_some() {
            choices += 1;
        }
        self.sum.choices = Some(choices);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            match self.within {
                Within::Choice if name == "delta" || name == "message" => {
                    map.next_value_seed(Output { sum: &mut *self.sum, within: Within::Message })?;
                }
                Within::Message if OUTPUT.contains(&name.as_ref()) => {
                    let text_bytes = &mut self.sum.text_bytes;
                    map.next_value_seed(&mut EachText::new(|text: &str| *text_bytes += text.len() as u64))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    pass_over_scalars!();
}

/// The part of the object `text` to cut out for the field whose value stands at `value`: its name, and one comma.
/// The name has no quotes in it.
pub(super) fn member_at(text: &str, value: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let close = bytes.get(..value.start)?.iter().rposition(|b| *b == b'"')?;
    let open = bytes.get(..close)?.iter().rposition(|b| *b == b'"')?;
    let is_space = |b: &u8| b.is_ascii_whitespace();
    let before = bytes.get(..open)?.iter().rposition(|b| !is_space(b))?;
    if bytes[before] == b',' {
        return Some(before..value.end);
    }
    let after = value.end + bytes.get(value.end..)?.iter().position(|b| !is_space(b))?;
    Some(open..if bytes[after] == b',' { after + 1 } else { value.end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::range_in;

    fn without_usage(text: &str) -> String {
        let cut = member_at(text, range_in(text, Envelope::parse(text).unwrap().usage.unwrap().get())).unwrap();
        format!("{}{}", &text[..cut.start], &text[cut.end..])
    }

    #[test]
    fn a_field_is_cut_out_with_its_comma() {
        for (from, to) in [
            (r#"{"a":1,"usage":null,"b":2}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":1,"usage":null}"#, r#"{"a":1}"#),
            (r#"{"usage":{"x":",\"usage\":"},"b":2}"#, r#"{"b":2}"#),
            (r#"{ "usage" : null , "b":2}"#, r#"{  "b":2}"#),
            (r#"{"usage":null}"#, "{}"),
            (r#"{"a":"\"usage\":null","us\u0061ge": null }"#, r#"{"a":"\"usage\":null" }"#),
        ] {
            assert_eq!(without_usage(from), to);
        }
    }

    #[test]
    fn output_is_summed_over_choices() {
        let text = r#"{"choices":[{"delta":{"role":"assistant","content":"h\u00e9"},"x":[1]},
            {"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}},{"delta":null},{"message":{"content":[{"text":"ab"}]}}]}"#;
        let it = Envelope::parse(text).unwrap();
        assert_eq!((it.choices, it.text_bytes), (Some(4), 3 + 1 + 2 + 2));
        assert_eq!(Envelope::parse(r#"{"choices":"no"}"#).unwrap().choices, None);
        for bad in ["[]", "null", "{\"a\"}", "{} x", r#"{"error":1,"error":null}"#] {
            assert!(Envelope::parse(bad).is_err(), "{bad}");
        }
    }
}
