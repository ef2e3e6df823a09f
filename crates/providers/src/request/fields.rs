//! Fields of a request's top level, checked; errors name them.

use std::{borrow::Cow, collections::BTreeMap};

use insula_model::{Error, Result};
use serde_json::value::RawValue;

use crate::json::{is_given, members, shown};

/// How long a name in a request may be.
const NAME_BYTES_MAX: usize = 256;
/// How many labels a request may have, and the characters of their names and values: OpenAI's bounds.
const LABELS_MAX: usize = 16;
const LABEL_NAME_CHARS_MAX: usize = 64;
const LABEL_VALUE_CHARS_MAX: usize = 512;

/// A boolean; null is false.
pub(crate) fn flag(value: &RawValue, name: &str) -> Result<bool> {
    match value.get() {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(Error::invalid(format!("`{name}` must be true or false")).at(name)),
    }
}

/// A whole number from 1 to `max`; null is none.
pub(crate) fn positive(value: &RawValue, name: &str, max: u64) -> Result<Option<u64>> {
    if !is_given(value) {
        return Ok(None);
    }
    match value.get().parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(Some(number)),
        _ => Err(Error::invalid(format!("`{name}` must be a whole number from 1 to {max}")).at(name)),
    }
}

/// A text of at most 256 bytes that is not empty.
pub(crate) fn required_text(value: &RawValue, name: &str) -> Result<String> {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) if !text.is_empty() && text.len() <= NAME_BYTES_MAX => Ok(text),
        _ => Err(Error::invalid(format!("`{name}` must be a string of 1 to {NAME_BYTES_MAX} bytes")).at(name)),
    }
}

/// The same, or nothing.
pub(crate) fn optional_text(value: &RawValue, name: &str) -> Result<Option<String>> {
    match value.get() {
        "null" | "\"\"" => Ok(None),
        _ => required_text(value, name).map(Some),
    }
}

/// An object of texts; null is none.
pub(crate) fn labels(value: &RawValue, name: &str) -> Result<BTreeMap<String, String>> {
    if !is_given(value) {
        return Ok(BTreeMap::new());
    }
    let pairs = members(value.get(), name).map_err(|error| error.at(name))?.0;
    if pairs.len() > LABELS_MAX {
        return Err(Error::invalid(format!("`{name}` has more than {LABELS_MAX} labels")).at(name));
    }
    let label = |(label, value): (Cow<'_, str>, &RawValue)| {
        if !(1..=LABEL_NAME_CHARS_MAX).contains(&label.chars().count()) {
            let why = format!("the name of a label in `{name}` has 1 to {LABEL_NAME_CHARS_MAX} characters");
            return Err(Error::invalid(why).at(name));
        }
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) if text.chars().count() <= LABEL_VALUE_CHARS_MAX => Ok((label.into_owned(), text)),
            _ => {
                let at = format!("{name}.{}", shown(&label));
                Err(Error::invalid(format!("`{at}` must be a string of at most {LABEL_VALUE_CHARS_MAX} characters")).at(at))
            }
        }
    };
    pairs.into_iter().map(label).collect()
}
