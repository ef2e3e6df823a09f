//! What Anthropic says: an answer, an event of one, and the blocks in them. What is not known here is passed over.
//!
//! Source: Anthropic's API reference, "Messages" and "Streaming messages". Fields whose type hangs on the block's stay unread until that
//! is known, so that a kind of block that nobody here knows breaks nothing.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Key;

/// A whole answer, or an event of a stream: each has the fields of its `type`.
#[derive(Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub r#type: Option<Key<'a>>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
    /// Of which block.
    pub index: Option<u64>,
    #[serde(borrow)]
    pub content_block: Option<Block<'a>>,
    #[serde(borrow)]
    pub delta: Option<Block<'a>>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
}

/// A whole answer, or what a stream begins with.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub r#type: Option<Key<'a>>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub model: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub content: Vec<Block<'a>>,
    #[serde(borrow)]
    pub stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub stop_sequence: Option<&'a RawValue>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
}

/// A block of content, or a piece of one.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(borrow)]
    pub r#type: Option<Key<'a>>,
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    pub signature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub partial_json: Option<&'a RawValue>,
    #[serde(borrow)]
    pub stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub stop_sequence: Option<&'a RawValue>,
}

impl Said<'_> {
    pub fn kind(&self) -> &str {
        kind(self.r#type.as_ref())
    }
}

impl Message<'_> {
    pub fn is_error(&self) -> bool {
        kind(self.r#type.as_ref()) == "error"
    }
}

impl Block<'_> {
    pub fn kind(&self) -> &str {
        kind(self.r#type.as_ref())
    }

    /// Bytes of output in it.
    pub fn output_bytes(&self) -> u64 {
        let texts = [self.text, self.thinking, self.name, self.partial_json].into_iter().flatten();
        let texts: u64 = texts.map(|value| serde_json::from_str(value.get()).map_or(0, |Key(text)| text.len() as u64)).sum();
        texts + input(self.input).map_or(0, |input| input.len() as u64)
    }
}

fn kind<'a>(key: Option<&'a Key<'_>>) -> &'a str {
    key.map_or("", |Key(kind)| kind)
}

/// The text of a field; empty where it is none.
pub(super) fn text(value: Option<&RawValue>) -> String {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

/// A call's input, where it has any.
pub(super) fn input(value: Option<&RawValue>) -> Option<&str> {
    value.map(RawValue::get).filter(|input| input.starts_with('{') && input.bytes().any(|byte| byte == b'"'))
}
