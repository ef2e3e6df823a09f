//! `generateContent` for a provider.

use bytes::Bytes;
use insula_model::{
    Error, Result,
    chat::{Format, Reasoning, Request, Tool, ToolChoice},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::content_out::{Content, contents};
use crate::{
    ModelCard,
    json::{members, push_string},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    generation_config: Generation<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Generation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<Thinking>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thinking {
    include_thoughts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
}

/// A request in this form, for this model. Whether to stream is said by the address. What the form has no word for and no answer depends
/// on goes unsaid: the user's name, one tool call at a time, how closely to look at an image.
///
/// # Errors
/// `Invalid` for media behind an address, and where JSON text that was passed on is none.
pub(crate) fn write_request(request: &Request, card: &ModelCard) -> Result<Bytes> {
    let is_sealing = !is_before_gemini_3(&card.upstream_model);
    let (system_instruction, contents) = contents(&request.messages, is_sealing)?;
    let body = Body {
        contents,
        system_instruction,
        tools: tools(&request.tools)?,
        tool_config: request.tool_choice.as_ref().filter(|_| !request.tools.is_empty()).map(tool_config),
        generation_config: generation(request, card)?,
    };
    serde_json::to_vec(&body).map(Bytes::from).map_err(Error::internal)
}

/// Models before the third generation neither demand seals on calls nor know levels of thought.
fn is_before_gemini_3(model: &str) -> bool {
    ["gemini-1", "gemini-2"].iter().any(|generation| model.starts_with(generation))
}

fn generation<'a>(request: &'a Request, card: &ModelCard) -> Result<Generation<'a>> {
    let (response_mime_type, response_json_schema) = match &request.format {
        Format::Text => (None, None),
        Format::Json => (Some("application/json"), None),
        Format::Schema { schema, .. } => (Some("application/json"), Some(cleaned(schema)?)),
    };
    Ok(Generation {
        max_output_tokens: request.output_tokens_max,
        candidate_count: (request.choices > 1).then_some(request.choices),
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        seed: request.seed,
        presence_penalty: request.presence_penalty,
        frequency_penalty: request.frequency_penalty,
        stop_sequences: &request.stop,
        response_mime_type,
        response_json_schema,
        thinking_config: request.reasoning.as_ref().map(|reasoning| thinking(reasoning, card)),
    })
}

fn tools(tools: &[Tool]) -> Result<Option<[Tools<'_>; 1]>> {
    let declare = |tool: &'_ Tool| tool.parameters.as_deref().map(cleaned).transpose();
    let declared = tools.iter().map(|tool| {
        Ok(Declaration { name: &tool.name, description: tool.description.as_deref(), parameters_json_schema: declare(tool)? })
    });
    let function_declarations = declared.collect::<Result<Vec<_>>>()?;
    Ok((!function_declarations.is_empty()).then_some([Tools { function_declarations }]))
}

fn tool_config(choice: &ToolChoice) -> ToolConfig<'_> {
    let (mode, allowed_function_names) = match choice {
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some([name.as_str()])),
    };
    ToolConfig { function_calling_config: Calling { mode, allowed_function_names } }
}

/// A schema as it came, in its order, which the model follows when it writes; without `$schema`, which is refused.
fn cleaned(schema: &str) -> Result<Box<RawValue>> {
    let not_json = || Error::invalid("a schema is not valid JSON");
    let raw = || RawValue::from_string(schema.to_owned()).map_err(|_| not_json());
    let fields = match schema.trim_start().starts_with('{') {
        true => members(schema, "a schema")?.0,
        false => return raw(),
    };
    if !fields.iter().any(|(name, _)| name == "$schema") {
        return raw();
    }
    let mut out = Vec::with_capacity(schema.len());
    for (name, value) in fields.iter().filter(|(name, _)| name != "$schema") {
        out.push(if out.is_empty() { b'{' } else { b',' });
        push_string(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.extend_from_slice(if out.is_empty() { b"{}" } else { b"}" });
    String::from_utf8(out).ok().and_then(|text| RawValue::from_string(text).ok()).ok_or_else(not_json)
}

/// How much to think. Newer models take levels in place of OpenAI's efforts; for older ones the budgets are those that Google's "OpenAI
/// compatibility" gives for them. Thoughts are shown to whoever asked for some.
fn thinking(reasoning: &Reasoning, card: &ModelCard) -> Thinking {
    let budget = |tokens: u64| Thinking { include_thoughts: tokens > 0, thinking_budget: Some(tokens), thinking_level: None };
    let level = |level| Thinking { include_thoughts: level != "MINIMAL", thinking_budget: None, thinking_level: Some(level) };
    match (reasoning, is_before_gemini_3(&card.upstream_model)) {
        (Reasoning::Tokens(tokens), _) => budget(*tokens),
        (Reasoning::Effort(effort), true) => match effort.as_str() {
            "none" => budget(0),
            "minimal" | "low" => budget(1_024),
            "medium" => budget(8_192),
            _ => budget(24_576),
        },
        // No newer model can be told not to think at all.
        (Reasoning::Effort(effort), false) => match effort.as_str() {
            "none" | "minimal" => level("MINIMAL"),
            "low" => level("LOW"),
            "medium" => level("MEDIUM"),
            _ => level("HIGH"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_keep_their_order() {
        let clean = |schema: &str| cleaned(schema).map(|raw| raw.get().to_owned());
        let schema = r#"{"type":"object","properties":{"b":{"$schema":1},"a":{}}}"#;
        assert_eq!(clean(schema).unwrap(), schema);
        let dated = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","b":1, "a":2}"#;
        assert_eq!(clean(dated).unwrap(), r#"{"type":"object","b":1,"a":2}"#);
        assert_eq!(clean(r#"{"$schema":"x"}"#).unwrap(), "{}");
        assert_eq!(clean("true").unwrap(), "true");
        assert!(clean("{").is_err() && clean("nonsense").is_err());
    }
}
