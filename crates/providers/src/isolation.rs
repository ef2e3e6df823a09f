//! What keeps one tenant's prompts, cached at a provider, from another's: whoever guesses a prompt must not learn by its price or speed
//! that somebody else has sent it. And what keeps names of end users from the provider.
//!
//! This crate is told a [`Salt`] and never whose it is.

use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use insula_model::chat::{self, Part, Role};
use serde_json::value::RawValue;
use sha2::Sha256;

use crate::{
    Tokenizer, Wire,
    json::{is_given, members, push_string},
    request::MESSAGE_TOKENS,
};

/// How a provider is told whose cached prompts may be used for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheIsolation {
    /// Not at all: it has no word for it.
    #[default]
    None,
    /// By OpenAI's `prompt_cache_key`.
    PromptCacheKey,
    /// By vLLM's `cache_salt`.
    CacheSalt,
    /// By a salted line before all others: caches are found by what a prompt begins with. It costs [`Salt::PREFIX_TOKENS_MAX`].
    Prefix,
}

impl CacheIsolation {
    /// The field of a Chat Completions request that says it.
    pub(crate) fn field(self) -> Option<&'static str> {
        match self {
            CacheIsolation::PromptCacheKey => Some("prompt_cache_key"),
            CacheIsolation::CacheSalt => Some("cache_salt"),
            CacheIsolation::None | CacheIsolation::Prefix => None,
        }
    }
}

/// A secret of its own for each set of prompts that may share a cache.
#[derive(Clone)]
pub struct Salt(Hmac<Sha256>);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[salt]")
    }
}

impl Salt {
    /// At most so many tokens are what a salted line costs: it has as many bytes, in whatever form it is sent.
    pub const PREFIX_TOKENS_MAX: u64 = 64;

    /// From a keyed hash that nobody outside knows.
    pub fn new(secret: Hmac<Sha256>) -> Self {
        Self(secret)
    }

    /// What stands upstream for a caller's word: 32 hexadecimal digits. Words of different fields never look alike.
    pub(crate) fn of(&self, field: &str, word: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(field.as_bytes());
        mac.update(&[0]);
        mac.update(word.as_bytes());
        mac.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// How many tokens the salted line adds in the form in which it is sent: a message of its own with its marks, or a text before those
    /// of the instructions. Blocking: call it off the async threads.
    pub fn line_tokens(&self, wire: Wire, tokenizer: Tokenizer) -> u64 {
        let marks = match wire {
            Wire::ChatCompletions => MESSAGE_TOKENS + tokenizer.count("system"),
            Wire::Messages | Wire::GenerateContent => 0,
        };
        marks + tokenizer.count(&self.line())
    }

    /// The line that stands before all others.
    pub(crate) fn line(&self) -> String {
        format!("[{}]", &self.of("prefix", "")[..16])
    }
}

/// How a request is kept apart from those of others.
#[derive(Debug, Clone, Copy)]
pub struct Isolation<'a> {
    /// Its salt.
    pub salt: &'a Salt,
    /// How the provider is told.
    pub cache: CacheIsolation,
}

