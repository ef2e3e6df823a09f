//! What a request asks, in one form whatever order its fields came in, and whether the same answer may be given again.

use insula_model::Result;
use serde_json::value::RawValue;

use crate::json::{Key, Members, is_given, members, push_string, string_end};

/// Fields that name who asks, label the request or say how the answer travels. None of them changes what is answered.
const LEFT_OUT: [&str; 3] = ["user", "metadata", "stream"];

/// Fields by which an answer depends on more than the request, with what is said of them.
const NEVER: [(&str, &str); 10] = [
    ("tools", TOOLS),
    ("functions", TOOLS),
    ("plugins", TOOLS),
    ("mcp_servers", TOOLS),
    ("web_search_options", TOOLS),
    ("previous_response_id", "state at the provider"),
    ("conversation", "state at the provider"),
    ("container", "state at the provider"),
    ("prompt", "state at the provider"),
    ("audio", "audio"),
];

const TOOLS: &str = "tools";

/// A request that is larger is not looked at.
const BYTES_MAX: usize = 4 << 20;

/// A request in one form: fields in one order, without spaces between them, each text written in one way.
///
/// # Errors
/// In a word or two, why no answer may be given to it again.
pub fn question(body: &[u8], is_stream: bool) -> Result<Vec<u8>, &'static str> {
    if body.len() > BYTES_MAX {
        return Err("size");
    }
    let text = std::str::from_utf8(body).map_err(|_| "form")?;
    let Members(mut fields) = members(text, "the body").map_err(|_| "form")?;
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut out = Vec::with_capacity(body.len());
    for (name, value) in fields {
        check(&name, value)?;
        // How a stream is to be written shows in its bytes; of a whole answer it says nothing.
        if LEFT_OUT.contains(&name.as_ref()) || (name == "stream_options" && !is_stream) {
            continue;
        }
        push_string(&mut out, &name);
        Form { text: value.get().as_bytes(), at: 0, out: &mut out }.value();
    }
    Ok(out)
}

/// Refuses what makes an answer depend on more than the request.
fn check(name: &str, value: &RawValue) -> Result<(), &'static str> {
    if !is_given(value) {
        return Ok(());
    }
    if let Some((_, why)) = NEVER.iter().find(|(never, _)| *never == name) {
        return if is_empty_list(value) { Ok(()) } else { Err(why) };
    }
    match name {
        "store" | "background" if value.get() == "true" => Err("state at the provider"),
        // Who asks for several wants them to differ, and others the next time.
        "n" if value.get() != "1" => Err("several choices"),
        "modalities" if value.get().contains("audio") => Err("audio"),
        "messages" | "input" => check_messages(value),
        _ => Ok(()),
    }
}

fn is_empty_list(value: &RawValue) -> bool {
    serde_json::from_str::<Vec<&RawValue>>(value.get()).is_ok_and(|list| list.is_empty())
}

