//! Fields of a request's top level, checked; errors name them.

use insula_model::{Error, Result};
use serde_json::value::RawValue;

use crate::json::is_given;

/// How long a name in a request may be.
const NAME_BYTES_MAX: usize = 256;

/// A boolean; null is false.
pub(super) fn flag(value: &RawValue, name: &str) -> Result<bool> {
    match value.get() {
        "true" => Ok(true),
        "false" | "null" => Ok(false),
        _ => Err(Error::invalid(format!("`{name}` must be true or false")).at(name)),
    }
}

/// A whole number from 1 to `max`; null is none.
pub(super) fn positive(value: &RawValue, name: &str, max: u64) -> Result<Option<u64>> {
    if !is_given(value) {
        return Ok(None);
    }
    match value.get().parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(Some(number)),
        _ => Err(Error::invalid(format!("`{name}` must be a whole number from 1 to {max}")).at(name)),
    }
}

/// A text of at most 256 bytes that is not empty.
pub(super) fn required_text(value: &RawValue, name: &str) -> Result<String> {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) if !text.is_empty() && text.len() <= NAME_BYTES_MAX => Ok(text),
        _ => Err(Error::invalid(format!("`{name}` must be a string of 1 to {NAME_BYTES_MAX} bytes")).at(name)),
    }
}

/// The same, or nothing.
pub(super) fn optional_text(value: &RawValue, name: &str) -> Result<Option<String>> {
    match value.get() {
        "null" | "\"\"" => Ok(None),
        _ => required_text(value, name).map(Some),
    }
}
