//! What shows that a sentence is meant for a model, and whether it is shown rather than said.

use super::{sentences::Sentence, signs::TOPIC_SENTENCES};
use crate::sanitise::{
    lexicon::{Concept, Hit},
    score::Scene,
};

/// Behind how many words of a sentence a machine may still be called.
const CALLED_WORDS_MAX: usize = 6;

/// How much shows that a model may be meant. The less does, the surer must be what was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sanitise) enum Evidence {
    /// Nothing.
    Nothing,
    /// What models have and others too: users, tools, data, systems.
    Pointer,
    /// A machine that reads is called, or answers, praises, keeps back or remembers.
    Machine,
    /// A model is named or called, or something is told that only models are told.
    Model,
}

impl Evidence {
    /// Of a sentence and those beside it.
    pub(in crate::sanitise) fn of(scene: &Scene<'_>, sentences: &[Sentence<'_>], i: usize) -> Self {
        let beside = sentences.get(i.saturating_sub(1)..(i + 2).min(sentences.len())).unwrap_or_default();
        if beside.iter().any(|sentence| scene.hits_in(&sentence.span).iter().any(|hit| is_a_models_own(hit.concept))) {
            Self::Model
        } else if beside.iter().any(|sentence| calls_a_machine(scene, sentence)) {
            Self::Machine
        } else if sentences.get(i).is_some_and(|sentence| points(scene, sentence)) {
            Self::Pointer
        } else {
            Self::Nothing
        }
    }
}

/// Whether a sentence holds anything that shows that a model may be meant.
pub(in crate::sanitise) fn points(scene: &Scene<'_>, sentence: &Sentence<'_>) -> bool {
    scene.hits_in(&sentence.span).iter().any(|hit| points_at_a_model(hit.concept))
}

/// Whether a concept shows that a model may be meant: what it is called, what is its own, what only it can do.
fn points_at_a_model(concept: Concept) -> bool {
    is_a_models_own(concept)
        || matches!(
            concept,
            Concept::Machine | Concept::Device | Concept::Tool | Concept::Tenant | Concept::User | Concept::Data
        )
}

/// Whether a concept is said of models or to them and of nothing else.
fn is_a_models_own(concept: Concept) -> bool {
    matches!(
        concept,
        Concept::Model
            | Concept::Address
            | Concept::Strong
            | Concept::Whole
            | Concept::Mode
            | Concept::Secrecy
            | Concept::Authority
            | Concept::Turn
            | Concept::Call
            | Concept::Channel
    )
}

/// Whether a sentence calls a machine that reads. Such machines are everywhere; they count where they are called, or where what is
/// answered, praised, kept back or remembered stands beside them. What is seldom a machine that reads must be called and told something.
fn calls_a_machine(scene: &Scene<'_>, sentence: &Sentence<'_>) -> bool {
    let hits = scene.hits_in(&sentence.span);
    let has = |concept: Concept| hits.iter().any(|hit| hit.concept == concept);
    let answers = [Concept::Reply, Concept::Praise, Concept::Hide, Concept::Memory].into_iter().any(has);
    let told = has(Concept::You) || has(Concept::Must) || has(Concept::Hide);
    hits.iter().filter(|hit| matches!(hit.concept, Concept::Machine | Concept::Device)).any(|hit: &Hit| {
        let before = sentence.words.iter().take_while(|(at, _)| *at < hit.start).count();
        let called = match scene.behind(&(hit.start..hit.end)) {
            Some(':' | '：' | ']') => true,
            Some(',' | '，' | '、' | '،') => before <= CALLED_WORDS_MAX,
            _ => false,
        };
        if hit.concept == Concept::Device {
            return called && told;
        }
        called || (answers && (before <= CALLED_WORDS_MAX || has(Concept::Must) || has(Concept::You)))
    })
}

/// How a sentence is shown rather than said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sanitise) enum Shown {
    /// It is said.
    No,
    /// It is quoted.
    Quoted,
    /// It stands in code.
    Code,
    /// It does either, and attacks are spoken of around it, or something is taught there.
    Discussed,
}

impl Shown {
    /// Of a sentence among others.
    pub(in crate::sanitise) fn of(scene: &Scene<'_>, sentences: &[Sentence<'_>], i: usize) -> Self {
        let Some(sentence) = sentences.get(i) else { return Self::No };
        let end = |at: u32, word: &str| at + u32::try_from(word.len()).unwrap_or_default();
        let quoted = sentence.words.iter().filter(|(at, word)| scene.is_quoted_at(*at..end(*at, word))).count();
        let is_code = scene.is_code_at(&sentence.span);
        if 2 * quoted <= sentence.words.len() && !is_code {
            return Self::No;
        }
        // What it says itself does not count: an attacker would say it.
        let around = i.saturating_sub(TOPIC_SENTENCES)..(i + 1 + TOPIC_SENTENCES).min(sentences.len());
        let others = around.filter(|j| *j != i).filter_map(|j| sentences.get(j));
        let hits: Vec<Concept> = others.flat_map(|s| scene.hits_in(&s.span)).map(|hit| hit.concept).collect();
        let count = |concept| hits.iter().filter(|hit| **hit == concept).count();
        match count(Concept::Discuss) > 0 || count(Concept::Teach) > 1 {
            true => Self::Discussed,
            false if is_code => Self::Code,
            false => Self::Quoted,
        }
    }
}
