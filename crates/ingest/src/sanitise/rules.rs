//! The rules: which concepts have to come together, how close, and what that weighs.

use super::{
    Category,
    lexicon::Concept::{self, *},
};

/// Concepts that make a case when they stand together. Each inner list wants one of its concepts.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) category: Category,
    pub(super) needs: &'static [&'static [Concept]],
    /// From the first to the last of them, in bytes of the folded words.
    pub(super) reach_bytes_max: u32,
    /// What they weigh together.
    pub(super) base: i32,
}

impl Rule {
    /// Whether it goes by signs in the first place, or by tools: people do not write those to each other.
    pub(super) fn is_led_by_signs(&self) -> bool {
        self.needs.first().is_some_and(|need| need.iter().all(|concept| concept.is_sign() || *concept == Tool))
    }

    /// Whether it goes by signs that only programs write.
    pub(super) fn goes_by_signs(&self) -> bool {
        self.needs.first().is_some_and(|need| need.iter().all(|concept| concept.is_sign()))
    }

    /// Whether a model's name is part of it.
    pub(super) fn wants_model(&self) -> bool {
        self.needs.iter().any(|need| need.contains(&Model))
    }

    /// Whether people say its words to each other as well.
    pub(super) fn is_weak(&self) -> bool {
        matches!(self.needs, [[Override], [Prior], [Weak, ..]] | [[Void], [Target]])
    }

    /// Whether it begins with a call to a model or a claim to be the system.
    pub(super) fn is_a_call(&self) -> bool {
        matches!(self.needs.first(), Some([Address | Authority]))
    }
}

const fn rule(
    name: &'static str,
    category: Category,
    needs: &'static [&'static [Concept]],
    reach_bytes_max: u32,
    base: i32,
) -> Rule {
    Rule { name, category, needs, reach_bytes_max, base }
}

/// What a claim of authority or a call to a model may want.
const WANTS: &[Concept] =
    &[Override, Output, Role, Mode, Leak, Send, Tool, Secrecy, Quiet, Task, Obey, Must, Tenant, Strong, Whole, Data, Call];

/// What is done in secret.
const SECRETS: &[Concept] = &[Output, Override, Leak, Send, Role, Tool, Address, Target, Task];

/// All rules.
pub(super) const RULES: &[Rule] = &[
    rule("override.whole", Category::Override, &[&[Whole]], 0, 54),
    rule("override.strong", Category::Override, &[&[Override], &[Strong]], 90, 60),
    rule("override.void-strong", Category::Override, &[&[Void], &[Strong]], 100, 44),
    rule("override.void", Category::Override, &[&[Void], &[Target]], 100, 28),
    rule("override.target", Category::Override, &[&[Override], &[Prior], &[Target]], 90, 62),
    rule("override.weak", Category::Override, &[&[Override], &[Prior], &[Weak]], 90, 46),
    rule("override.prior", Category::Override, &[&[Override], &[Prior], &[Output, Role, Mode]], 110, 48),
    rule("override.bare", Category::Override, &[&[Override], &[Target]], 60, 36),
    rule("role.freed", Category::RolePlay, &[&[Role], &[Mode]], 200, 64),
    rule("role.model", Category::RolePlay, &[&[Role], &[Model]], 120, 36),
    rule("role.mode", Category::RolePlay, &[&[Mode], &[Model, Output, Must, Strong]], 160, 34),
    rule("role.told", Category::RolePlay, &[&[Role], &[Output, Obey, Strong]], 200, 34),
    rule("authority.turn", Category::Authority, &[&[Turn]], 0, 50),
    rule("authority.claim", Category::Authority, &[&[Authority], WANTS], 220, 42),
    rule("authority.address", Category::Authority, &[&[Address], WANTS], 260, 56),
    rule("exfiltration.data", Category::Exfiltration, &[&[Send], &[Data], &[Link]], 240, 54),
    rule(
        "exfiltration.told",
        Category::Exfiltration,
        &[&[Send], &[Data], &[Model, Secrecy, Quiet, Address, Override, Tool]],
        200,
        46,
    ),
    rule("exfiltration.channel", Category::Exfiltration, &[&[Channel]], 0, 40),
    rule("exfiltration.channel-data", Category::Exfiltration, &[&[Channel], &[Data]], 260, 57),
    rule("tool.call", Category::ToolForgery, &[&[Call]], 0, 56),
    rule("tool.told", Category::ToolForgery, &[&[Tool], &[Send, Data, Link, Secrecy, Quiet, Tenant]], 200, 44),
    rule("leak.strong", Category::PromptLeak, &[&[Leak], &[Strong]], 64, 60),
    rule("leak.verbatim", Category::PromptLeak, &[&[Leak], &[Verbatim], &[Prior, Target, Strong]], 120, 54),
    rule("leak.target", Category::PromptLeak, &[&[Leak], &[Prior], &[Target]], 80, 40),
    rule("tenant.fetch", Category::CrossTenant, &[&[Fetch], &[Tenant]], 110, 52),
    rule("tenant.override", Category::CrossTenant, &[&[Override], &[Tenant]], 90, 54),
    rule("secrecy.user", Category::Secrecy, &[&[Secrecy]], 0, 46),
    rule("secrecy.told", Category::Secrecy, &[&[Secrecy], SECRETS], 240, 48),
    rule("secrecy.quiet", Category::Secrecy, &[&[Quiet], SECRETS], 240, 36),
    rule("steering.address", Category::Steering, &[&[Address], &[Output]], 260, 60),
    rule("steering.output", Category::Steering, &[&[Output], &[Model]], 140, 37),
    rule("steering.task", Category::Steering, &[&[Task], &[Output]], 160, 34),
    rule("steering.decode", Category::Steering, &[&[Decode], &[Obey]], 160, 36),
];