impl Isolation<'_> {
    /// Whether a salted line goes before the prompt.
    pub(crate) fn prefixes(&self) -> bool {
        self.cache == CacheIsolation::Prefix
    }

    /// The request with the line before it and the user's name hashed.
    pub(crate) fn apply(&self, request: &mut chat::Request) {
        request.user = request.user.take().map(|user| self.salt.of("user", &user));
        if self.prefixes() {
            request.messages.insert(0, chat::Message { role: Role::System, parts: vec![Part::Text(self.salt.line())] });
        }
    }

    /// A translated request in the form of Chat Completions with the field that keeps its cached prompts apart.
    pub(crate) fn keyed(&self, body: Bytes) -> Bytes {
        let (Some(field), Some(object)) = (self.cache.field(), body.strip_suffix(b"}")) else { return body };
        let mut out = object.to_vec();
        out.extend_from_slice(format!(r#","{field}":"{}"}}"#, self.salt.of(field, "")).as_bytes());
        out.into()
    }

    /// A request in Anthropic's form with the line before its `system` and `metadata.user_id` hashed.
    pub(crate) fn applied_to_messages(&self, body: &Bytes) -> Bytes {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let Ok(fields) = members(text, "the body") else { return body.clone() };
        let mut out = Vec::with_capacity(body.len() + 160);
        let mut has_system = false;
        for (name, value) in &fields.0 {
            open_field(&mut out, name);
            match name.as_ref() {
                "metadata" => self.push_metadata(&mut out, value),
                "system" if self.prefixes() => {
                    has_system = true;
                    self.push_system(&mut out, value);
                }
                _ => out.extend_from_slice(value.get().as_bytes()),
            }
        }
        if self.prefixes() && !has_system {
            open_field(&mut out, "system");
            push_string(&mut out, &self.salt.line());
        }
        out.push(b'}');
        out.into()
    }

    fn push_metadata(&self, out: &mut Vec<u8>, value: &RawValue) {
        let Ok(fields) = members(value.get(), "metadata") else { return out.extend_from_slice(value.get().as_bytes()) };
        out.push(b'{');
        for (place, (name, value)) in fields.0.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            push_string(out, name);
            out.push(b':');
            match serde_json::from_str::<String>(value.get()) {
                Ok(user) if name == "user_id" => push_string(out, &self.salt.of("user", &user)),
                _ => out.extend_from_slice(value.get().as_bytes()),
            }
        }
        out.push(b'}');
    }

    /// A text or an array of blocks; either becomes an array whose first block is the line.
    fn push_system(&self, out: &mut Vec<u8>, value: &RawValue) {
        out.extend_from_slice(br#"[{"type":"text","text":"#);
        push_string(out, &self.salt.line());
        out.push(b'}');
        let blocks = value.get().trim();
        match blocks.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::trim) {
            Some("") => {}
            Some(blocks) => {
                out.push(b',');
                out.extend_from_slice(blocks.as_bytes());
            }
            None if is_given(value) => {
                out.extend_from_slice(br#",{"type":"text","text":"#);
                out.extend_from_slice(blocks.as_bytes());
                out.push(b'}');
            }
            None => {}
        }
        out.push(b']');
    }
}

fn open_field(out: &mut Vec<u8>, name: &str) {
    out.push(if out.is_empty() { b'{' } else { b',' });
    push_string(out, name);
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salt(secret: &[u8]) -> Salt {
        Salt::new(Hmac::new_from_slice(secret).unwrap())
    }

    #[test]
    fn words_are_told_apart_by_salt_and_field() {
        let (one, other) = (salt(b"one"), salt(b"other"));
        let word = one.of("user", "ada");
        assert!(word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(word, one.of("user", "ada"));
        assert!(word != other.of("user", "ada") && word != one.of("prompt_cache_key", "ada") && word != one.of("user", "Ada"));
        // Its form as a system message of its own is the longest.
        let message = format!(r#"{{"role":"system","content":"{}"}},"#, one.line());
        assert!(message.len() as u64 <= Salt::PREFIX_TOKENS_MAX, "{}", message.len());
    }

    #[test]
    fn anthropics_form_is_salted_in_place() {
        let salt = salt(b"one");
        let line = salt.line();
        let user = salt.of("user", "ada");
        for (cache, from, to) in [
            (
                CacheIsolation::None,
                r#"{"a": 1,"metadata":{"user_id":"ada"}}"#,
                format!(r#"{{"a":1,"metadata":{{"user_id":"{user}"}}}}"#),
            ),
            (CacheIsolation::Prefix, r#"{"a":1}"#, format!(r#"{{"a":1,"system":"{line}"}}"#)),
            (
                CacheIsolation::Prefix,
                r#"{"system":"Hi"}"#,
                format!(r#"{{"system":[{{"type":"text","text":"{line}"}},{{"type":"text","text":"Hi"}}]}}"#),
            ),
            (
                CacheIsolation::Prefix,
                r#"{"system":[{"type":"text","text":"Hi"}]}"#,
                format!(r#"{{"system":[{{"type":"text","text":"{line}"}},{{"type":"text","text":"Hi"}}]}}"#),
            ),
        ] {
            let isolation = Isolation { salt: &salt, cache };
            assert_eq!(isolation.applied_to_messages(&Bytes::from_static(from.as_bytes())), to);
        }
    }
}
