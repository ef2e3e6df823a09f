//! The body of `generateContent`, as far as an answer depends on it, said in the words of Chat Completions.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::ApiError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    contents: Vec<Content>,
    system_instruction: Option<Content>,
    #[serde(default)]
    tools: Vec<Tools>,
    tool_config: Option<ToolConfig>,
    #[serde(default)]
    generation_config: Generation,
}

#[derive(Debug, Deserialize)]
struct Content {
    role: Option<String>,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    inline_data: Option<Value>,
    function_call: Option<Value>,
    function_response: Option<Answered>,
    thought_signature: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answered {
    name: String,
    response: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tools {
    #[serde(default)]
    function_declarations: Vec<Declaration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Declaration {
    name: String,
    parameters_json_schema: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig {
    function_calling_config: Calling,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Calling {
    mode: String,
    #[serde(default)]
    allowed_function_names: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generation {
    max_output_tokens: Option<u64>,
    candidate_count: Option<u64>,
    response_mime_type: Option<String>,
    response_json_schema: Option<Value>,
}

/// The same request as Chat Completions would have it.
pub(super) fn as_chat(model: &str, body: &[u8]) -> Result<Value, ApiError> {
    let body: Body = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
    if body.contents.is_empty() {
        return Err(ApiError::field("contents", "GenerateContentRequest.contents: contents is not specified"));
    }
    body.contents.iter().try_for_each(check_seals)?;
    let system = body.system_instruction.iter().map(|content| json!({"role": "system", "content": texts(content)}));
    let messages: Vec<Value> = system.chain(body.contents.iter().flat_map(messages)).collect();
    let generation = body.generation_config;
    let mut chat = json!({"model": model, "messages": messages});
    let mut put = |name: &str, value: Value| chat[name] = value;
    if let Some(tokens) = generation.max_output_tokens {
        put("max_tokens", tokens.into());
    }
    if let Some(count) = generation.candidate_count {
        put("n", count.into());
    }
    if generation.response_mime_type.as_deref() == Some("application/json") {
        put(
            "response_format",
            match generation.response_json_schema {
                Some(schema) => json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}),
                None => json!({"type": "json_object"}),
            },
        );
    }
    let declared: Vec<Declaration> = body.tools.into_iter().flat_map(|tools| tools.function_declarations).collect();
    if !declared.is_empty() {
        put("tools", declared.into_iter().map(tool).collect());
    }
    if let Some(ToolConfig { function_calling_config: calling }) = body.tool_config {
        put("tool_choice", choice(&calling));
    }
    Ok(chat)
}

/// The first call of a step comes back with the seal that it was made with, as Gemini 3 demands.
fn check_seals(content: &Content) -> Result<(), ApiError> {
    let first = content.parts.iter().find(|part| part.function_call.is_some());
    match first {
        Some(part) if part.thought_signature.as_deref().is_none_or(str::is_empty) => {
            Err(ApiError::field("contents", "Function call is missing a thought_signature in functionCall parts."))
        }
        _ => Ok(()),
    }
}

fn texts(content: &Content) -> String {
    content.parts.iter().filter_map(|part| part.text.as_deref()).collect()
}

/// A content, with the results of tools each as a message of its own.
fn messages(content: &Content) -> Vec<Value> {
    let role = if content.role.as_deref() == Some("model") { "assistant" } else { "user" };
    let (mut said, mut results) = (Vec::new(), Vec::new());
    for part in &content.parts {
        said.extend(part.text.as_ref().map(|text| json!({"type": "text", "text": text})));
        said.extend(part.inline_data.as_ref().map(|_| json!({"type": "image_url"})));
        results.extend(
            part.function_response.as_ref().map(
                |answered| json!({"role": "tool", "tool_call_id": answered.name, "content": answered.response.to_string()}),
            ),
        );
    }
    if !said.is_empty() || results.is_empty() {
        results.push(json!({"role": role, "content": said}));
    }
    results
}

fn tool(declared: Declaration) -> Value {
    let mut function = json!({"name": declared.name});
    if let Some(schema) = declared.parameters_json_schema {
        function["parameters"] = schema;
    }
    json!({"type": "function", "function": function})
}

fn choice(calling: &Calling) -> Value {
    match (calling.mode.as_str(), calling.allowed_function_names.as_slice()) {
        ("NONE", _) => "none".into(),
        ("ANY", [name]) => json!({"type": "function", "function": {"name": name}}),
        ("ANY", _) => "required".into(),
        _ => "auto".into(),
    }
}
