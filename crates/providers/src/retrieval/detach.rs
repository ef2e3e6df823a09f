//! Taking what a caller wants of its documents out of its body: the rest is what goes to a provider.

use std::borrow::Cow;

use bytes::Bytes;
use insula_model::{Error, Result};
use memchr::memmem;
use serde_json::value::RawValue;

use super::ask::{OWN, RetrievalAsk, read_own};
use crate::{
    Dialect,
    json::{is_given, members, push_string},
};

type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// OpenAI's tool.
const FILE_SEARCH: &str = "file_search";
/// Fields by which a provider itself searches, calls or runs something for the model, beside the tools: `tool_choice` does not hold it back.
const ACTING: [&str; 5] = ["web_search_options", "plugins", "mcp_servers", "search_parameters", "enable_search"];
/// What is asked for with it where texts shall be shown.
const RESULTS: &str = "file_search_call.results";

/// A body without what it asks of documents.
pub(crate) struct Detached {
    pub body: Bytes,
    pub ask: Option<RetrievalAsk>,
}

/// Takes apart a body that asks something of documents, or may; `None` for all others, as quickly as can be told.
///
/// # Errors
/// `Invalid`, naming what is wrong.
pub(crate) fn detached(fields: &Fields<'_>, dialect: Dialect) -> Result<Option<Detached>> {
    let has = |value: &RawValue, text: &str| memmem::find(value.get().as_bytes(), text.as_bytes()).is_some();
    // Also where it may be written with an escape.
    let may_name = |value: &RawValue| has(value, FILE_SEARCH) || has(value, "\\u");
    let concerns = |(name, value): &(Cow<'_, str>, &RawValue)| match name.as_ref() {
        OWN => true,
        "tools" | "tool_choice" => may_name(value),
        _ => false,
    };
    if !fields.iter().any(concerns) {
        return Ok(None);
    }
    let field =
        |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value).filter(|value| is_given(value));
    let is_search = |choice: &RawValue| members(choice.get(), "it").is_ok_and(|choice| is_file_search(&choice.0));
    let mut ask = field(OWN).map(read_own).transpose()?.flatten();
    let tools = field("tools").map(|tools| split(tools, &mut ask)).transpose()?.flatten();
    let has_none = tools.as_ref().is_some_and(Vec::is_empty);
    let choice = field("tool_choice").filter(|choice| !is_search(choice));
    let is_tool = ask.as_ref().is_some_and(|ask| ask.tool.is_some());
    // Who wants no tool wants no search either, unless it is asked for beside the tools.
    if choice.is_some_and(|choice| choice.get() == "\"none\"") && field(OWN).is_none() && is_tool {
        ask = None;
    }
    if let Some(tool) = ask.as_mut().and_then(|ask| ask.tool.as_mut()) {
        tool.shows_texts = dialect == Dialect::Responses && field("include").is_some_and(includes_results);
    }
    // Where nothing is searched it depends on what the conversation was made of before.
    if ask.as_ref().is_some_and(|ask| !ask.allows_tool_calls && !ask.skips_search) {
        check_calls(fields, tools.as_ref().is_some_and(|tools| !tools.is_empty()))?;
    }
    let mut kept: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        match name.as_ref() {
            OWN => {}
            "tools" | "tool_choice" | "parallel_tool_calls" if has_none => {}
            "tool_choice" if is_search(value) => {}
            "tools" if is_tool => kept.push((name, list(tools.as_deref().unwrap_or_default()).into())),
            name => kept.push((name, value.get().into())),
        }
    }
    if kept.len() == fields.len() && !is_tool {
        return Ok(None);
    }
    let mut body = Vec::new();
    kept.iter().for_each(|(name, value)| push(&mut body, name, value));
    body.extend_from_slice(if body.is_empty() { b"{}" } else { b"}" });
    Ok(Some(Detached { body: body.into(), ask }))
}

/// Parts the search from the caller's own tools. What is no list of objects is left for others to refuse.
fn split<'a>(tools: &'a RawValue, ask: &mut Option<RetrievalAsk>) -> Result<Option<Vec<&'a RawValue>>> {
    let Ok(all) = serde_json::from_str::<Vec<&RawValue>>(tools.get()) else { return Ok(None) };
    let mut others = Vec::with_capacity(all.len());
    for (place, tool) in all.into_iter().enumerate() {
        match members(tool.get(), "a tool") {
            Ok(fields) if is_file_search(&fields.0) => {
                ask.get_or_insert_default().add_tool(&fields.0, format!("tools[{place}]"))?;
            }
            _ => others.push(tool),
        }
    }
    Ok(Some(others))
}

fn list(tools: &[&RawValue]) -> String {
    let tools: Vec<&str> = tools.iter().map(|tool| tool.get()).collect();
    format!("[{}]", tools.join(","))
}

