//! What a scene tells of a sentence.

use std::ops::Range;

use crate::sanitise::{lexicon::Hit, rules, score::Scene};

/// The most hits that are looked at in one span: bounds the work per byte.
const HITS_MAX: usize = 160;

impl Scene<'_> {
    /// Whether readers look there.
    pub(in crate::sanitise) fn is_seen(&self) -> bool {
        self.score_min >= rules::SEEN_MIN
    }

    /// All concepts that end within a span.
    pub(in crate::sanitise) fn hits_in(&self, span: &Range<u32>) -> &[Hit] {
        let from = self.all_hits.partition_point(|hit| hit.end <= span.start);
        let to = self.all_hits.partition_point(|hit| hit.end <= span.end);
        self.all_hits.get(from..to.min(from + HITS_MAX)).unwrap_or_default()
    }

    /// Whether most of a span is quoted.
    pub(in crate::sanitise) fn is_quoted_at(&self, span: Range<u32>) -> bool {
        self.marks.is_quoted(&self.words.view.origin(span.start as usize..span.end as usize))
    }

    /// Whether most of a span is code.
    pub(in crate::sanitise) fn is_code_at(&self, span: &Range<u32>) -> bool {
        self.marks.is_code(&self.words.view.origin(span.start as usize..span.end as usize))
    }

    /// What stands in the plain text right behind a span, past blanks and quotation marks; and whether a letter does.
    pub(in crate::sanitise) fn behind(&self, span: &Range<u32>) -> Option<char> {
        let end = self.words.view.origin(span.start as usize..span.end as usize).end;
        let rest = self.plain.get(end..).unwrap_or_default();
        rest.chars().take(4).find(|c| !matches!(c, ' ' | '"' | '*' | '”' | '»' | ')' | '_' | '`'))
    }
}
