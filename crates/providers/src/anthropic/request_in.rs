//! What a body of Messages asks, for providers of another form.
//!
//! Source: Anthropic's API reference, "Create a message". The body was checked when it came: what is left to refuse here is what no other
//! vendor's form can say. Hints for the vendor's own cache and citations are left out.

use insula_model::{
    Error, Result,
    chat::{Format, Media, Message, Part, Reasoning, Request, Role, Source, Tool, ToolChoice},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::REDACTED;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    messages: Vec<Said<'a>>,
    #[serde(default, borrow)]
    system: Option<Content<'a>>,
    #[serde(default, borrow)]
    tools: Option<Vec<ToolSaid<'a>>>,
    tool_choice: Option<ChoiceSaid>,
    #[serde(default, borrow)]
    output_config: Option<OutputSaid<'a>>,
    /// Where the format stood first.
    #[serde(default, borrow)]
    output_format: Option<FormatSaid<'a>>,
    thinking: Option<ThinkingSaid>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    stop_sequences: Option<Vec<String>>,
    metadata: Option<MetadataSaid>,
}

#[derive(Deserialize)]
struct Said<'a> {
    role: String,
    #[serde(borrow)]
    content: Content<'a>,
}

/// A text, or blocks.
struct Content<'a>(Vec<BlockSaid<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = <&'de RawValue>::deserialize(deserializer)?.get();
        let blocks = match said.starts_with('"') {
            true => serde_json::from_str(said).map(|text| vec![BlockSaid { text: Some(text), ..BlockSaid::new("text") }]),
            false => serde_json::from_str(said),
        };
        blocks.map(Self).map_err(D::Error::custom)
    }
}

/// A block: each kind has its fields.
#[derive(Deserialize)]
struct BlockSaid<'a> {
    r#type: String,
    text: Option<String>,
    source: Option<SourceSaid>,
    title: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    data: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    tool_use_id: Option<String>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    is_error: Option<bool>,
}

#[derive(Deserialize)]
struct SourceSaid {
    r#type: String,
    media_type: Option<String>,
    data: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct ToolSaid<'a> {
    r#type: Option<String>,
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct ChoiceSaid {
    r#type: String,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize)]
struct OutputSaid<'a> {
    effort: Option<String>,
    #[serde(borrow)]
    format: Option<FormatSaid<'a>>,
}

#[derive(Deserialize)]
struct FormatSaid<'a> {
    #[serde(borrow)]
    schema: &'a RawValue,
}

#[derive(Deserialize)]
struct ThinkingSaid {
    r#type: String,
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct MetadataSaid {
    user_id: Option<String>,
}

/// What this body asks. The output limit and whether to stream are the caller's to set.
///
/// # Errors
/// `Invalid` where it does not have the documented shape, or asks for what cannot be said in another form.
pub(crate) fn read_request(body: &str) -> Result<Request> {
    let body: Body<'_> = serde_json::from_str(body).map_err(|error| unsayable(&error.to_string()))?;
    let (effort, format) = body.output_config.map_or((None, None), |said| (said.effort, said.format));
    let mut messages = Vec::new();
    if let Some(Content(blocks)) = body.system {
        messages.push(Message { role: Role::System, parts: parts(blocks)? });
    }
    for said in body.messages {
        add_messages(said, &mut messages)?;
    }
    let choice = body.tool_choice.as_ref();
    Ok(Request {
        messages,
        tools: body.tools.into_iter().flatten().map(tool).collect::<Result<_>>()?,
        parallel_tool_calls: choice.and_then(|said| said.disable_parallel_tool_use).map(|disabled| !disabled),
        tool_choice: body.tool_choice.map(tool_choice).transpose()?,
        format: format.or(body.output_format).map_or(Format::Text, schema),
        output_tokens_max: None,
        choices: 1,
        temperature: body.temperature,
        top_p: body.top_p,
        top_k: body.top_k,
        seed: None,
        presence_penalty: None,
        frequency_penalty: None,
        stop: body.stop_sequences.unwrap_or_default(),
        reasoning: reasoning(body.thinking, effort),
        user: body.metadata.and_then(|said| said.user_id),
        stream: false,
    })
}

fn unsayable(what: &str) -> Error {
    Error::invalid(format!("the model's provider speaks another form, into which this cannot be translated: {what}"))
}

/// What tools said becomes messages of its own, before what the user says beside it.
fn add_messages(said: Said<'_>, messages: &mut Vec<Message>) -> Result<()> {
    let role = match said.role.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        role => return Err(unsayable(&format!("a message of the role `{role}`")).at("messages")),
    };
    let parts = parts(said.content.0)?;
    let (results, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| matches!(part, Part::ToolResult { .. }));
    messages.extend(results.into_iter().map(|result| Message { role: Role::Tool, parts: vec![result] }));
    if !others.is_empty() {
        messages.push(Message { role, parts: others });
    }
    Ok(())
}

