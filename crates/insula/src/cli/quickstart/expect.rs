//! Assertions that say what was expected and what came instead.

use std::fmt::Display;

use serde_json::Value;

use crate::cli::exit::Failure;

/// Holds, or tells what was expected.
pub fn holds(condition: bool, expected: impl Display, found: impl Display) -> Result<(), Failure> {
    if condition { Ok(()) } else { Err(Failure::failed(format!("expected {expected}, found {found}"))) }
}

/// The text at a pointer such as `/error/code`.
pub fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, Failure> {
    let found = value.pointer(pointer);
    found.and_then(Value::as_str).ok_or_else(|| missing(value, pointer, "a text"))
}

/// The whole number at a pointer such as `/usage/total_tokens`.
pub fn count(value: &Value, pointer: &str) -> Result<u64, Failure> {
    let found = value.pointer(pointer);
    found.and_then(Value::as_u64).ok_or_else(|| missing(value, pointer, "a whole number"))
}

fn missing(value: &Value, pointer: &str, kind: &str) -> Failure {
    let found = value.pointer(pointer).map_or_else(|| format!("nothing in {value}"), Value::to_string);
    Failure::failed(format!("expected {kind} at {pointer}, found {found}"))
}
