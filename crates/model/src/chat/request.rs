//! What is asked of a model.

/// A conversation, and what is wanted next.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// The conversation, oldest first. Instructions are messages of [`Role::System`].
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must; `None` leaves it to the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once; `None` leaves it to the provider's default.
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer.
    pub format: Format,
    /// The longest answer of one choice, in tokens.
    pub output_tokens_max: Option<u64>,
    /// How many answers; at least one.
    pub choices: u64,
    /// Randomness, as the caller's vendor scales it (0 to 2; Anthropic's ends at 1).
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Sampling among so many.
    pub top_k: Option<u64>,
    /// The seed of sampling.
    pub seed: Option<i64>,
    /// Penalty on what was said already, -2 to 2.
    pub presence_penalty: Option<f64>,
    /// Penalty by how often it was said, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How much to think before the answer; `None` leaves it to the provider's default.
    pub reasoning: Option<Reasoning>,
    /// For whom, in the caller's words.
    pub user: Option<String>,
    /// Whether it is wanted in pieces.
    pub stream: bool,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// The person, or the program that asks.
    User,
    /// The model.
    Assistant,
    /// A tool's result; its parts are [`Part::ToolResult`].
    Tool,
}

/// Something said.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// By whom.
    pub role: Role,
    /// In this order.
    pub parts: Vec<Part>,
}

/// A part of a message or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// An image.
    Image(Media),
    /// A document, such as a PDF.
    Document(Media),
    /// The model calls a tool.
    ToolCall {
        /// What the result refers to.
        id: String,
        /// The tool.
        name: String,
        /// JSON text.
        arguments: String,
    },
    /// What a tool said.
    ToolResult {
        /// The call that it answers.
        call_id: String,
        /// Texts and images.
        parts: Vec<Part>,
        /// Whether the tool failed.
        is_error: bool,
    },
    /// What the model thought. Without its signature a vendor that signs does not take it back.
    Reasoning {
        /// As far as it is shown.
        text: String,
        /// The vendor's own seal on it.
        signature: Option<String>,
    },
    /// The model refuses.
    Refusal(String),
}

/// An image or a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Where it is.
    pub source: Source,
    /// How closely to look, in the words of OpenAI (`low`, `high`, `auto`).
    pub detail: Option<String>,
    /// A document's name.
    pub name: Option<String>,
}

/// Where a medium is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Behind an address that the provider fetches.
    Url(String),
    /// Here.
    Data {
        /// Such as `image/png`.
        media_type: String,
        /// Base64.
        data: String,
    },
}

/// A function that a model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON schema of its arguments, as JSON text.
    pub parameters: Option<String>,
    /// Whether arguments must match the schema exactly.
    pub strict: Option<bool>,
}

/// Whether a tool is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// Any text.
    #[default]
    Text,
    /// Some JSON object.
    Json,
    /// JSON by a schema.
    Schema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// JSON text.
        schema: String,
        /// Whether it must match exactly.
        strict: Option<bool>,
    },
}

/// How much to think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reasoning {
    /// In OpenAI's words: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`.
    Effort(String),
    /// At most so many tokens; 0 is not at all.
    Tokens(u64),
}
