//! Labels such as `team=search`.

use std::str::FromStr;

use serde_json::{Map, Value, json};

/// A label's name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(pub String, pub String);

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self(name.to_owned(), value.to_owned())),
            _ => Err("write a label as NAME=VALUE".to_owned()),
        }
    }
}

/// Labels as the API takes them.
pub fn tags_json(tags: &[Tag]) -> Value {
    Value::Object(tags.iter().map(|Tag(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>())
}
