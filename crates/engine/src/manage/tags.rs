//! Free labels on tenants and keys, for finance and support.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};

/// Labels on one thing.
pub const TAGS_MAX: usize = 32;
/// Characters of a label's name.
pub const TAG_NAME_CHARS_MAX: usize = 64;
/// Characters of a label's value.
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// Labels, checked where they come in: at most [`TAGS_MAX`], no name twice, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl From<Tags> for BTreeMap<String, String> {
    fn from(tags: Tags) -> Self {
        tags.0
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(TagsVisitor)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of labels, each a string")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
        use serde::de::Error;

        let mut tags = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            if !is_text(&name, 1, TAG_NAME_CHARS_MAX) {
                return Err(A::Error::custom(format!(
                    "the name of a label has 1 to {TAG_NAME_CHARS_MAX} characters, none of them a control character"
                )));
            }
            if !is_text(&value, 0, TAG_VALUE_CHARS_MAX) {
                return Err(A::Error::custom(format!(
                    "the value of a label has at most {TAG_VALUE_CHARS_MAX} characters, none of them a control character"
                )));
            }
            if tags.len() == TAGS_MAX {
                return Err(A::Error::custom(format!("at most {TAGS_MAX} labels")));
            }
            if tags.contains_key(&name) {
                return Err(A::Error::custom(format!("duplicate label `{name}`")));
            }
            tags.insert(name, value);
        }
        Ok(Tags(tags))
    }
}

fn is_text(text: &str, chars_min: usize, chars_max: usize) -> bool {
    (chars_min..=chars_max).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_labels_and_refuses_the_rest() {
        let read = |text: &str| serde_json::from_str::<Tags>(text).map(BTreeMap::from);
        assert_eq!(read(r#"{"team":"blue","empty":""}"#).expect("labels").len(), 2);
        for wrong in [r#"{"a":"1","a":"2"}"#, r#"{"":"1"}"#, r#"{"a":1}"#, r#"{"a":"\u0007"}"#, r#"["a"]"#, "null"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let many: BTreeMap<_, _> = (0..=TAGS_MAX).map(|n| (n.to_string(), String::new())).collect();
        assert!(read(&serde_json::to_string(&many).expect("json")).is_err());
    }
}
