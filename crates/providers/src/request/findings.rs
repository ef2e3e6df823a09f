//! What reading a request has found: what to refuse, what has no bound, and where it stands.
//!
//! One provider account serves every tenant, so an id of an object in it (a file, a stored response, a vector store)
//! would open another tenant's data. Such ids are refused wherever they can stand, except inside a caller's own schemas
//! and arguments, where a field may be called anything.

use std::fmt;

use insula_model::{Error, Result};
use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::json::{Key, is_given, pass_over_scalars, shown};

/// Fields that hold ids of objects at the provider.
const FOREIGN_IDS: [&str; 20] = [
    "file_id",
    "file_ids",
    "vector_store_id",
    "vector_store_ids",
    "previous_response_id",
    "response_id",
    "conversation",
    "conversation_id",
    "assistant_id",
    "thread_id",
    "container",
    "container_id",
    "prompt_id",
    "skill_id",
    "skill_ids",
    "upload_id",
    "batch_id",
    "cached_content",
    "cachedContent",
    "fileUri",
];
/// Fields whose content is the caller's own: names in it mean nothing to a provider.
const OWN: [&str; 6] = ["function", "custom", "arguments", "parameters", "input_schema", "json_schema"];
/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub messages: u64,
    pub tools: u64,
    pub images: u64,
    /// Bytes of images that stand in the body; they are paid for per image.
    pub data_url_bytes: u64,
    /// The first thing without a known bound.
    pub unbounded: Option<String>,
    refused: Option<Error>,
}

impl Findings {
    /// The first refusal, if there was one.
    pub fn check(&mut self) -> Result<()> {
        self.refused.take().map_or(Ok(()), Err)
    }

    /// Notes that `what` has no known bound.
    pub fn unbounded(&mut self, what: impl FnOnce() -> String) {
        self.unbounded.get_or_insert_with(what);
    }

    /// Refuses the id of a provider's object that stands `at`.
    pub fn refuse_id(&mut self, at: &Path<'_>) {
        self.refused.get_or_insert_with(|| {
            let at = at.to_string();
            let why = format!("`{at}`: provider object ids are refused unless Insula issued them; send the content itself");
            Error::invalid(why).at(at)
        });
    }

    /// Refuses the request for what stands `at`.
    pub fn refuse(&mut self, at: &Path<'_>, why: &str) {
        self.refused.get_or_insert_with(|| Error::invalid(format!("`{at}` {why}")).at(at.to_string()));
    }

    /// Looks into a field that nothing here knows.
    pub fn other<E: serde::de::Error>(&mut self, path: &Path<'_>, name: &str, value: &RawValue) -> Result<(), E> {
        if FOREIGN_IDS.contains(&name) {
            if is_given(value) {
                self.refuse_id(path);
            }
        } else if value.get().starts_with(['{', '[']) && !OWN.contains(&name) {
            value.deserialize_any(Walk { found: self, path }).map_err(E::custom)?;
        }
        Ok(())
    }
}

/// Where in the body something stands; written out only for a message.
pub(crate) enum Path<'p> {
    Field(&'p str),
    Index(&'p Path<'p>, usize),
    Inner(&'p Path<'p>, &'p str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Field(name) => f.write_str(shown(name)),
            Path::Index(within, index) => write!(f, "{within}[{index}]"),
            Path::Inner(within, name) => write!(f, "{within}.{}", shown(name)),
        }
    }
}

/// Searches any value for ids of provider objects.
struct Walk<'f> {
    found: &'f mut Findings,
    path: &'f Path<'f>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            let path = Path::Inner(self.path, &name);
            if FOREIGN_IDS.contains(&name.as_ref()) {
                if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                    self.found.refuse_id(&path);
                }
            } else if OWN.contains(&name.as_ref()) {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk { found: self.found, path: &path })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0;
        while seq.next_element_seed(Walk { found: self.found, path: &Path::Index(self.path, index) })?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    pass_over_scalars!();
}
