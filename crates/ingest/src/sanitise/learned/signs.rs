//! The signs by which a sentence is judged, each a number made from its kind and what it says.

use std::{collections::HashMap, ops::Range};

use super::{
    evidence::{self, Evidence, Shown},
    sentences::{Sentence, cut},
};
use crate::sanitise::{
    lexicon::{Concept, Hit},
    score::{Case, Scene},
    words,
};

/// How many letters of a word are its beginning: what is left when its ending changes.
const STEM_LETTERS: usize = 5;
/// So many single letters are a sentence that was spelt.
const SPELT_LETTERS_MIN: usize = 20;
/// How far apart two words of a pair stand.
const PAIR_WORDS: usize = 3;
/// The most concepts of a sentence whose order is looked at.
const CONCEPTS_MAX: usize = 24;
/// How many sentences before and behind are looked at.
const AROUND_SENTENCES: usize = 2;
/// How many more sentences in each direction are asked what they speak of.
pub(super) const TOPIC_SENTENCES: usize = 6;
/// What a sign of a neighbour weighs in comparison.
const AROUND: f32 = 0.5;
/// The words of a sentence weigh as much as those of one this long.
const WORDS_USUAL: f32 = 12.0;
/// Marks that a count reaches.
const COUNTS: [usize; 4] = [1, 2, 3, 5];
/// Marks that the score of a rule reaches.
const SCORES: [i32; 8] = [20, 30, 40, 50, 60, 70, 80, 95];

/// A sign and how strong it is.
pub(in crate::sanitise) type Sign = (u32, f32);

/// A sentence and its signs.
pub(in crate::sanitise) struct Observed {
    /// Where it stands among the folded words.
    pub(in crate::sanitise) span: Range<u32>,
    /// Signs of its words, its place and what is around it.
    pub(in crate::sanitise) signs: Vec<Sign>,
    /// What the rules make of it: learned only from texts that the rules were not made for.
    pub(in crate::sanitise) by_rules: Vec<Sign>,
    /// Whether it shows that a model may be meant.
    pub(in crate::sanitise) points: bool,
    /// What it and the sentences beside it show of that.
    pub(in crate::sanitise) evidence: Evidence,
    /// Whether it is shown rather than said.
    pub(in crate::sanitise) shown: Shown,
    /// Whether most of its words are single letters.
    pub(in crate::sanitise) is_spelt: bool,
    /// How many words it has.
    pub(in crate::sanitise) size: usize,
}

/// Kinds of signs. The number goes into the sign's.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Word = 1,
    Stem,
    Pair,
    Letters,
    Concept,
    Order,
    Before,
    Behind,
    Count,
    Setting,
    Quoted,
    Place,
    Around,
    Start,
    Rule,
    Score,
    Address,
    Pointer,
    Ending,
}

/// FNV-1a.
fn sign(kind: Kind, parts: &[&str]) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let mut hash = step(0x811C_9DC5, kind as u8);
    for part in parts {
        hash = part.bytes().fold(hash, step);
        hash = step(hash, 0xFF);
    }
    hash
}

/// Describes every sentence of a scene. `cases` is what the rules found, also far below their threshold.
pub(in crate::sanitise) fn observe(scene: &Scene<'_>, cases: &[Case]) -> Vec<Observed> {
    let sentences = cut(scene.words);
    if !scene.effort.allows_sentences(sentences.len()) {
        return Vec::new();
    }
    let stems: Vec<Vec<&str>> =
        sentences.iter().map(|sentence| sentence.words.iter().map(|(_, word)| stem(word)).collect()).collect();
    let mut by_sentence: Vec<Vec<&Case>> = vec![Vec::new(); sentences.len()];
    for case in cases {
        let from = sentences.partition_point(|s| s.span.end <= case.core.start);
        let touched = sentences.iter().zip(&mut by_sentence).skip(from).take_while(|(s, _)| s.span.start < case.core.end);
        touched.for_each(|(_, of)| of.push(case));
    }
    let describe = |(i, cases): (usize, Vec<&Case>)| {
        let mut signs = Signs { scene, found: Vec::new() };
        signs.of_words(&sentences[i], &stems[i]);
        signs.of_concepts(&sentences, i);
        signs.of_setting(&sentences, i);
        signs.of_place(&stems, i);
        let letters = sentences[i].words.iter().filter(|(_, word)| word.chars().nth(1).is_none()).count();
        let is_spelt = letters >= SPELT_LETTERS_MIN && 4 * letters >= 3 * sentences[i].words.len();
        Observed {
            points: evidence::points(scene, &sentences[i]),
            evidence: Evidence::of(scene, &sentences, i),
            shown: Shown::of(scene, &sentences, i),
            is_spelt,
            size: sentences[i].size,
            span: sentences[i].span.clone(),
            signs: summed(signs.found),
            by_rules: summed(of_rules(&cases)),
        }
    };
    by_sentence.into_iter().enumerate().map(describe).collect()
}

