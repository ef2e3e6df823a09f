//! How well a document could be read, and what was found in it.

use insula_engine::manage::documents::{DocumentDefect, DocumentFinding, DocumentReport};
use serde::Serialize;
use utoipa::ToSchema;

/// How well a document could be read.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentReport)]
pub(super) struct Report {
    /// What it is, by its bytes: `text`, `markdown`, `html`, `csv`, `json`, `email`, `subtitles`, `transcript`, `docx`, `pptx`,
    /// `xlsx` or `pdf`.
    format: String,
    /// How its letters were written; null where the format decides.
    encoding: Option<String>,
    /// The language of most of its text, as a code of ISO 639-1; null where it cannot be told.
    language: Option<String>,
    /// Pages, slides or sheets that were read.
    pages: u32,
    /// Characters of its text.
    characters: u64,
    /// What is worth knowing before one relies on the text.
    defects: Vec<Defect>,
    /// Defects that are not listed, because there are too many.
    defects_left_out: u64,
}

/// One thing that is not as it should be.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentDefect)]
struct Defect {
    /// What programs tell it by.
    kind: String,
    /// How often.
    count: u64,
    /// What and where, for people.
    message: String,
}

/// Something that is meant for a model and not for a reader, or that nobody is meant to see.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentFinding)]
pub(super) struct Finding {
    /// What it tries to do.
    category: String,
    /// The rule that found it.
    rule: String,
    /// What carries it: `text`, or one of `metadata`, `comment`, `alt_text`, `hidden_element`, `invisible_text`, `deleted_text` and
    /// `script`, which are no part of the text.
    carrier: String,
    /// How sure that is, in percent.
    confidence: u8,
    /// How bad it is: `low`, `medium` or `high`.
    severity: String,
    /// Where it begins, in bytes of the text as it was read, or of the hidden part that carries it.
    start: u64,
    /// Where it ends.
    end: u64,
    /// What was done: `withheld` (`[withheld]` stands there), `removed`, `kept_apart` (it was no part of the text), `quarantined`
    /// or `reported` (nothing).
    done: String,
}

impl Report {
    /// As it is sent.
    pub fn of(report: &DocumentReport) -> Self {
        let defect = |DocumentDefect { kind, count, message }| Defect { kind, count, message };
        let DocumentReport { format, encoding, language, pages, characters, defects, defects_left_out } = report.clone();
        let defects = defects.into_iter().map(defect).collect();
        Self { format, encoding, language, pages, characters, defects, defects_left_out }
    }
}

impl Finding {
    /// As it is sent.
    pub fn of(finding: &DocumentFinding) -> Self {
        let DocumentFinding { category, rule, carrier, confidence, severity, start, end, done } = finding.clone();
        Self { category, rule, carrier, confidence, severity, start, end, done }
    }
}