fn parts(blocks: Vec<BlockSaid<'_>>) -> Result<Vec<Part>> {
    blocks.into_iter().map(|block| block.part().map_err(|error| error.at("messages"))).collect()
}

impl BlockSaid<'_> {
    fn new(kind: &str) -> Self {
        Self {
            r#type: kind.to_owned(),
            text: None,
            source: None,
            title: None,
            thinking: None,
            signature: None,
            data: None,
            id: None,
            name: None,
            input: None,
            tool_use_id: None,
            content: None,
            is_error: None,
        }
    }

    fn part(self) -> Result<Part> {
        let kind = self.r#type;
        let needed = |field: &str| unsayable(&format!("a block `{kind}` without `{field}`"));
        Ok(match kind.as_str() {
            "text" => Part::Text(self.text.ok_or_else(|| needed("text"))?),
            "image" => Part::Image(media(self.source.ok_or_else(|| needed("source"))?, None)?),
            "document" => document(self.source.ok_or_else(|| needed("source"))?, self.title)?,
            "thinking" => Part::Reasoning {
                text: self.thinking.unwrap_or_default(),
                signature: self.signature.filter(|signature| !signature.is_empty()),
            },
            "redacted_thinking" => Part::Reasoning {
                text: String::new(),
                signature: Some(format!("{REDACTED}{}", self.data.ok_or_else(|| needed("data"))?)),
            },
            "tool_use" => Part::ToolCall {
                id: self.id.ok_or_else(|| needed("id"))?,
                name: self.name.ok_or_else(|| needed("name"))?,
                arguments: self.input.map_or("{}", RawValue::get).to_owned(),
            },
            "tool_result" => Part::ToolResult {
                call_id: self.tool_use_id.ok_or_else(|| needed("tool_use_id"))?,
                parts: self.content.map_or_else(|| Ok(Vec::new()), |Content(blocks)| parts(blocks))?,
                is_error: self.is_error.unwrap_or(false),
            },
            kind => return Err(unsayable(&format!("a block of the type `{kind}`"))),
        })
    }
}

/// A document that is text already is one.
fn document(said: SourceSaid, title: Option<String>) -> Result<Part> {
    match (said.r#type.as_str(), said.data) {
        ("text", Some(text)) => Ok(Part::Text(match title {
            Some(title) => format!("{title}\n\n{text}"),
            None => text,
        })),
        (_, data) => media(SourceSaid { data, ..said }, title).map(Part::Document),
    }
}

fn media(said: SourceSaid, name: Option<String>) -> Result<Media> {
    let source = match (said.r#type.as_str(), said.media_type, said.data, said.url) {
        ("base64", Some(media_type), Some(data), _) => Source::Data { media_type, data },
        ("url", _, _, Some(url)) => Source::Url(url),
        (kind, ..) => return Err(unsayable(&format!("a source of the type `{kind}`"))),
    };
    Ok(Media { source, detail: None, name })
}

fn tool(said: ToolSaid<'_>) -> Result<Tool> {
    if let Some(kind) = said.r#type.filter(|kind| kind != "custom") {
        return Err(unsayable(&format!("a tool of the type `{kind}`")).at("tools"));
    }
    let parameters = said.input_schema.map(|schema| schema.get().to_owned());
    Ok(Tool { name: said.name, description: said.description, parameters, strict: said.strict })
}

fn tool_choice(said: ChoiceSaid) -> Result<ToolChoice> {
    Ok(match (said.r#type.as_str(), said.name) {
        ("auto", _) => ToolChoice::Auto,
        ("none", _) => ToolChoice::None,
        ("any", _) => ToolChoice::Required,
        ("tool", Some(name)) => ToolChoice::Named(name),
        (kind, _) => return Err(unsayable(&format!("the choice `{kind}`")).at("tool_choice")),
    })
}

/// Strictness is left to the provider's default: a schema that this form takes can be one that OpenAI's strict mode refuses.
fn schema(said: FormatSaid<'_>) -> Format {
    let schema = said.schema.get().to_owned();
    Format::Schema { name: "answer".to_owned(), description: None, schema, strict: None }
}

/// Tokens to think with say more than an effort. Who lets the model decide leaves it to the effort, or to the provider's default.
fn reasoning(thinking: Option<ThinkingSaid>, effort: Option<String>) -> Option<Reasoning> {
    match thinking.map(|said| (said.r#type, said.budget_tokens)) {
        Some((kind, _)) if kind == "disabled" => Some(Reasoning::Tokens(0)),
        Some((_, Some(tokens))) => Some(Reasoning::Tokens(tokens)),
        // No other vendor has a word above `xhigh`.
        _ => effort.map(|word| Reasoning::Effort(if word == "max" { "xhigh".to_owned() } else { word })),
    }
}
