//! What instructions, messages and tools hold: images to count, provider objects to refuse, and what has no known bound on its cost.

use std::borrow::Cow;

use insula_model::{Error, Result};
use serde_json::value::RawValue;

use crate::{
    json::{is_given, members, shown},
    request::findings::{Findings, Path},
};

/// How much is told of what is wrong with a field.
const SAID_BYTES_MAX: usize = 300;

/// An object's fields.
type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Reads `messages`.
pub(super) fn read_messages(value: &RawValue, found: &mut Findings) -> Result<()> {
    let messages = elements(value, "messages")?;
    if messages.is_empty() {
        return Err(Error::invalid("`messages` is empty; send at least one message").at("messages"));
    }
    found.messages = messages.len() as u64;
    for (place, message) in messages.into_iter().enumerate() {
        read_message(message, &Path::Index(&Path::Field("messages"), place), found)?;
    }
    Ok(())
}

/// Reads `system`: a text, or blocks of it.
pub(super) fn read_system(value: &RawValue, found: &mut Findings) -> Result<()> {
    read_content(value, &Path::Field("system"), found)
}

/// Reads `tools`. Those of the vendor's own making run, and cost, at the provider, or bring a prompt of unknown length with them.
pub(super) fn read_tools(value: &RawValue, found: &mut Findings) -> Result<()> {
    for (place, tool) in elements(value, "tools")?.into_iter().enumerate() {
        let path = Path::Index(&Path::Field("tools"), place);
        found.tools += 1;
        for (name, value) in fields(tool, &path)? {
            if name == "type" {
                let kind = text_in(value);
                if is_given(value) && kind != "custom" {
                    found.unbounded(|| format!("the hosted tool `{}` in `{path}`", shown(&kind)));
                }
            } else if name != "input_examples" {
                look_into(&name, value, &path, found)?;
            }
        }
    }
    Ok(())
}

fn read_message(message: &RawValue, path: &Path<'_>, found: &mut Findings) -> Result<()> {
    let mut has_role = false;
    for (name, value) in fields(message, path)? {
        match name.as_ref() {
            "role" => has_role = !text_in(value).is_empty(),
            "content" => read_content(value, &Path::Inner(path, "content"), found)?,
            name => look_into(name, value, path, found)?,
        }
    }
    if !has_role {
        found.refuse(&Path::Inner(path, "role"), "is missing; say who speaks, such as \"user\"");
    }
    Ok(())
}

/// A text, or blocks.
fn read_content(value: &RawValue, path: &Path<'_>, found: &mut Findings) -> Result<()> {
    match value.get().as_bytes() {
        [b'"', ..] => Ok(()),
        [b'[', ..] => {
            let blocks: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|error| not_as_expected(path, &error))?;
            let read = |(place, block)| read_block(block, &Path::Index(path, place), found);
            blocks.into_iter().enumerate().try_for_each(read)
        }
        _ => {
            found.refuse(path, "is neither a string nor an array");
            Ok(())
        }
    }
}

fn read_block(block: &RawValue, path: &Path<'_>, found: &mut Findings) -> Result<()> {
    let fields = fields(block, path)?;
    let kind = fields.iter().find(|(name, _)| name == "type").map(|(_, value)| text_in(value)).unwrap_or_default();
    match kind.as_str() {
        "text" | "thinking" | "redacted_thinking" | "tool_use" | "tool_result" | "search_result" => {}
        "image" => found.images += 1,
        "document" if is_text(&fields) => {}
        kind => found.unbounded(|| format!("content of type `{}` in `{path}`", shown(kind))),
    }
    for (name, value) in fields {
        match (kind.as_str(), name.as_ref()) {
            // The caller's own arguments: names in it mean nothing to a provider.
            ("tool_use", "input") => {}
            ("image", "source") => {
                note_data(value, path, found)?;
                look_into("source", value, path, found)?;
            }
            ("tool_result" | "search_result", "content") if is_given(value) => {
                read_content(value, &Path::Inner(path, "content"), found)?;
            }
            (_, name) => look_into(name, value, path, found)?,
        }
    }
    Ok(())
}

/// Whether a document is text that is neither read by eye nor quoted from.
fn is_text(fields: &Fields<'_>) -> bool {
    let source = fields.iter().find(|(name, _)| name == "source").and_then(|(_, value)| members(value.get(), "source").ok());
    let is_quoted = fields.iter().any(|(name, value)| name == "citations" && is_given(value));
    let mut source = source.into_iter().flat_map(|source| source.0);
    !is_quoted && source.any(|(name, value)| name == "type" && value.get() == "\"text\"")
}

/// An image that stands in the body costs per image, not per byte.
fn note_data(source: &RawValue, path: &Path<'_>, found: &mut Findings) -> Result<()> {
    let fields = fields(source, &Path::Inner(path, "source"))?;
    let is = |wanted: &str, text: &str| fields.iter().any(|(name, value)| name == wanted && value.get().starts_with(text));
    if is("type", "\"base64\"") && is("media_type", "\"image/") {
        let data = fields.iter().find(|(name, _)| name == "data").map_or(0, |(_, data)| data.get().len());
        found.data_url_bytes += data as u64;
    }
    Ok(())
}

fn look_into(name: &str, value: &RawValue, path: &Path<'_>, found: &mut Findings) -> Result<()> {
    let path = Path::Inner(path, name);
    found.other::<serde_json::Error>(&path, name, value).map_err(|error| not_as_expected(&path, &error))
}

/// The text of a field; empty where it is none.
fn text_in(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_default()
}

fn elements<'a>(value: &'a RawValue, name: &'static str) -> Result<Vec<&'a RawValue>> {
    serde_json::from_str(value.get()).map_err(|error| not_as_expected(&Path::Field(name), &error))
}

fn fields<'a>(value: &'a RawValue, path: &Path<'_>) -> Result<Fields<'a>> {
    members(value.get(), "this part of the body").map(|fields| fields.0).map_err(|error| error.at(path.to_string()))
}

/// What serde says of a field, without positions that would count from the field's start.
fn not_as_expected(path: &Path<'_>, error: &serde_json::Error) -> Error {
    let error = error.to_string();
    let said = error.split(" at line ").next().unwrap_or_default();
    // It repeats the caller's value, however long that is.
    let said = &said[..said.floor_char_boundary(SAID_BYTES_MAX)];
    Error::invalid(format!("`{path}` is not as it should be: {said}")).at(path.to_string())
}
