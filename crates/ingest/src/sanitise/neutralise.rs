//! Takes out of a text what was found in it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Disguise, Finding, scan};
use crate::Carrier;

/// What stands where an instruction stood.
pub const MARKER: &str = "[withheld]";

/// How often what is left is looked at again: taking one thing out can bring another to light.
const ROUNDS_MAX: usize = 6;

/// A text without what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neutralised {
    /// Instructions replaced by [`MARKER`], invisible characters gone, all else as it was.
    pub text: String,
    /// From this text back to the one it was made from.
    pub map: OffsetMap,
}

/// From offsets in a neutralised text to the original's, and back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OffsetMap {
    edits: Vec<Edit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

impl OffsetMap {
    /// The original's bytes behind a span of the neutralised text. What begins or ends inside a marker takes all that it stands for.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        let place = |at, is_end| self.place(at, is_end, |edit| &edit.new, |edit| &edit.old);
        let (start, end) = (place(span.start, false), place(span.end.max(span.start), true));
        start..end.max(start)
    }

    /// Where a span of the original went. What begins or ends inside what was taken out takes the marker that stands for it.
    pub fn neutralised(&self, span: Range<usize>) -> Range<usize> {
        let place = |at, is_end| self.place(at, is_end, |edit| &edit.old, |edit| &edit.new);
        let (start, end) = (place(span.start, false), place(span.end.max(span.start), true));
        start..end.max(start)
    }

    /// As much of the map as a span of the neutralised text needs.
    pub fn within(&self, span: &Range<usize>) -> Self {
        let from = self.edits.partition_point(|edit| edit.new.end < span.start).saturating_sub(1);
        let upto = self.edits.partition_point(|edit| edit.new.start <= span.end);
        Self { edits: self.edits.get(from..upto).unwrap_or_default().to_vec() }
    }

    /// Whether a span of the neutralised text stands in the original byte for byte.
    pub fn is_verbatim(&self, span: &Range<usize>) -> bool {
        let touches = |edit: &Edit| {
            if edit.new.is_empty() {
                span.start < edit.new.start && edit.new.start < span.end
            } else {
                span.start < edit.new.end && edit.new.start < span.end
            }
        };
        let from = self.edits.partition_point(|edit| edit.new.end < span.start);
        !self.edits.iter().skip(from).take_while(|edit| edit.new.start <= span.end).any(touches)
    }

    fn place(&self, at: usize, is_end: bool, from: fn(&Edit) -> &Range<usize>, to: fn(&Edit) -> &Range<usize>) -> usize {
        // What was taken out at the very place belongs to neither side.
        let is_before = |edit: &Edit| if is_end { from(edit).start < at } else { from(edit).start <= at };
        let upto = self.edits.partition_point(is_before);
        match upto.checked_sub(1).and_then(|last| self.edits.get(last)) {
            None => at,
            Some(edit) if at < from(edit).end => {
                if is_end {
                    to(edit).end
                } else {
                    to(edit).start
                }
            }
            Some(edit) => to(edit).end + (at - from(edit).end),
        }
    }
}

/// Takes findings out of the text that they were found in: instructions leave a [`MARKER`], invisible characters nothing; words with
/// foreign letters stay, for a reader sees them. Looks again at what is left, so that the result has nothing more to be taken out.
pub fn neutralise(text: &str, findings: &[Finding]) -> Neutralised {
    let carrier = findings.first().map_or(Carrier::Text, |finding| finding.carrier);
    let mut cuts = merged(findings.iter().filter_map(|finding| cut(text, finding)).collect());
    for _ in 0..ROUNDS_MAX {
        let neutralised = apply(text, &cuts);
        if cuts.is_empty() {
            return neutralised;
        }
        let found = scan(&neutralised.text, carrier);
        let more: Vec<Cut> = found.iter().filter_map(|f| cut(&neutralised.text, f)).collect();
        if more.is_empty() {
            return neutralised;
        }
        let back = |cut: Cut| Cut { span: neutralised.map.original(cut.span), ..cut };
        cuts = merged(cuts.into_iter().chain(more.into_iter().map(back)).collect());
    }
    let all = Cut { span: 0..text.len(), marker: MARKER };
    apply(text, &[all])
}

struct Cut {
    span: Range<usize>,
    marker: &'static str,
}

/// What a finding takes out; nothing if its span is not one of this text.
fn cut(text: &str, finding: &Finding) -> Option<Cut> {
    let unseen = finding.disguise == Some(Disguise::Unseen) || finding.category == super::Category::Invisible;
    let takes = unseen || finding.category.is_instruction();
    let fits = text.get(finding.span.clone()).is_some_and(|found| !found.is_empty() && found != MARKER);
    (takes && fits).then(|| Cut { span: finding.span.clone(), marker: if unseen { "" } else { MARKER } })
}

/// In order, and what overlaps made one.
fn merged(mut cuts: Vec<Cut>) -> Vec<Cut> {
    cuts.sort_by_key(|cut| (cut.span.start, cut.span.end));
    let mut merged: Vec<Cut> = Vec::with_capacity(cuts.len());
    for cut in cuts {
        match merged.last_mut() {
            Some(last) if cut.span.start < last.span.end => {
                last.span.end = last.span.end.max(cut.span.end);
                last.marker = if cut.marker.is_empty() { last.marker } else { cut.marker };
            }
            _ => merged.push(cut),
        }
    }
    merged
}

fn apply(text: &str, cuts: &[Cut]) -> Neutralised {
    let mut new = String::with_capacity(text.len());
    let (mut map, mut at) = (OffsetMap::default(), 0);
    for cut in cuts {
        new.push_str(text.get(at..cut.span.start).unwrap_or_default());
        let start = new.len();
        new.push_str(cut.marker);
        map.edits.push(Edit { old: cut.span.clone(), new: start..new.len() });
        at = cut.span.end;
    }
    new.push_str(text.get(at..).unwrap_or_default());
    Neutralised { text: new, map }
}

/// What is done with a text in which something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Take it out, and keep the rest.
    #[default]
    Neutralise,
    /// Put the whole text aside where something is at least this bad; take out what is less.
    Quarantine(super::Severity),
    /// Say what was found, and change nothing.
    Report,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treated<'a> {
    /// It may be embedded as it is.
    Unchanged(&'a str),
    /// It may be embedded like this.
    Neutralised(Neutralised),
    /// It must not be embedded.
    Quarantined,
}

/// Does with a text what a policy says of its findings.
pub fn treat<'a>(text: &'a str, findings: &[Finding], policy: Policy) -> Treated<'a> {
    let worst = findings.iter().map(Finding::severity).max();
    match (policy, worst) {
        (Policy::Report, _) | (_, None) => Treated::Unchanged(text),
        (Policy::Quarantine(from), Some(worst)) if worst >= from => Treated::Quarantined,
        _ => Treated::Neutralised(neutralise(text, findings)),
    }
}
