//! A request's text, and the few places of it that the wire form changes. All else goes upstream byte for byte.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    Isolation, ModelCard, OutputLimitField,
    json::{self, members, push_string},
};

/// Room for what the wire form adds: a longer model name, a limit, the wish for usage.
const GROWTH_BYTES: usize = 160;

/// A field whose value the wire form may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Model,
    Limit(OutputLimitField),
    StreamOptions,
    /// What a salted line goes before.
    Messages,
    /// A field of this name that goes upstream only hashed.
    Salted(&'static str),
}

/// A request's text with the places that may change, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    text: Bytes,
    spots: Vec<(Field, Range<usize>)>,
}

/// What the wire form says differently.
pub(crate) struct Rewrite<'a> {
    pub card: &'a ModelCard,
    /// The field in which the provider takes its limit.
    pub limit_field: OutputLimitField,
    /// The most tokens that an answer may have, if it is limited.
    pub limit: Option<u64>,
    /// Whether usage is to be asked for in a stream.
    pub ask_usage: bool,
    /// How it is kept apart from others' requests.
    pub isolation: Option<Isolation<'a>>,
}

impl Rewrite<'_> {
    /// The field that keeps its cached prompts apart.
    fn cache_field(&self) -> Option<&'static str> {
        self.isolation.and_then(|isolation| isolation.cache.field())
    }
}

impl Body {
    /// `text` is a JSON object in UTF-8; `spots` hold the values of its changeable fields, in their order.
    pub fn new(text: Bytes, spots: Vec<(Field, Range<usize>)>) -> Self {
        Self { text, spots }
    }

    /// The text as it came.
    pub fn raw(&self) -> &Bytes {
        &self.text
    }

