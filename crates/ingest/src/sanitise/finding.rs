//! What was found in a text.

use std::{fmt, ops::Range};

use crate::Carrier;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, in bytes of the text that was scanned; always on character boundaries.
    pub span: Range<usize>,
    /// What it tries to do.
    pub category: Category,
    /// The rule that found it; its name stays the same between versions.
    pub rule: &'static str,
    /// How sure that is.
    pub confidence: Confidence,
    /// What the text was hidden behind, where it had to be undone first.
    pub disguise: Option<Disguise>,
    /// Where the text that was scanned came from.
    pub carrier: Carrier,
}

impl Finding {
    /// How bad it is: what the caller's policy goes by.
    pub fn severity(&self) -> Severity {
        match self.category {
            Category::Invisible | Category::Homoglyph => match self.confidence.percent() {
                0..=79 => Severity::Low,
                _ => Severity::Medium,
            },
            _ => match self.confidence.percent() {
                0..=59 => Severity::Low,
                60..=84 => Severity::Medium,
                _ => Severity::High,
            },
        }
    }
}

/// What a finding tries to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// Sets aside what the model was told before.
    Override,
    /// Gives the model another role, or frees it of its rules.
    RolePlay,
    /// Claims to be the system, a developer or another turn of the conversation.
    Authority,
    /// Carries data out: to an address, or in the URL of a link or an image.
    Exfiltration,
    /// Has a tool called, or looks like a call or its result.
    ToolForgery,
    /// Asks for the prompt.
    PromptLeak,
    /// Asks for what belongs to other tenants.
    CrossTenant,
    /// Wants something done that the user must not know of.
    Secrecy,
    /// Tells the model that reads the document what it has to answer.
    Steering,
    /// Characters that nobody sees and that no script needs where they stand.
    Invisible,
    /// A word that mixes letters of several scripts that look alike.
    Homoglyph,
    /// What was not weighed, because the text before it made more work than one text may.
    Unweighed,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Override,
        Self::RolePlay,
        Self::Authority,
        Self::Exfiltration,
        Self::ToolForgery,
        Self::PromptLeak,
        Self::CrossTenant,
        Self::Secrecy,
        Self::Steering,
        Self::Invisible,
        Self::Homoglyph,
        Self::Unweighed,
    ];

    /// Its name in reports and in the marker.
    pub fn name(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::RolePlay => "role-play",
            Self::Authority => "authority",
            Self::Exfiltration => "exfiltration",
            Self::ToolForgery => "tool-forgery",
            Self::PromptLeak => "prompt-leak",
            Self::CrossTenant => "cross-tenant",
            Self::Secrecy => "secrecy",
            Self::Steering => "steering",
            Self::Invisible => "invisible",
            Self::Homoglyph => "homoglyph",
            Self::Unweighed => "unweighed",
        }
    }

    /// Whether it is an instruction, and not only how a text is written. What was not weighed is taken for one.
    pub fn is_instruction(self) -> bool {
        !matches!(self, Self::Invisible | Self::Homoglyph)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How sure a finding is, in percent. It orders findings; it is no probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(u8);

impl Confidence {
    /// From a score, cut to 0 and 100.
    pub(super) fn of_score(score: i32) -> Self {
        Self(u8::try_from(score.clamp(0, 100)).unwrap_or(100))
    }

    /// From 0 to 100.
    pub fn percent(self) -> u8 {
        self.0
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a line in the report.
    Low,
    /// Does harm if a model heeds it; taking it out is enough.
    Medium,
    /// Written to do harm: a caller may put the whole document aside.
    High,
}

/// What an instruction was hidden behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disguise {
    /// Letters that look alike, digits for letters, invisible characters inside words, entities and escapes.
    Letters,
    /// Letters set apart.
    Spaced,
    /// Base64, also of the URL's alphabet.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// Zeros and ones.
    Binary,
    /// Numbers of characters.
    Codes,
    /// Each letter moved by thirteen.
    Rot13,
    /// Written backwards.
    Reversed,
    /// Tag characters, variation selectors or characters for private use that stand for bytes.
    Unseen,
}
