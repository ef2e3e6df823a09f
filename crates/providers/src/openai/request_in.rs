//! What a body of Chat Completions asks, for providers of another form.
//!
//! Source: OpenAI's API reference, "Create chat completion". The body was checked when it came: what is left to refuse here is what no
//! other vendor's form can say.

use insula_model::{
    Error, Result,
    chat::{Format, Media, Message, Part, Reasoning, Request, Role, Source, Tool, ToolChoice},
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    messages: Vec<Said<'a>>,
    #[serde(default, borrow)]
    tools: Option<Vec<ToolSaid<'a>>>,
    #[serde(default, borrow)]
    functions: Option<Vec<FunctionSaid<'a>>>,
    #[serde(default)]
    tool_choice: Option<ChoiceSaid>,
    parallel_tool_calls: Option<bool>,
    #[serde(default, borrow)]
    response_format: Option<FormatSaid<'a>>,
    n: Option<u64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    seed: Option<i64>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    stop: Option<OneOrMore>,
    reasoning_effort: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct Said<'a> {
    role: String,
    content: Option<Content>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    #[serde(default, borrow)]
    tool_calls: Option<Vec<CallSaid<'a>>>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<PartSaid>),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum PartSaid {
    Text { text: String },
    Refusal { refusal: String },
    ImageUrl { image_url: ImageSaid },
    File { file: FileSaid },
}

#[derive(Deserialize)]
struct ImageSaid {
    url: String,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct FileSaid {
    filename: Option<String>,
    file_data: Option<String>,
}

#[derive(Deserialize)]
struct CallSaid<'a> {
    id: String,
    #[serde(borrow)]
    function: CalledSaid<'a>,
}

#[derive(Deserialize)]
struct CalledSaid<'a> {
    name: std::borrow::Cow<'a, str>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct ToolSaid<'a> {
    #[serde(borrow)]
    function: Option<FunctionSaid<'a>>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct FunctionSaid<'a> {
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChoiceSaid {
    Word(String),
    Named { function: NameSaid },
}

#[derive(Deserialize)]
struct NameSaid {
    name: String,
}

#[derive(Deserialize)]
struct FormatSaid<'a> {
    r#type: String,
    #[serde(borrow)]
    json_schema: Option<SchemaSaid<'a>>,
}

#[derive(Deserialize)]
struct SchemaSaid<'a> {
    name: Option<String>,
    description: Option<String>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// What this body asks. The output limit and whether to stream are the caller's to set.
///
/// # Errors
/// `Invalid` where it does not have the documented shape, or asks for what cannot be said in another form.
pub(crate) fn read_request(body: &str) -> Result<Request> {
    let body: Body<'_> = serde_json::from_str(body).map_err(|error| unsayable(&error.to_string()))?;
    let functions = body.functions.into_iter().flatten();
    let tools = body.tools.into_iter().flatten().map(tool).chain(functions.map(|said| Ok(function(said))));
    Ok(Request {
        messages: body.messages.into_iter().map(message).collect::<Result<_>>()?,
        tools: tools.collect::<Result<_>>()?,
        tool_choice: body.tool_choice.map(tool_choice).transpose()?,
        parallel_tool_calls: body.parallel_tool_calls,
        format: body.response_format.map_or(Ok(Format::Text), format)?,
        output_tokens_max: None,
        choices: body.n.unwrap_or(1),
        temperature: body.temperature,
        top_p: body.top_p,
        top_k: body.top_k,
        seed: body.seed,
        presence_penalty: body.presence_penalty,
        frequency_penalty: body.frequency_penalty,
        stop: match body.stop {
            None => Vec::new(),
            Some(OneOrMore::One(text)) => vec![text],
            Some(OneOrMore::More(texts)) => texts,
        },
        reasoning: body.reasoning_effort.map(Reasoning::Effort),
        user: body.user,
        stream: false,
    })
}

fn unsayable(what: &str) -> Error {
    Error::invalid(format!("the model's provider speaks another form, into which this cannot be translated: {what}"))
}

fn message(said: Said<'_>) -> Result<Message> {
    let role = match said.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        role => return Err(unsayable(&format!("a message of the role `{role}`")).at("messages")),
    };
    let mut parts = Vec::new();
    parts.extend(said.reasoning_content.map(|text| Part::Reasoning { text, signature: None }));
    match said.content {
        None => {}
        Some(Content::Text(text)) => parts.push(Part::Text(text)),
        Some(Content::Parts(said)) => parts.extend(said.into_iter().map(part).collect::<Result<Vec<_>>>()?),
    }
    parts.extend(said.refusal.map(Part::Refusal));
    for call in said.tool_calls.into_iter().flatten() {
        let CalledSaid { name, arguments } = call.function;
        parts.push(Part::ToolCall { id: call.id, name: name.into_owned(), arguments: arguments.unwrap_or_default() });
    }
    if role == Role::Tool {
        let call_id = said.tool_call_id.ok_or_else(|| unsayable("a tool's message without `tool_call_id`").at("messages"))?;
        parts = vec![Part::ToolResult { call_id, parts, is_error: false }];
    }
    Ok(Message { role, parts })
}

fn part(said: PartSaid) -> Result<Part> {
    Ok(match said {
        PartSaid::Text { text } => Part::Text(text),
        PartSaid::Refusal { refusal } => Part::Refusal(refusal),
        PartSaid::ImageUrl { image_url: ImageSaid { url, detail } } => {
            Part::Image(Media { source: source(url), detail, name: None })
        }
        PartSaid::File { file } => {
            let data = file.file_data.ok_or_else(|| unsayable("a file that is not in the body").at("messages"))?;
            Part::Document(Media { source: source(data), detail: None, name: file.filename })
        }
    })
}

/// An address, or what a `data:` address holds.
pub(crate) fn source(url: String) -> Source {
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match data {
        Some((media_type, data)) => Source::Data { media_type: media_type.to_owned(), data: data.to_owned() },
        None => Source::Url(url),
    }
}

fn tool(said: ToolSaid<'_>) -> Result<Tool> {
    match said.function {
        Some(said) => Ok(function(said)),
        None => Err(unsayable(&format!("a tool of the type `{}`", said.r#type.unwrap_or_default())).at("tools")),
    }
}

fn function(said: FunctionSaid<'_>) -> Tool {
    let parameters = said.parameters.map(|schema| schema.get().to_owned());
    Tool { name: said.name, description: said.description, parameters, strict: said.strict }
}

fn tool_choice(said: ChoiceSaid) -> Result<ToolChoice> {
    Ok(match said {
        ChoiceSaid::Named { function } => ToolChoice::Named(function.name),
        ChoiceSaid::Word(word) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            word => return Err(unsayable(&format!("the choice `{word}`")).at("tool_choice")),
        },
    })
}

fn format(said: FormatSaid<'_>) -> Result<Format> {
    match (said.r#type.as_str(), said.json_schema) {
        ("text", _) => Ok(Format::Text),
        ("json_object", _) => Ok(Format::Json),
        ("json_schema", Some(SchemaSaid { name, description, schema: Some(schema), strict })) => Ok(Format::Schema {
            name: name.unwrap_or_else(|| "answer".to_owned()),
            description,
            schema: schema.get().to_owned(),
            strict,
        }),
        (kind, _) => Err(unsayable(&format!("the format `{kind}`")).at("response_format")),
    }
}