/// What a concept weighs that stands near a case and is no part of it.
pub(super) fn support(concept: Concept) -> i32 {
    match concept {
        Address => 26,
        Channel | Turn => 24,
        Secrecy => 22,
        Whole | Mode | Authority => 20,
        Call => 16,
        Tenant => 18,
        Strong | Role | Output => 14,
        Data | Tool => 12,
        Decode | Task => 10,
        Model | Leak | Verbatim | Send | Quiet => 8,
        Override | Void | Must | Obey | Link => 6,
        Target => 4,
        Prior => 3,
        Weak | Fetch | Not | Discuss | Teach | Human | Say | Rot13 | Reversed => 0,
        Machine | Device | User | Reply | Page | Read | Praise | Hide | You | Memory | All => 0,
    }
}

/// The most that support adds.
pub(super) const SUPPORT_MAX: i32 = 46;
/// The most that support adds to a case whose words may be anybody's.
pub(super) const SUPPORT_WEAK_MAX: i32 = 22;
/// From which score on it is a finding where readers look.
pub(super) const SEEN_MIN: i32 = 60;
/// From which score on it is a finding where no reader looks.
pub(super) const UNSEEN_MIN: i32 = 42;
/// Below it a case is not told of at all.
pub(super) const FLOOR: i32 = 20;
/// What it weighs that the text had to be decoded first: nobody hides what is harmless.
pub(super) const DECODED: i32 = 20;
/// What it weighs that letters were set apart or written otherwise.
pub(super) const DISGUISED: i32 = 14;
/// What a negation right beside the first concept weighs.
pub(super) const NEGATED: i32 = -44;
/// What a negation earlier in the sentence weighs.
pub(super) const NEGATED_FAR: i32 = -10;
/// What it weighs that somebody else does it, or that it is only named: "we list", "to ignore". Not "you have to ignore".
pub(super) const REPORTED: i32 = -20;
/// Words before a verb that show that.
pub(super) const REPORTERS: [&str; 38] = [
    "to",
    "we",
    "they",
    "i",
    "who",
    "that",
    "which",
    "users",
    "tests",
    "it",
    "he",
    "she",
    "attackers",
    "people",
    "customers",
    "can",
    "zu",
    "wir",
    "er",
    "man",
    "nutzer",
    "angreifer",
    "nous",
    "il",
    "elle",
    "qui",
    "pour",
    "on",
    "para",
    "que",
    "quien",
    "per",
    "che",
    "chi",
    "di",
    "wij",
    "men",
    "om",
];
/// Words before "to" that make an order of it all the same.
pub(super) const ORDERS: [&str; 12] =
    ["you", "need", "have", "must", "want", "sure", "going", "required", "instructed", "supposed", "remember", "ordered"];
/// What one and what several signs weigh that people speak to each other.
pub(super) const HUMAN: [i32; 2] = [-20, -32];
/// What one, two, three and more signs weigh that attacks are being spoken of.
pub(super) const DISCUSSED: [i32; 4] = [-10, -18, -26, -34];
/// What quotation marks weigh alone.
pub(super) const QUOTED: i32 = -10;
/// What quotation marks weigh around signs of a chat: whoever explains a template writes them so.
pub(super) const QUOTED_SIGNS: i32 = -18;
/// What a fence of code weighs alone.
pub(super) const CODE: i32 = -12;
/// What brackets and operators weigh amid a rule's words.
pub(super) const CODELIKE: i32 = -18;
/// What a break between the concepts of a rule weighs: of a line, a sentence, a paragraph.
pub(super) const BROKEN: [i32; 3] = [-2, -14, -30];
/// The same where a rule's words have to be one phrase.
pub(super) const BROKEN_PHRASE: [i32; 3] = [-4, -60, -90];
/// Up to this reach a rule's words are one phrase.
pub(super) const PHRASE_BYTES_MAX: u32 = 120;