    fn value(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn has(&self, field: Field) -> bool {
        self.spots.iter().any(|(other, _)| *other == field)
    }

    /// The wire form.
    pub fn rewritten(&self, rewrite: &Rewrite<'_>) -> Bytes {
        let mut out = Vec::with_capacity(self.text.len() + GROWTH_BYTES);
        let mut done = 0;
        for (field, range) in &self.spots {
            match field {
                Field::Model => {
                    self.copy(&mut out, &mut done, range.start);
                    push_string(&mut out, &rewrite.card.upstream_model);
                }
                Field::StreamOptions if rewrite.ask_usage => {
                    self.copy(&mut out, &mut done, range.start);
                    push_with_usage(&mut out, self.value(range));
                }
                Field::StreamOptions => continue,
                Field::Messages => {
                    self.put_line(&mut out, &mut done, range, rewrite);
                    continue;
                }
                Field::Salted(name) => self.put_salted(&mut out, &mut done, name, range, rewrite),
                Field::Limit(named) => self.put_limit(&mut out, &mut done, *named, range, rewrite),
            }
            done = range.end;
        }
        // Fields that are missing go before the last brace.
        let end = self.text.iter().rposition(|b| *b == b'}').unwrap_or(self.text.len());
        self.copy(&mut out, &mut done, end);
        if rewrite.ask_usage && !self.has(Field::StreamOptions) {
            out.extend_from_slice(br#","stream_options":{"include_usage":true}"#);
        }
        if let (Some(isolation), Some(field)) = (&rewrite.isolation, rewrite.cache_field())
            && !self.has(Field::Salted(field))
        {
            out.push(b',');
            push_string(&mut out, field);
            out.push(b':');
            push_string(&mut out, &isolation.salt.of(field, ""));
        }
        let is_limited = self.has(Field::Limit(OutputLimitField::MaxTokens))
            || self.has(Field::Limit(OutputLimitField::MaxCompletionTokens));
        if let (Some(limit), false) = (rewrite.limit, is_limited) {
            out.push(b',');
            push_string(&mut out, rewrite.limit_field.name());
            out.push(b':');
            push_number(&mut out, limit);
        }
        self.copy(&mut out, &mut done, self.text.len());
        out.into()
    }

    fn copy(&self, out: &mut Vec<u8>, done: &mut usize, until: usize) {
        out.extend_from_slice(self.value(&(*done..until)));
        *done = until;
    }

    /// Puts the salted line before the first message, where one is wanted.
    fn put_line(&self, out: &mut Vec<u8>, done: &mut usize, range: &Range<usize>, rewrite: &Rewrite<'_>) {
        if let Some(isolation) = rewrite.isolation.filter(Isolation::prefixes) {
            self.copy(out, done, range.start + 1);
            out.extend_from_slice(br#"{"role":"system","content":"#);
            push_string(out, &isolation.salt.line());
            out.extend_from_slice(b"},");
        }
    }

    /// A caller's word goes upstream as a hash that nobody else's same word has. What is no text is left for the provider to refuse.
    fn put_salted(&self, out: &mut Vec<u8>, done: &mut usize, name: &str, range: &Range<usize>, rewrite: &Rewrite<'_>) {
        let word = serde_json::from_slice::<Option<String>>(self.value(range)).ok();
        self.copy(out, done, range.start);
        match (&rewrite.isolation, word) {
            (Some(isolation), Some(Some(word))) => push_string(out, &isolation.salt.of(name, &word)),
            (Some(isolation), Some(None)) if rewrite.cache_field() == Some(name) => {
                push_string(out, &isolation.salt.of(name, ""));
            }
            _ => out.extend_from_slice(self.value(range)),
        }
    }

    /// The limit travels in the one field that the provider heeds: a server that ignores the other would write on, past
    /// what was reserved.
    fn put_limit(
        &self,
        out: &mut Vec<u8>,
        done: &mut usize,
        named: OutputLimitField,
        range: &Range<usize>,
        rewrite: &Rewrite<'_>,
    ) {
        let wanted = rewrite.limit_field;
        if named != wanted && self.has(Field::Limit(wanted)) {
            self.copy(out, done, range.start);
            out.extend_from_slice(b"null");
            return;
        }
        if named != wanted
            && let Some(name) = self.name_before(range.start)
        {
            self.copy(out, done, name.start);
            push_string(out, wanted.name());
            *done = name.end;
        }
        self.copy(out, done, range.start);
        match rewrite.limit {
            Some(limit) => push_number(out, limit),
            None => out.extend_from_slice(self.value(range)),
        }
    }

    /// Where the name of the field stands whose value begins at `value`, quotes included. Only for names without quotes
    /// in them: escaped or not, those have exactly two.
    fn name_before(&self, value: usize) -> Option<Range<usize>> {
        let last = self.value(&(0..value)).iter().rposition(|b| *b == b'"')?;
        let first = self.value(&(0..last)).iter().rposition(|b| *b == b'"')?;
        Some(first..last + 1)
    }
}

/// A request's body with its fields in the order of their names, each value byte for byte: two requests that differ only in their order
/// become one, for caches that compare them. A body that is no object stays as it is.
pub fn normalised(body: Bytes) -> Bytes {
    let fields = std::str::from_utf8(&body).ok().and_then(|text| members(text, "the body").ok());
    let Some(json::Members(mut fields)) = fields.filter(|fields| !fields.0.is_empty()) else { return body };
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut out = Vec::with_capacity(body.len());
    for (name, value) in &fields {
        out.push(if out.is_empty() { b'{' } else { b',' });
        push_string(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    out.into()
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// Stream options (an object or null) with usage asked for.
fn push_with_usage(out: &mut Vec<u8>, options: &[u8]) {
    out.push(b'{');
    let fields = std::str::from_utf8(options).ok().and_then(|text| members(text, "stream_options").ok());
    for (name, value) in fields.into_iter().flat_map(|json::Members(fields)| fields) {
        if name != "include_usage" {
            push_string(out, &name);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
            out.push(b',');
        }
    }
    out.extend_from_slice(br#""include_usage":true}"#);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normalised_body_has_one_order() {
        let order = |body: &'static str| String::from_utf8(normalised(Bytes::from_static(body.as_bytes())).to_vec()).unwrap();
        let wanted = r#"{"a":{"z":1.0,"b":[]},"model":"m","n":1}"#;
        assert_eq!(order(r#"{"n":1, "model":"m","a":{"z":1.0,"b":[]}}"#), wanted);
        assert_eq!(order(r#" {"a":{"z":1.0,"b":[]}, "n": 1,"model" :"m"} "#), wanted);
        assert_eq!(order(wanted), wanted);
        assert_eq!((order("{}"), order("[1]")), ("{}".to_owned(), "[1]".to_owned()));
    }
}
