//! What input items and tools hold: images to count, provider objects to refuse, and what has no known bound on its cost.

use insula_model::{Error, Result};
use serde_json::value::RawValue;

use crate::{
    json::{Members, is_given, members, shown},
    request::findings::{Findings, Path},
};

/// The item that tells of a search in documents; the gateway makes those, and no model is told of them.
pub(super) const SEARCH_CALL: &str = "file_search_call";

/// Reads `input`: a text, or a list of items.
pub(super) fn read_input(value: &RawValue, found: &mut Findings) -> Result<()> {
    if value.get().starts_with('"') {
        found.messages += 1;
        return Ok(());
    }
    let path = Path::Field("input");
    let items = list(value, &path, "must be a string or a list of items")?;
    if items.is_empty() {
        return Err(Error::invalid("`input` is empty; send at least one item").at("input"));
    }
    for (index, item) in items.into_iter().enumerate() {
        found.messages += 1;
        read_item(item, &Path::Index(&path, index), found)?;
    }
    Ok(())
}

/// Reads `tools`. Only functions run at the caller's; all others run, and cost, at the provider.
pub(super) fn read_tools(value: &RawValue, found: &mut Findings) -> Result<()> {
    let path = Path::Field("tools");
    for (index, tool) in list(value, &path, "must be a list of tools")?.into_iter().enumerate() {
        found.tools += 1;
        let path = Path::Index(&path, index);
        let fields = object(tool, &path)?;
        let kind = word(&fields, "type").unwrap_or_default();
        if kind != "function" {
            found.unbounded(|| format!("the hosted tool `{}` in `{path}`", shown(&kind)));
        }
        look(&fields, &path, found, |_| false)?;
    }
    Ok(())
}

fn read_item(item: &RawValue, path: &Path<'_>, found: &mut Findings) -> Result<()> {
    let fields = object(item, path)?;
    // A message need not say that it is one.
    let kind = word(&fields, "type").unwrap_or_else(|| "message".to_owned());
    let content = match kind.as_str() {
        "message" if word(&fields, "role").is_none_or(|role| role.is_empty()) => {
            return Err(wrong(&Path::Inner(path, "role"), "is missing; say who speaks, such as \"user\""));
        }
        "message" => Some("content"),
        "function_call_output" => Some("output"),
        "function_call" | "reasoning" => None,
        // What an earlier answer was found in: nothing of it is sent, so its ids open nothing.
        SEARCH_CALL => return Ok(()),
        "item_reference" => return Err(wrong(path, "refers to an item; send the item itself, or `previous_response_id`")),
        kind => return Err(wrong(path, &format!("is of the type `{}`, which cannot be sent to any model here", shown(kind)))),
    };
    for (_, value) in fields.0.iter().filter(|(name, _)| Some(name.as_ref()) == content) {
        read_content(value, &Path::Inner(path, content.unwrap_or_default()), found)?;
    }
    look(&fields, path, found, |name| Some(name) == content)
}

/// A text, or a list of parts.
fn read_content(value: &RawValue, path: &Path<'_>, found: &mut Findings) -> Result<()> {
    if value.get().starts_with('"') {
        return Ok(());
    }
    for (index, part) in list(value, path, "is neither a string nor a list of parts")?.into_iter().enumerate() {
        let path = Path::Index(path, index);
        let fields = object(part, &path)?;
        let kind = word(&fields, "type").unwrap_or_default();
        match kind.as_str() {
            "input_text" | "output_text" | "refusal" | "text" | "summary_text" | "reasoning_text" => {}
            "input_image" => found.images += count_images(&fields, found),
            kind => found.unbounded(|| format!("content of type `{}` in `{path}`", shown(kind))),
        }
        // Annotations of an earlier answer name files, and are not sent.
        look(&fields, &path, found, |name| name == "image_url" || name == "annotations")?;
    }
    Ok(())
}

/// Images of a part; one that stands in the body costs per image, not per byte.
fn count_images(fields: &Members<'_>, found: &mut Findings) -> u64 {
    let mut images = 0;
    for (_, value) in fields.0.iter().filter(|(name, value)| name == "image_url" && is_given(value)) {
        images += 1;
        if value.get().starts_with("\"data:image/") {
            found.data_url_bytes += value.get().len() as u64;
        }
    }
    images
}

/// Searches all fields but those that were read for ids of a provider's objects.
fn look(fields: &Members<'_>, path: &Path<'_>, found: &mut Findings, is_read: impl Fn(&str) -> bool) -> Result<()> {
    for (name, value) in fields.0.iter().filter(|(name, _)| !is_read(name)) {
        let path = Path::Inner(path, name);
        found.other::<serde_json::Error>(&path, name, value).map_err(|_| wrong(&path, "is not valid JSON"))?;
    }
    Ok(())
}

fn list<'a>(value: &'a RawValue, path: &Path<'_>, why: &str) -> Result<Vec<&'a RawValue>> {
    serde_json::from_str(value.get()).map_err(|_| wrong(path, why))
}

fn object<'a>(value: &'a RawValue, path: &Path<'_>) -> Result<Members<'a>> {
    members(value.get(), &format!("`{path}`")).map_err(|error| error.at(path.to_string()))
}

fn word(fields: &Members<'_>, name: &str) -> Option<String> {
    let (_, value) = fields.0.iter().find(|(other, _)| other == name)?;
    serde_json::from_str(value.get()).ok()
}

fn wrong(path: &Path<'_>, why: &str) -> Error {
    let at = path.to_string();
    Error::invalid(format!("`{at}` {why}")).at(at)
}