/// Each sign once, as strong as its strongest.
fn summed(mut signs: Vec<Sign>) -> Vec<Sign> {
    signs.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    signs.dedup_by_key(|sign| sign.0);
    signs
}

/// What is left of a word without its ending and, in Arabic, without what is written onto its beginning.
fn stem(word: &str) -> &str {
    let bare = if word.starts_with(|c| matches!(c, '\u{600}'..='\u{6FF}')) && word.chars().count() > STEM_LETTERS {
        let without = word.trim_start_matches(['و', 'ف', 'ب', 'ل', 'ك']);
        without.strip_prefix("ال").unwrap_or(without)
    } else {
        word
    };
    bare.char_indices().nth(STEM_LETTERS).map_or(bare, |(at, _)| bare.get(..at).unwrap_or(bare))
}

/// The end of a long word: what it is, where words are put together.
fn ending(word: &str) -> Option<&str> {
    let at = word.char_indices().rev().nth(STEM_LETTERS - 1)?.0;
    (word.get(..at)?.chars().count() >= STEM_LETTERS - 1).then(|| word.get(at..)).flatten()
}

struct Signs<'a> {
    scene: &'a Scene<'a>,
    found: Vec<Sign>,
}

impl Signs<'_> {
    fn add(&mut self, kind: Kind, parts: &[&str], strength: f32) {
        self.found.push((sign(kind, parts), strength));
    }

    fn of_words(&mut self, sentence: &Sentence<'_>, stems: &[&str]) {
        let strength = (WORDS_USUAL / sentence.words.len().max(1) as f32).sqrt().min(1.0);
        for (i, (at, word)) in sentence.words.iter().enumerate() {
            let end = at + u32::try_from(word.len()).unwrap_or_default();
            let quoted = self.scene.is_quoted_at(*at..end);
            let strength = if quoted { strength * AROUND } else { strength };
            if word.starts_with(words::is_dense) {
                self.of_letters(word, strength);
                continue;
            }
            if quoted {
                self.add(Kind::Quoted, &[stems[i]], strength);
            }
            self.add(Kind::Word, &[word], strength);
            self.add(Kind::Stem, &[stems[i]], strength);
            if let Some(ending) = ending(word) {
                self.add(Kind::Ending, &[ending], strength);
            }
            for apart in 1..=PAIR_WORDS {
                let Some(next) = stems.get(i + apart) else { break };
                let kind = if apart == 1 { "next" } else { "near" };
                self.add(Kind::Pair, &[kind, stems[i], next], strength);
            }
        }
        let start: Vec<&str> = stems.iter().take(2).copied().collect();
        if let Some(first) = start.first().filter(|word| !word.starts_with(words::is_dense)) {
            self.add(Kind::Start, &[first], strength);
            self.add(Kind::Start, &start, strength);
        }
    }

    /// Two, three and four signs in a row, where words are not set apart.
    fn of_letters(&mut self, run: &str, strength: f32) {
        let places: Vec<usize> = run.char_indices().map(|(at, _)| at).chain([run.len()]).collect();
        let strength = strength * (2.0 * WORDS_USUAL / places.len() as f32).sqrt().min(1.0);
        for length in 1..=4 {
            for ends in places.windows(length + 1) {
                let (Some(from), Some(to)) = (ends.first(), ends.last()) else { continue };
                self.add(Kind::Letters, &[run.get(*from..*to).unwrap_or_default()], strength);
            }
        }
    }

    fn of_concepts(&mut self, sentences: &[Sentence<'_>], i: usize) {
        let own = self.scene.hits_in(&sentences[i].span);
        let unseen = !self.scene.is_seen();
        let mut order: Vec<&Hit> = own.iter().collect();
        order.sort_by_key(|hit| (hit.start, hit.end));
        order.truncate(CONCEPTS_MAX);
        for (j, hit) in order.iter().enumerate() {
            let quoted = self.scene.is_quoted_at(hit.start..hit.end);
            let name = hit.concept.name();
            self.add(Kind::Concept, &[name, if quoted { "quoted" } else { "" }], 1.0);
            if unseen {
                self.add(Kind::Concept, &[name, "unseen"], 1.0);
            }
            for next in order.iter().skip(j + 1).filter(|next| next.start >= hit.end) {
                self.add(Kind::Order, &[name, next.concept.name()], if quoted { AROUND } else { 1.0 });
            }
        }
        self.of_address(&order, &sentences[i]);
        let near = i.saturating_sub(AROUND_SENTENCES)..(i + 1 + AROUND_SENTENCES).min(sentences.len());
        let points = |sentence: &Sentence<'_>| evidence::points(self.scene, sentence);
        if !points(&sentences[i]) {
            let around = sentences.get(near).unwrap_or_default().iter().any(points);
            self.add(Kind::Pointer, &[if around { "around" } else { "nowhere" }], 1.0);
            if unseen {
                self.add(Kind::Pointer, &["unseen"], 1.0);
            }
        }
        let before = i.saturating_sub(AROUND_SENTENCES)..i;
        let behind = i + 1..(i + 1 + AROUND_SENTENCES).min(sentences.len());
        for (kind, range) in [(Kind::Before, before), (Kind::Behind, behind)] {
            for sentence in sentences.get(range).unwrap_or_default() {
                for hit in self.scene.hits_in(&sentence.span) {
                    self.add(kind, &[hit.concept.name()], AROUND);
                }
            }
        }
    }

    /// How what reads is named: at the beginning, and with a sign behind it as whoever is called has.
    fn of_address(&mut self, hits: &[&Hit], sentence: &Sentence<'_>) {
        for hit in hits
            .iter()
            .filter(|hit| matches!(hit.concept, Concept::Model | Concept::Machine | Concept::Device | Concept::Address))
        {
            let before = sentence.words.iter().take_while(|(at, _)| *at < hit.start).count();
            let place = match before {
                0 => "begins",
                1..=3 => "early",
                _ => "late",
            };
            let behind = match self.scene.behind(&(hit.start..hit.end)) {
                Some(':' | '：') => "called",
                Some(',' | '，' | '、' | '،') => "set off",
                Some('.' | '。' | '।' | '!' | '?') => "ends",
                _ => "goes on",
            };
            self.add(Kind::Address, &[hit.concept.name(), place, behind], 1.0);
            self.add(Kind::Address, &[place, behind], 1.0);
        }
    }

    /// How often attacks, teaching, people and speech are spoken of around it; whether it is quoted or code; how it ends.
    fn of_setting(&mut self, sentences: &[Sentence<'_>], i: usize) {
        let span = &sentences[i].span;
        let around = i.saturating_sub(TOPIC_SENTENCES)..(i + 1 + TOPIC_SENTENCES).min(sentences.len());
        let reach = match sentences.get(around).unwrap_or_default() {
            [first, .., last] => first.span.start..last.span.end,
            _ => span.clone(),
        };
        let near = self.scene.hits_in(&reach);
        let words = &sentences[i].words;
        let end = |at: u32, word: &str| at + u32::try_from(word.len()).unwrap_or_default();
        let quotes = words.iter().filter(|(at, word)| self.scene.is_quoted_at(*at..end(*at, word))).count();
        let quoted = match 3 * quotes / words.len().max(1) {
            0 => "not",
            1 => "partly",
            _ => "mostly",
        };
        for concept in [Concept::Discuss, Concept::Teach, Concept::Human, Concept::Say, Concept::Model] {
            let count = near.iter().filter(|hit| hit.concept == concept).count();
            for mark in COUNTS.iter().filter(|mark| count >= **mark) {
                self.add(Kind::Count, &[concept.name(), &mark.to_string()], 1.0);
                self.add(Kind::Count, &[concept.name(), &mark.to_string(), quoted], 1.0);
            }
        }
        self.add(Kind::Setting, &[quoted], 1.0);
        let ends = match self.scene.behind(span) {
            Some('?') => "asks",
            Some('!') => "calls",
            Some(':') => "announces",
            Some('.' | '。' | '।') => "ends",
            _ => "goes on",
        };
        self.add(Kind::Setting, &[ends], 1.0);
        if self.scene.is_code_at(span) {
            self.add(Kind::Setting, &["code"], 1.0);
        }
        if !self.scene.is_seen() {
            self.add(Kind::Setting, &["unseen"], 1.0);
        }
    }

    /// Where it stands, and whether it speaks of what the text speaks of.
    fn of_place(&mut self, stems: &[Vec<&str>], i: usize) {
        let place = match (i, stems.len() - i) {
            (0, 1) => "alone",
            (0, _) => "first",
            (_, 1) => "last",
            _ => "amid",
        };
        self.add(Kind::Place, &[place], 1.0);
        let around = i.saturating_sub(TOPIC_SENTENCES)..(i + 1 + TOPIC_SENTENCES).min(stems.len());
        let mut known: HashMap<&str, bool> = stems[i].iter().filter(|s| s.chars().count() >= 4).map(|s| (*s, false)).collect();
        for j in around.clone().filter(|j| *j != i) {
            for stem in &stems[j] {
                known.entry(stem).and_modify(|is| *is = true);
                if j + AROUND_SENTENCES >= i && j <= i + AROUND_SENTENCES && !stem.starts_with(words::is_dense) {
                    self.add(Kind::Around, &[stem], AROUND);
                }
            }
        }
        if around.len() > 2 && !known.is_empty() {
            let shared = known.values().filter(|is| **is).count() * 8 / known.len();
            self.add(Kind::Place, &["shares", &shared.min(4).to_string()], 1.0);
        }
    }
}

fn of_rules(cases: &[&Case]) -> Vec<Sign> {
    let mut signs = Vec::new();
    for case in cases {
        let reached = SCORES.iter().filter(|mark| case.score >= **mark);
        signs.extend(reached.map(|mark| (sign(Kind::Score, &[&mark.to_string()]), 1.0)));
        if case.score >= SCORES[1] {
            signs.push((sign(Kind::Rule, &[case.rule.name]), 1.0));
        }
    }
    signs
}
