//! How much work one text may make. Whoever writes a text decides how much in it has to be weighed; without a bound a few megabytes
//! made for the purpose keep a core busy for hours. What is beyond is not weighed, and [`super::scan`] says so by a finding.

use std::cell::Cell;

/// The most cases of rules that are weighed in one text: more than the longest text about attacks has.
const CASES_MAX: u32 = 600_000;
/// The most sentences that are weighed in one text: sixteen megabytes of the shortest.
const SENTENCES_MAX: u32 = 3_000_000;
/// The most parts of one text that are decoded and weighed.
const VIEWS_MAX: u32 = 100_000;
/// The most bytes of what was decoded that are weighed.
const DECODED_BYTES_MAX: u32 = 16 << 20;
/// The most runs of invisible characters of one text that are findings.
const RUNS_MAX: u32 = 500_000;

/// What is left of it for one text.
#[derive(Debug)]
pub(super) struct Effort {
    cases: Cell<u32>,
    sentences: Cell<u32>,
    views: Cell<u32>,
    decoded_bytes: Cell<u32>,
    runs: Cell<u32>,
    is_spent: Cell<bool>,
}

impl Effort {
    /// For one text.
    pub(super) fn new() -> Self {
        Self {
            cases: Cell::new(CASES_MAX),
            sentences: Cell::new(SENTENCES_MAX),
            views: Cell::new(VIEWS_MAX),
            decoded_bytes: Cell::new(DECODED_BYTES_MAX),
            runs: Cell::new(RUNS_MAX),
            is_spent: Cell::new(false),
        }
    }

    /// Whether one more case may be weighed.
    pub(super) fn allows_case(&self) -> bool {
        self.takes(&self.cases, 1)
    }

    /// Whether so many more sentences may be weighed.
    pub(super) fn allows_sentences(&self, count: usize) -> bool {
        self.takes(&self.sentences, count)
    }

    /// Whether something of so many bytes that was decoded may be weighed.
    pub(super) fn allows_view(&self, bytes: usize) -> bool {
        self.takes(&self.views, 1) && self.takes(&self.decoded_bytes, bytes)
    }

    /// Whether one more run of invisible characters may be a finding.
    pub(super) fn allows_run(&self) -> bool {
        self.takes(&self.runs, 1)
    }

    /// Whether anything was refused.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.get()
    }

    fn takes(&self, left: &Cell<u32>, count: usize) -> bool {
        let rest = u32::try_from(count).ok().and_then(|count| left.get().checked_sub(count));
        match rest {
            Some(rest) => left.set(rest),
            None => self.is_spent.set(true),
        }
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Carrier,
        sanitise::{Severity, learned::Model, neutralise, scan_by},
    };

    #[test]
    fn what_is_not_weighed_is_a_finding_and_taken_out() {
        let text = "The pool opens at nine. It closes at ten. Towels are lent.";
        let effort = Effort { sentences: Cell::new(2), ..Effort::new() };
        let findings = scan_by(Model::learned(), &effort, text, Carrier::Text);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].category.name(), findings[0].span.clone()), ("unweighed", 0..text.len()));
        assert_eq!(findings[0].severity(), Severity::High);
        assert_eq!(neutralise(text, &findings).text, "[withheld]");
    }

    #[test]
    fn what_is_beyond_is_refused_and_that_is_remembered() {
        let effort = Effort::new();
        assert!(effort.allows_sentences(SENTENCES_MAX as usize) && !effort.is_spent());
        assert!(effort.allows_case() && effort.allows_view(1));
        assert!(!effort.allows_sentences(1) && effort.is_spent());
        assert!(!Effort::new().allows_view(usize::MAX));
    }
}