fn is_file_search(fields: &Fields<'_>) -> bool {
    let kind = fields.iter().find(|(name, _)| name == "type").map(|(_, value)| value.get());
    kind.is_some_and(|kind| serde_json::from_str::<Cow<'_, str>>(kind).is_ok_and(|kind| kind == FILE_SEARCH))
}

fn includes_results(include: &RawValue) -> bool {
    serde_json::from_str::<Vec<Cow<'_, str>>>(include.get()).is_ok_and(|all| all.iter().any(|one| one == RESULTS))
}

/// Text from documents authorises no tool call: who demands one, or lets a provider make some by itself, must say that it may.
///
/// # Errors
/// `Invalid`, naming the field.
pub(super) fn check_calls(fields: &Fields<'_>, has_tools: bool) -> Result<()> {
    const ALLOW: &str =
        "leave it out, or set `insula.retrieval.tool_calls` to \"allow\" if the tools may be called all the same";
    for (name, value) in fields {
        let why = match name.as_ref() {
            "tool_choice" if has_tools && demands(value) => "demands a tool call, and text from documents authorises none",
            name if ACTING.contains(&name) && is_asked(value) => {
                "lets the provider act by itself on what the model reads, and text from documents authorises no call"
            }
            _ => continue,
        };
        return Err(Error::invalid(format!("`{name}` {why}; {ALLOW}")).at(name.clone()));
    }
    Ok(())
}

/// Whether a field asks for something.
fn is_asked(value: &RawValue) -> bool {
    is_given(value)
        && value.get() != "false"
        && !serde_json::from_str::<Vec<&RawValue>>(value.get()).is_ok_and(|list| list.is_empty())
}

/// Whether a choice leaves the model none but to call a tool of the caller's.
fn demands(choice: &RawValue) -> bool {
    if choice.get().starts_with('"') {
        return ["\"required\"", "\"any\""].contains(&choice.get());
    }
    let Ok(fields) = members(choice.get(), "`tool_choice`") else { return false };
    let kind = fields.0.iter().find(|(name, _)| name == "type").map(|(_, value)| value.get());
    let kind: Option<String> = kind.and_then(|kind| serde_json::from_str(kind).ok());
    matches!(kind.as_deref(), Some("function" | "custom" | "any" | "tool"))
}

pub(super) fn push(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(if out.is_empty() { b'{' } else { b',' });
    push_string(out, name);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(body: &str, dialect: Dialect) -> Result<Option<(String, Option<RetrievalAsk>)>> {
        let detached = detached(&members(body, "it").unwrap().0, dialect)?;
        Ok(detached.map(|detached| (String::from_utf8(detached.body.to_vec()).unwrap(), detached.ask)))
    }

    fn chat(body: &str) -> (String, Option<RetrievalAsk>) {
        take(body, Dialect::ChatCompletions).unwrap().unwrap()
    }

    #[test]
    fn what_asks_nothing_stays_as_it_is() {
        assert!(take(r#"{"model":"m","tools":[{"type":"function"}]}"#, Dialect::ChatCompletions).unwrap().is_none());
        // A function of that name is the caller's own.
        let named = r#"{"model":"m","tools":[{"type":"function","function":{"name":"file_search"}}],"tool_choice":{"type":"function","function":{"name":"file_search"}}}"#;
        assert!(take(named, Dialect::ChatCompletions).unwrap().is_none());
    }

    #[test]
    fn nothing_of_it_goes_to_a_provider() {
        let (body, ask) = chat(r#"{"insula":{"retrieval":true},"model":"m","messages":[ ]}"#);
        assert_eq!((body.as_str(), ask), (r#"{"model":"m","messages":[ ]}"#, Some(RetrievalAsk::default())));
        let tool = r#"{"type":"file_search","vector_store_ids":["vs_1"],"max_num_results":4,"ranking_options":{"score_threshold":0.0}}"#;
        let (body, ask) =
            chat(&format!(r#"{{"model":"m","tools":[{tool}],"tool_choice":"required","parallel_tool_calls":true}}"#));
        assert_eq!(body, r#"{"model":"m"}"#);
        let ask = ask.unwrap();
        assert_eq!((ask.limit, ask.vector_store_ids), (Some(4), vec!["vs_1".to_owned()]));
        let function = r#"{"type":"function","name":"f"}"#;
        let body = format!(
            r#"{{"tools":[{tool},{function}],"include":["file_search_call.results"],"tool_choice":{{"type":"file_search"}}}}"#
        );
        let (body, ask) = take(&body, Dialect::Responses).unwrap().unwrap();
        assert_eq!(body, format!(r#"{{"tools":[{function}],"include":["file_search_call.results"]}}"#));
        assert!(ask.unwrap().tool.unwrap().shows_texts);
    }

    #[test]
    fn who_wants_no_tool_wants_no_search() {
        let (body, ask) = chat(r#"{"tools":[{"type":"file_search","vector_store_ids":[]}],"tool_choice":"none"}"#);
        assert_eq!((body.as_str(), ask), ("{}", None));
    }

    #[test]
    fn a_demanded_call_must_be_allowed() {
        let body = |choice: &str, own: &str| {
            format!(
                r#"{{"tools":[{{"type":"function","function":{{"name":"f"}}}}],"tool_choice":{choice},"insula":{{"retrieval":{own}}}}}"#
            )
        };
        for choice in [r#""required""#, r#"{"type":"function","function":{"name":"f"}}"#, r#"{"type":"any"}"#] {
            let refused = take(&body(choice, "true"), Dialect::ChatCompletions).err().unwrap();
            assert_eq!(refused.param(), Some("tool_choice"), "{choice}");
            assert!(take(&body(choice, r#"{"tool_calls":"allow"}"#), Dialect::ChatCompletions).is_ok());
        }
        for choice in [r#""auto""#, r#""none""#, r#"{ "type": "auto" }"#] {
            assert!(take(&body(choice, "true"), Dialect::ChatCompletions).is_ok(), "{choice}");
        }
    }

    #[test]
    fn a_wrong_tool_is_named() {
        for (tool, at) in [
            (r#"{"type":"file_search","vectorstores":[]}"#, "tools[0].vectorstores"),
            (r#"{"type":"file_search","max_num_results":"4"}"#, "tools[0].max_num_results"),
            (r#"{"type":"file_search","ranking_options":{"score_threshold":2}}"#, "tools[0].ranking_options.score_threshold"),
            (r#"{"type":"file_search"},{"type":"file_search"}"#, "tools[1]"),
        ] {
            let refused = take(&format!(r#"{{"tools":[{tool}]}}"#), Dialect::ChatCompletions).err().unwrap();
            assert_eq!(refused.param(), Some(at), "{tool}");
        }
    }
}