/// Refuses turns of a tool, and what stands behind an address: that may change.
fn check_messages(messages: &RawValue) -> Result<(), &'static str> {
    let messages: Vec<&RawValue> = serde_json::from_str(messages.get()).unwrap_or_default();
    for message in messages {
        let Ok(Members(fields)) = serde_json::from_str::<Members<'_>>(message.get()) else { continue };
        for (name, value) in fields {
            match name.as_ref() {
                "tool_calls" | "function_call" | "tool_call_id" if is_given(value) => return Err(TOOLS),
                "role" if ["\"tool\"", "\"function\""].contains(&value.get()) => return Err(TOOLS),
                "content" if value.get().starts_with('[') => check_parts(value)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn check_parts(parts: &RawValue) -> Result<(), &'static str> {
    let parts: Vec<&RawValue> = serde_json::from_str(parts.get()).unwrap_or_default();
    for part in parts {
        let Ok(Members(fields)) = serde_json::from_str::<Members<'_>>(part.get()) else { continue };
        for (name, value) in fields {
            match name.as_ref() {
                "image_url" if !value.get().contains("\"data:") => return Err("an address"),
                "input_audio" | "audio_url" | "audio" if is_given(value) => return Err("audio"),
                "video_url" | "file" if is_given(value) => return Err("an address"),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Writes JSON that is known to be well formed in one form, in one pass.
struct Form<'a> {
    text: &'a [u8],
    at: usize,
    out: &'a mut Vec<u8>,
}

impl Form<'_> {
    fn value(&mut self) {
        match self.next() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => self.string(),
            Some(_) => self.scalar(),
            None => {}
        }
    }

    /// The next byte that is no space; it is not passed.
    fn next(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Passes what opens a list, parts its elements or ends it. Whether an element follows.
    fn goes_on(&mut self, end: u8) -> bool {
        let is_end = self.next() == Some(end);
        self.at += 1;
        if is_end {
            return false;
        }
        let is_empty = self.next().is_none_or(|byte| byte == end);
        self.at += usize::from(is_empty);
        !is_empty
    }

    fn array(&mut self) {
        self.out.push(b'[');
        while self.goes_on(b']') {
            self.value();
            self.out.push(b',');
        }
        self.out.push(b']');
    }

    fn object(&mut self) {
        self.out.push(b'{');
        let start = self.out.len();
        let mut fields = Vec::new();
        while self.goes_on(b'}') {
            let begun = self.out.len();
            self.string();
            let name = begun..self.out.len();
            // The colon.
            self.next();
            self.at += 1;
            self.value();
            self.out.push(b',');
            fields.push((name, begun..self.out.len()));
        }
        let out = &*self.out;
        if !fields.is_sorted_by(|(one, _), (other, _)| out[one.clone()] <= out[other.clone()]) {
            fields.sort_by(|(one, _), (other, _)| out[one.clone()].cmp(&out[other.clone()]));
            let sorted: Vec<u8> = fields.iter().flat_map(|(_, field)| &out[field.clone()]).copied().collect();
            self.out.truncate(start);
            self.out.extend_from_slice(&sorted);
        }
        self.out.push(b'}');
    }

    fn string(&mut self) {
        self.next();
        let end = string_end(self.text, self.at + 1);
        let raw = &self.text[self.at..end];
        self.at = end;
        match serde_json::from_slice::<Key<'_>>(raw) {
            Ok(Key(text)) if raw.contains(&b'\\') => push_string(self.out, &text),
            // As it stands: without escapes, or with halves of a character that no text can hold.
            _ => self.out.extend_from_slice(raw),
        }
    }

    /// A number as it was written, `true`, `false` or `null`.
    fn scalar(&mut self) {
        while let Some(byte) = self.text.get(self.at).filter(|byte| !matches!(byte, b',' | b'}' | b']')) {
            if !byte.is_ascii_whitespace() {
                self.out.push(*byte);
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn form(text: &str) -> String {
        let mut out = Vec::new();
        Form { text: text.as_bytes(), at: 0, out: &mut out }.value();
        String::from_utf8(out).unwrap()
    }

    fn asked(body: &str) -> Result<Vec<u8>, &'static str> {
        question(body.as_bytes(), body.contains(r#""stream":true"#))
    }

    #[test]
    fn there_is_one_form() {
        assert_eq!(form(r#" { "b" : [ 1 , 2.50 , {} , [ ] ] , "a" : "x" } "#), r#"{"a""x","b"[1,2.50,{},[],],}"#);
        assert_eq!(form(r#"{"a":"\u0041\n"}"#), form("{\"a\":\"A\\n\"}"));
        assert_ne!(form(r#"{"a":1}"#), form(r#"{"a":1.0}"#), "numbers count as they are written");
        assert_ne!(form(r#"[["a"],"b"]"#), form(r#"[["a","b"]]"#));
        assert_ne!(form(r#"[1,2]"#), form(r#"[12]"#));
        assert_ne!(form(r#"[18446744073709551617]"#), form(r#"[18446744073709551618]"#));
    }

    #[test]
    fn what_changes_no_answer_is_left_out() {
        let plain = asked(r#"{"model":"m","messages":[]}"#).unwrap();
        assert_eq!(asked(r#"{"messages":[],"user":"ada","metadata":{"a":"b"},"model":"m","stream":false}"#).unwrap(), plain);
        assert!(asked(r#"{"messages":[],"model":"m","tools":[ ],"stream_options":null}"#).is_ok());
        assert_ne!(asked(r#"{"model":"m","messages":[],"temperature":0}"#).unwrap(), plain);
        let usage = r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;
        assert_ne!(asked(usage).unwrap(), asked(r#"{"model":"m","messages":[],"stream":true}"#).unwrap());
    }

    #[test]
    fn some_questions_have_no_lasting_answer() {
        let refused = |field: &str| asked(&format!(r#"{{"model":"m",{field}}}"#)).unwrap_err();
        assert_eq!(refused(r#""tools":[{"type":"function"}]"#), "tools");
        assert_eq!(refused(r#""messages":[{"role":"tool","content":"5"}]"#), "tools");
        assert_eq!(refused(r#""messages":[{"role":"assistant","tool_calls":[{}]}]"#), "tools");
        assert_eq!(refused(r#""store":true"#), "state at the provider");
        assert_eq!(refused(r#""previous_response_id":"resp_1""#), "state at the provider");
        assert_eq!(refused(r#""n":2"#), "several choices");
        let image = |url: &str| {
            format!(r#""messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]"#)
        };
        assert_eq!(refused(&image("https://example.com/now.png")), "an address");
        assert!(asked(&format!(r#"{{"model":"m",{}}}"#, image("data:image/png;base64,AA"))).is_ok());
        assert!(asked(r#"{"model":"m","n":1,"store":false,"tools":null}"#).is_ok());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..5).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        /// Two values have one form exactly when they are equal, however they are written.
        #[test]
        fn equal_values_and_only_they_have_one_form(one in any_json(), other in any_json()) {
            let (written, pretty) = (one.to_string(), serde_json::to_string_pretty(&one).unwrap());
            prop_assert_eq!(form(&written), form(&pretty));
            prop_assert_eq!(form(&written) == form(&other.to_string()), one == other);
        }
    }
}
