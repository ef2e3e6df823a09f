//! What words and signs stand for, whatever the language.

/// What a phrase stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Concept {
    /// To set something aside: ignore, forget.
    Override,
    /// That something no longer holds: are void, no longer apply.
    Void,
    /// What was there before: previous, above.
    Prior,
    /// What is a model's own: your instructions, the system prompt.
    Strong,
    /// What may be a model's: instructions, directives.
    Target,
    /// What may be anybody's: rules, text.
    Weak,
    /// An override that needs no more words.
    Whole,
    /// A model by its kind: assistant, language model.
    Model,
    /// A model spoken to: note to the AI, if you are a language model.
    Address,
    /// Another role: you are now, act as.
    Role,
    /// Freedom from rules: developer mode, without restrictions.
    Mode,
    /// What the user must not know.
    Secrecy,
    /// A phrase of `secrecy` that does not say before whom. Not a line of the files.
    Quiet,
    /// To show: reveal, print, repeat.
    Leak,
    /// Word for word.
    Verbatim,
    /// To send: forward, upload, append.
    Send,
    /// What is worth sending: the conversation, API keys.
    Data,
    /// To call a tool, run a command.
    Tool,
    /// What is others': other tenants, all collections.
    Tenant,
    /// To fetch: search, list.
    Fetch,
    /// What to answer: reply only with, tell the user that.
    Output,
    /// Something new to do: instead, new instructions.
    Task,
    /// Who claims to speak: system override, I am your developer.
    Authority,
    /// Insistence: you must, always.
    Must,
    /// To obey: follow, execute.
    Obey,
    /// To undo an encoding.
    Decode,
    /// Negation.
    Not,
    /// Talk about attacks: injection, malicious, detection.
    Discuss,
    /// Talk about anything: for example, chapter, parameter. Counts beside a quotation or talk about attacks.
    Teach,
    /// What people have with each other: my email, the invoice, the game.
    Human,
    /// Somebody said it.
    Say,
    /// What reads without being a person: agent, crawler, screening tool. From here on only what is learned looks at it.
    Machine,
    /// What may be a machine and seldom is one that reads: system, program, model.
    Device,
    /// Whom a model serves: the user, the customer.
    User,
    /// An answer, and to give one.
    Reply,
    /// The text itself: this document, the following.
    Page,
    /// To read, process, summarise.
    Read,
    /// To recommend, rate, approve.
    Praise,
    /// To mention or to keep back.
    Hide,
    /// Whoever is spoken to.
    You,
    /// To remember, and what is to come.
    Memory,
    /// All, any, always, only.
    All,
    /// An address on the net or of e-mail. Not in the files.
    Link,
    /// A link that carries something: a placeholder or data in its query. Not in the files.
    Channel,
    /// A special token or heading of a chat. Not in the files.
    Turn,
    /// The syntax of a tool call. Not in the files.
    Call,
    /// A word of the lexicon, each letter moved by thirteen. Not in the files.
    Rot13,
    /// A word of the lexicon, backwards. Not in the files.
    Reversed,
}

impl Concept {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Reversed as usize + 1;

    /// Whether it is told by signs and not by words.
    pub(super) fn is_sign(self) -> bool {
        matches!(self, Self::Link | Self::Channel | Self::Turn | Self::Call)
    }

    /// Whether only what is learned looks at it: rules do not know it.
    pub(super) fn is_for_learning(self) -> bool {
        (Self::Machine as u8..=Self::All as u8).contains(&(self as u8))
    }

    /// Its name, as the files have it.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).map_or("", |(_, name)| name)
    }

    /// In the order of their numbers.
    const NAMES: [(Self, &str); Self::COUNT] = [
        (Self::Override, "override"),
        (Self::Void, "void"),
        (Self::Prior, "prior"),
        (Self::Strong, "strong"),
        (Self::Target, "target"),
        (Self::Weak, "weak"),
        (Self::Whole, "whole"),
        (Self::Model, "model"),
        (Self::Address, "address"),
        (Self::Role, "role"),
        (Self::Mode, "mode"),
        (Self::Secrecy, "secrecy"),
        (Self::Quiet, "quiet"),
        (Self::Leak, "leak"),
        (Self::Verbatim, "verbatim"),
        (Self::Send, "send"),
        (Self::Data, "data"),
        (Self::Tool, "tool"),
        (Self::Tenant, "tenant"),
        (Self::Fetch, "fetch"),
        (Self::Output, "output"),
        (Self::Task, "task"),
        (Self::Authority, "authority"),
        (Self::Must, "must"),
        (Self::Obey, "obey"),
        (Self::Decode, "decode"),
        (Self::Not, "not"),
        (Self::Discuss, "discuss"),
        (Self::Teach, "teach"),
        (Self::Human, "human"),
        (Self::Say, "say"),
        (Self::Machine, "machine"),
        (Self::Device, "device"),
        (Self::User, "user"),
        (Self::Reply, "reply"),
        (Self::Page, "page"),
        (Self::Read, "read"),
        (Self::Praise, "praise"),
        (Self::Hide, "hide"),
        (Self::You, "you"),
        (Self::Memory, "memory"),
        (Self::All, "all"),
        (Self::Link, "link"),
        (Self::Channel, "channel"),
        (Self::Turn, "turn"),
        (Self::Call, "call"),
        (Self::Rot13, "rot13"),
        (Self::Reversed, "reversed"),
    ];

    /// The one that a line of a file may name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let concept = Self::NAMES.iter().find(|(_, known)| *known == name)?.0;
        ((concept as u8) < Self::Link as u8 && concept != Self::Quiet).then_some(concept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_of_the_numbers() {
        assert!(
            Concept::NAMES.iter().enumerate().all(|(at, (concept, name))| *concept as usize == at && concept.name() == *name)
        );
    }
}
