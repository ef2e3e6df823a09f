//! What a caller is told about input that does not fit: the field by name, and why.

use insula_model::Error;
use serde_path_to_error::{Path, Segment};

/// An error at `path`, with serde's words for it.
pub(super) fn error(path: &Path, why: String) -> Error {
    let field = field(path, &why);
    let error = Error::invalid(why);
    if field.is_empty() { error } else { error.at(field) }
}

/// The path to the field, such as `[1].window`. Fields that are unknown, missing or there twice are reported by serde at
/// the object around them, named in the words only.
fn field(path: &Path, why: &str) -> String {
    let mut field = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => field.push_str(&format!("[{index}]")),
            Segment::Map { key } => push(&mut field, key),
            Segment::Enum { variant } => push(&mut field, variant),
            Segment::Unknown => {}
        }
    }
    let named = ["unknown field `", "missing field `", "duplicate field `"].iter().find_map(|words| why.strip_prefix(words));
    if let Some(name) = named.and_then(|rest| rest.split_once('`')).map(|(name, _)| name)
        && field.rsplit('.').next() != Some(name)
    {
        push(&mut field, name);
    }
    field
}

fn push(field: &mut String, name: &str) {
    if !field.is_empty() {
        field.push('.');
    }
    field.push_str(name);
}
