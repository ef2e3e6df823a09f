//! What is a finding: rules and what was learned, held against each other.

use super::{
    Confidence, Disguise, Finding, Piece,
    folded::Folded,
    learned::{self, Evidence, Observed, Shown},
    score::{self, Case, Scene},
};

/// From how much on what was learned makes a finding where no rule does, by how much shows that a model is meant: nothing, a pointer,
/// a machine, a model. Ordinary prose has much that only points.
const SURE_SEEN: [f32; 4] = [4.5, 3.5, 3.0, 2.0];
/// The same where no reader looks: there nobody is told what to do.
const SURE_UNSEEN: [f32; 4] = [3.5, 1.0, 0.7, 0.5];
/// How much surer it must be of code, and of what is quoted or code where attacks are spoken of. Being quoted alone is no excuse: what
/// programs write is full of quotation marks.
const SHOWN: [f32; 2] = [1.5, 2.0];
/// Below how much it says that a rule is mistaken.
const DOUBT: f32 = 0.5;
/// What it weighs that a text had to be decoded first.
const DECODED: f32 = 2.0;
/// What it weighs that a sentence is spelt letter by letter: few of its signs are left.
const SPELT: f32 = 2.5;
/// From which score on a rule names the category of what was learned to be an instruction.
const NAMES_MIN: i32 = 30;
/// A heading or a key of fewer words orders nothing.
const WORDS_MIN: usize = 4;
/// How sure a finding at the threshold is, and how much one more makes it surer.
const CONFIDENCE: (f32, f32) = (62.0, 10.0);

/// All instructions of a text.
pub(super) fn findings(piece: Piece<'_>, folded: &Folded, text: &str) -> Vec<Finding> {
    let scene = folded.scene(piece);
    let cases = score::cases(&scene);
    let observed = learned::observe(&scene, &cases);
    let model = piece.model;
    let bonus = if piece.disguise.is_some() { DECODED } else { 0.0 };
    let spelt = |sentence: &Observed| if sentence.is_spelt { SPELT } else { 0.0 };
    let alone: Vec<f32> = observed.iter().map(|sentence| model.score(sentence) + bonus + spelt(sentence)).collect();
    let weighed = learned::together(&alone);
    let mut findings = Vec::new();
    for case in cases.iter().filter(|case| case.score >= scene.score_min) {
        if is_beyond_doubt(piece, case) || touched(case, &observed).any(|i| weighed[i] >= DOUBT) {
            let written = if case.spaced { Some(Disguise::Spaced) } else { case.disguised.then_some(Disguise::Letters) };
            findings.push(Finding {
                span: folded.origin(text, case.span.clone()),
                category: case.rule.category,
                rule: case.rule.name,
                confidence: Confidence::of_score(case.score),
                disguise: piece.disguise.or(written),
                carrier: piece.carrier,
            });
        }
    }
    let finds = |sentence: &Observed, weight: f32| weight >= sure(&scene, sentence) && sentence.size >= WORDS_MIN;
    for (sentence, weight) in observed.iter().zip(&weighed).filter(|(sentence, weight)| finds(sentence, **weight)) {
        let (mut category, rule) = model.kind(sentence);
        let named = cases.iter().filter(|case| case.score >= NAMES_MIN && meets(case, sentence)).max_by_key(|case| case.score);
        if let Some(case) = named {
            category = case.rule.category;
        }
        findings.push(Finding {
            span: folded.origin(text, sentence.span.clone()),
            category,
            rule,
            confidence: Confidence::of_score((CONFIDENCE.0 + CONFIDENCE.1 * (weight - sure(&scene, sentence))) as i32),
            disguise: piece.disguise,
            carrier: piece.carrier,
        });
    }
    findings
}

/// From how much on what was learned of a sentence makes a finding.
fn sure(scene: &Scene<'_>, sentence: &Observed) -> f32 {
    let [nothing, pointer, machine, model] = if scene.is_seen() { SURE_SEEN } else { SURE_UNSEEN };
    let sure = match sentence.evidence {
        Evidence::Nothing => nothing,
        Evidence::Pointer => pointer,
        Evidence::Machine => machine,
        Evidence::Model => model,
    };
    sure + match sentence.shown {
        Shown::No | Shown::Quoted => 0.0,
        Shown::Code => SHOWN[0],
        Shown::Discussed => SHOWN[1],
    }
}

/// What was written to be overlooked, and signs that only programs write, are judged by rules alone: what is learned is words.
fn is_beyond_doubt(piece: Piece<'_>, case: &Case) -> bool {
    piece.disguise.is_some() || case.disguised || case.spaced || case.rule.goes_by_signs()
}

fn meets(case: &Case, sentence: &Observed) -> bool {
    sentence.span.start < case.core.end && case.core.start < sentence.span.end
}

/// Sentences that a case's words stand in.
fn touched<'a>(case: &'a Case, observed: &'a [Observed]) -> impl Iterator<Item = usize> + 'a {
    let from = observed.partition_point(|sentence| sentence.span.end <= case.core.start);
    (from..observed.len()).take_while(|i| observed[*i].span.start < case.core.end)
}
