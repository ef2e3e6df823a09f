//! Weighs what stands together. See the module's documentation for the reasons behind the figures.

use std::ops::Range;

use super::{
    effort::Effort,
    lexicon::{Concept, Hit},
    marks::Marks,
    rules::{self, RULES, Rule},
    words::{Break, Words},
};

/// How far around a case its support is looked for, in bytes of the folded words.
const NEAR_BYTES: u32 = 240;
/// How far before a case talk about attacks counts, and how far behind it.
const TALK_BYTES: (u32, u32) = (380, 180);
/// The most hits that are looked at around one case: bounds the work per byte.
const NEAR_HITS_MAX: usize = 160;
/// How far a negation stands from what it negates.
const NEGATION_BYTES: u32 = 18;
/// How far behind a verb a negation ends its sentence.
const NEGATION_AT_END_BYTES: u32 = 60;
/// Text is code where there is a bracket or an operator for so many bytes.
const CODE_BYTES_PER_SIGN: usize = 32;
/// The longest sentence that is taken whole; of a longer one this much around the case.
const SENTENCE_BYTES_MAX: u32 = 420;
/// How far around a case signs of human dealings count where no sentence ends.
const HUMAN_BYTES: u32 = 48;

/// What a case is judged by.
pub(super) struct Scene<'a> {
    pub(super) words: &'a Words,
    pub(super) plain: &'a str,
    pub(super) marks: &'a Marks,
    /// In order of their ends: those that rules know, and all.
    pub(super) hits: &'a [Hit],
    pub(super) all_hits: &'a [Hit],
    /// Bytes of a letter, in sixteenths: distances are meant for Latin letters.
    pub(super) letter: u32,
    /// What is added or asked for from outside: the carrier's threshold and what an encoding weighs.
    pub(super) bonus: i32,
    pub(super) score_min: i32,
    /// From which score on a case is told of at all.
    pub(super) floor: i32,
    /// How much may be weighed.
    pub(super) effort: &'a Effort,
}

/// In what kind of text a case stands.
struct Setting {
    /// How often attacks, examples or teaching are spoken of.
    discussed: usize,
    /// How often anything is taught or explained.
    taught: usize,
    /// How often somebody says something.
    said: usize,
    /// Whether its verb is quoted.
    quoted: bool,
    /// Whether any of its words is quoted.
    quotes: bool,
    code: bool,
}

/// A case that was made: span in the words.
pub(super) struct Case {
    pub(super) rule: &'static Rule,
    pub(super) span: Range<u32>,
    /// From the first to the last of the rule's words.
    pub(super) core: Range<u32>,
    pub(super) score: i32,
    pub(super) disguised: bool,
    pub(super) spaced: bool,
}

/// Finds every case that reaches the floor.
pub(super) fn cases(scene: &Scene<'_>) -> Vec<Case> {
    let mut last: [Option<Hit>; Concept::COUNT] = [None; Concept::COUNT];
    let mut cases = Vec::new();
    for hit in scene.hits {
        if let Some(slot) = last.get_mut(hit.concept as usize) {
            *slot = Some(*hit);
        }
        for rule in RULES.iter().filter(|rule| rule.needs.iter().any(|need| need.contains(&hit.concept))) {
            if let Some(core) = together(rule, *hit, &last, scene.letter) {
                if !scene.effort.allows_case() {
                    return cases;
                }
                cases.extend(scene.weigh(rule, &core));
            }
        }
    }
    cases
}

/// The hits that fill a rule with its newest one, if they are close enough and none stands for two.
fn together(rule: &Rule, newest: Hit, last: &[Option<Hit>; Concept::COUNT], letter: u32) -> Option<Vec<Hit>> {
    let mut core: Vec<Hit> = Vec::with_capacity(rule.needs.len());
    for need in rule.needs {
        // A sign may hold words: a placeholder in an address says what it carries.
        let apart = |hit: &Hit, other: &Hit| hit.end <= other.start || other.end <= hit.start;
        let fits = |hit: &Hit| core.iter().all(|o| apart(hit, o) || o.concept.is_sign() != hit.concept.is_sign());
        let candidates = need.iter().filter_map(|concept| *last.get(*concept as usize)?).filter(fits);
        core.push(if need.contains(&newest.concept) && fits(&newest) { newest } else { candidates.max_by_key(|h| h.end)? });
    }
    let span = span_of(&core);
    let close = rule.needs.len() == 1 || span.end - span.start <= rule.reach_bytes_max * letter / 16;
    (close && core.contains(&newest)).then_some(core)
}

fn span_of(core: &[Hit]) -> Range<u32> {
    let start = core.iter().map(|h| h.start).min().unwrap_or_default();
    let end = core.iter().map(|h| h.end).max().unwrap_or_default();
    start..end.max(start)
}

impl Scene<'_> {
    fn weigh(&self, rule: &'static Rule, core: &[Hit]) -> Option<Case> {
        let span = span_of(core);
        let near = self.near(&span);
        let setting = self.setting(core, near, &span);
        let (support, evidence) = self.support(rule, core, near, &span, &setting);
        let odd = self.odd(&span) >= 2;
        let spaced = core.iter().any(|hit| hit.spaced);
        let human = if rule.is_led_by_signs() || odd || spaced { 0 } else { self.human(&span, near) };
        let mut score = rule.base + self.bonus + self.broken(rule, &span) + self.negated(core.first(), near);
        score += if odd || spaced { rules::DISGUISED } else { 0 };
        // Who calls a model by its name or speaks of what is its own, or writes where nobody reads, does not write to a colleague.
        let own = core.iter().any(|hit| hit.concept == Concept::Strong);
        let to_model = own || self.score_min < rules::SEEN_MIN || (!rule.wants_model() && self.calls_model(&span, near));
        score += match (human, to_model) {
            (0, _) => support,
            (_, true) => human / 2 + support,
            (_, false) => human + support / 2,
        };
        // What was written to be overlooked was not written to be discussed.
        if !odd && !spaced {
            score = self.spoken_of(score.min(100), rule, &evidence, &setting);
        }
        (score >= self.floor).then(|| Case { rule, span: self.sentences(&evidence), core: span, score, disguised: odd, spaced })
    }

    /// A distance that is meant for Latin letters, for the letters of this text.
    fn scaled(&self, bytes: u32) -> u32 {
        bytes * self.letter / 16
    }

    /// Hits around a span.
    fn near(&self, span: &Range<u32>) -> &[Hit] {
        let (before, behind) = (self.scaled(TALK_BYTES.0), self.scaled(NEAR_BYTES));
        let from = self.hits.partition_point(|h| h.end + before < span.start);
        let to = self.hits.partition_point(|h| h.end <= span.end + behind);
        let first_in = self.hits.partition_point(|h| h.end < span.start);
        let from = from.max(first_in.saturating_sub(NEAR_HITS_MAX));
        let to = to.min(first_in + 2 * NEAR_HITS_MAX);
        self.hits.get(from..to.max(from)).unwrap_or_default()
    }

    /// What other concepts nearby add, and how far what adds reaches.
    fn support(&self, rule: &Rule, core: &[Hit], near: &[Hit], span: &Range<u32>, setting: &Setting) -> (i32, Range<u32>) {
        let mut seen = [false; Concept::COUNT];
        for hit in core {
            seen[hit.concept as usize] =
                !matches!(hit.concept, Concept::Tenant | Concept::Verbatim | Concept::Output | Concept::Authority);
        }
        let (mut sum, mut reach) = (0, span.clone());
        if rule.needs.len() == 1 && near.iter().any(|h| h.concept == core[0].concept && h.start >= span.end) {
            sum += 12;
        }
        for hit in near {
            let apart = hit.start.saturating_sub(span.end).max(span.start.saturating_sub(hit.end));
            let weight = rules::support(hit.concept);
            let again =
                core.iter().any(|c| hit.start < c.end && c.start < hit.end && !(c.concept.is_sign() && hit.concept.is_sign()));
            if weight == 0 || apart > self.scaled(NEAR_BYTES) || again || seen[hit.concept as usize] {
                continue;
            }
            // What is quoted says nothing of what is not, where attacks are spoken of.
            if setting.discussed > 0 && !setting.quoted && self.is_quoted(hit) {
                continue;
            }
            if self.worst_break(span.start.min(hit.start)..span.end.max(hit.end)) == Some(Break::Paragraph)
                && apart > self.scaled(120)
            {
                continue;
            }
            seen[hit.concept as usize] = true;
            sum += weight;
            if weight >= 8 {
                reach = reach.start.min(hit.start)..reach.end.max(hit.end);
            }
        }
        (sum.min(if rule.is_weak() { rules::SUPPORT_WEAK_MAX } else { rules::SUPPORT_MAX }), reach)
    }

    fn breaks(&self, span: Range<u32>) -> &[(u32, Break)] {
        let breaks = &self.words.breaks;
        let from = breaks.partition_point(|(at, _)| *at <= span.start);
        let to = breaks.partition_point(|(at, _)| *at < span.end);
        breaks.get(from..to.max(from)).unwrap_or_default()
    }

    fn worst_break(&self, span: Range<u32>) -> Option<Break> {
        self.breaks(span).iter().map(|(_, kind)| *kind).max()
    }

    fn broken(&self, rule: &Rule, span: &Range<u32>) -> i32 {
        let phrase = rule.reach_bytes_max <= rules::PHRASE_BYTES_MAX;
        let [line, sentence, paragraph] = if phrase { rules::BROKEN_PHRASE } else { rules::BROKEN };
        // Whoever is called, or claims to be somebody, goes on in the next sentence.
        let sentence = if rule.is_a_call() { 0 } else { sentence };
        match self.worst_break(span.clone()) {
            None | Some(Break::Cell) => 0,
            Some(Break::Line | Break::Row) => line,
            Some(Break::Sentence) => sentence,
            Some(Break::Paragraph) => paragraph,
        }
    }

    fn odd(&self, span: &Range<u32>) -> usize {
        let odd = &self.words.odd;
        odd.partition_point(|at| *at < span.end).saturating_sub(odd.partition_point(|at| *at < span.start))
    }

    fn negated(&self, first: Option<&Hit>, near: &[Hit]) -> i32 {
        let verbs = [
            Concept::Override,
            Concept::Leak,
            Concept::Send,
            Concept::Fetch,
            Concept::Tool,
            Concept::Role,
            Concept::Obey,
            Concept::Output,
        ];
        let Some(verb) = first.filter(|hit| verbs.contains(&hit.concept)) else { return 0 };
        let negates = |not: &&Hit| {
            not.concept == Concept::Not
                && ((not.end <= verb.start && verb.start - not.end <= NEGATION_BYTES)
                    || (not.start >= verb.end && not.start - verb.end <= NEGATION_BYTES / 2))
                && self.worst_break(not.start.min(verb.start)..not.end.max(verb.end)).is_none_or(|b| b <= Break::Row)
        };
        let before = |not: &&Hit| {
            not.concept == Concept::Not
                && not.end <= verb.start
                && self.worst_break(not.start..verb.end).is_none_or(|b| b <= Break::Row)
        };
        // "Ignorieren Sie die Warnungen nicht": some languages negate at the end.
        let at_end = |not: &&Hit| {
            not.concept == Concept::Not
                && not.start >= verb.end
                && not.start - verb.end <= self.scaled(NEGATION_AT_END_BYTES)
                && self.worst_break(verb.start..not.end).is_none_or(|b| b <= Break::Row)
                && self.worst_break(not.start..not.end + 2).is_some_and(|b| b >= Break::Sentence)
        };
        let reported = if self.is_reported(verb.start) { rules::REPORTED } else { 0 };
        reported
            + if near.iter().any(|hit| negates(&hit) || at_end(&hit)) {
                rules::NEGATED
            } else if near.iter().any(|hit| before(&hit)) {
                rules::NEGATED_FAR
            } else {
                0
            }
    }

    /// Whether the words before a verb say that it is somebody else's, or only named.
    fn is_reported(&self, verb: u32) -> bool {
        const LOOK_BACK_BYTES: usize = 32;
        let text = self.words.view.text();
        let mut from = (verb as usize).saturating_sub(LOOK_BACK_BYTES);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let mut before = text.get(from..verb as usize).unwrap_or_default().trim_end().rsplit(' ');
        let is =
            |list: &[&str], word: &str| list.iter().any(|w| w.chars().map(|c| if c == 'l' { 'i' } else { c }).eq(word.chars()));
        let (Some(word), first) = (before.next(), before.next().unwrap_or_default()) else { return false };
        self.worst_break(verb.saturating_sub(1)..verb + 1).is_none_or(|b| b <= Break::Row)
            && is(&rules::REPORTERS, word)
            && !(word == "to" && is(&rules::ORDERS, first))
    }

    fn human(&self, span: &Range<u32>, near: &[Hit]) -> i32 {
        let sentence = self.enclosing(span, Break::Row);
        let reach = sentence.start.max(span.start.saturating_sub(HUMAN_BYTES))..sentence.end.min(span.end + HUMAN_BYTES);
        let inside = |h: &&Hit| h.concept == Concept::Human && reach.start <= h.start && h.end <= reach.end;
        let count = near.iter().filter(inside).count();
        match count {
            0 => 0,
            1 => rules::HUMAN[0],
            _ => rules::HUMAN[1],
        }
    }

    /// In what kind of text a case stands.
    fn setting(&self, core: &[Hit], near: &[Hit], span: &Range<u32>) -> Setting {
        let talk = |concept, before: u32, behind: u32| {
            let reach = span.start.saturating_sub(self.scaled(before))..span.end + self.scaled(behind);
            let (mut count, mut upto) = (0_usize, 0);
            for hit in near.iter().filter(|h| h.concept == concept) {
                if hit.start >= upto && reach.start <= hit.start && hit.end <= reach.end {
                    count += 1;
                    upto = hit.end;
                }
            }
            count
        };
        let plain = self.words.view.origin(span.start as usize..span.end as usize);
        let attacks = talk(Concept::Discuss, TALK_BYTES.0, TALK_BYTES.1);
        let taught = talk(Concept::Teach, TALK_BYTES.0, TALK_BYTES.1);
        Setting {
            discussed: if attacks > 0 { attacks + taught.min(2) } else { taught / 2 },
            taught,
            said: talk(Concept::Say, 90, 160),
            quoted: core.first().is_some_and(|verb| self.is_quoted(verb)),
            quotes: core.iter().any(|hit| self.is_quoted(hit)),
            code: self.marks.is_code(&plain),
        }
    }

    fn is_quoted(&self, hit: &Hit) -> bool {
        self.marks.is_quoted(&self.words.view.origin(hit.start as usize..hit.end as usize))
    }

    /// Whether the same sentence names a model or uses its signs.
    fn calls_model(&self, span: &Range<u32>, near: &[Hit]) -> bool {
        let sentence = self.sentences(span);
        let calls = |c| matches!(c, Concept::Model | Concept::Address | Concept::Mode | Concept::Turn | Concept::Authority);
        near.iter().any(|hit| calls(hit.concept) && sentence.start <= hit.start && hit.end <= sentence.end)
    }

    /// A text about attacks quotes them, and says that it does; code holds prompts.
    fn spoken_of(&self, score: i32, rule: &Rule, evidence: &Range<u32>, setting: &Setting) -> i32 {
        let Setting { discussed, taught, said, quoted, quotes, code } = *setting;
        let text = self.plain.get(self.words.view.origin(evidence.start as usize..evidence.end as usize)).unwrap_or_default();
        let signs = text.matches(['(', ')', '{', '}', '[', ']', '=', ';']).count() + text.matches("\",\n").count();
        let by_signs = rule.is_led_by_signs();
        let dense = signs >= 3 && signs * CODE_BYTES_PER_SIGN >= text.len();
        if (quotes && discussed + taught + said > 0)
            || (code && (discussed + taught > 0 || signs >= 2 || by_signs))
            || (dense && !by_signs)
        {
            return score / 2;
        }
        let mut score = score;
        score += match (quoted, by_signs) {
            (true, true) => rules::QUOTED_SIGNS,
            (true, false) => rules::QUOTED,
            _ => 0,
        };
        score += if code { rules::CODE } else { 0 };
        score += match discussed {
            0 => 0,
            1 => rules::DISCUSSED[0],
            2 => rules::DISCUSSED[1],
            3 => rules::DISCUSSED[2],
            _ => rules::DISCUSSED[3],
        };
        score += if said > 0 { rules::DISCUSSED[0] } else { 0 };
        score + if signs >= 2 && !code && !by_signs && !rule.is_a_call() { rules::CODELIKE } else { 0 }
    }

    /// The sentences that a span touches, or what is near it where they are long.
    fn sentences(&self, span: &Range<u32>) -> Range<u32> {
        self.enclosing(span, Break::Sentence)
    }

    /// From one break of a kind to the next around a span.
    fn enclosing(&self, span: &Range<u32>, kind_min: Break) -> Range<u32> {
        let breaks = &self.words.breaks;
        let ends = |(_, kind): &&(u32, Break)| *kind >= kind_min;
        let upto = breaks.partition_point(|(at, _)| *at <= span.start);
        let from = breaks.partition_point(|(at, _)| *at < span.end);
        let before = breaks.get(..upto).unwrap_or_default().iter().rev().take(NEAR_HITS_MAX).find(ends);
        let behind = breaks.get(from..).unwrap_or_default().iter().take(NEAR_HITS_MAX).find(ends);
        let text = self.words.view.text();
        let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let start = before.map_or(0, |(at, _)| *at).max(span.start.saturating_sub(SENTENCE_BYTES_MAX));
        let end = behind.map_or(end, |(at, _)| *at).min(span.end.saturating_add(SENTENCE_BYTES_MAX));
        let start = if before.is_some_and(|(at, _)| *at == start) { start } else { self.word_edge(start) };
        let end = if behind.is_some_and(|(at, _)| *at == end) { end } else { self.word_edge(end) };
        start.min(span.start)..end.max(span.end)
    }
    /// The nearest beginning of a word at or behind a place; where words are not set apart, of a character.
    fn word_edge(&self, at: u32) -> u32 {
        const WORD_BYTES_MAX: usize = 48;
        let text = self.words.view.text();
        let mut place = (at as usize).min(text.len());
        while !text.is_char_boundary(place) {
            place += 1;
        }
        let rest = text.as_bytes().get(place..text.len().min(place + WORD_BYTES_MAX)).unwrap_or_default();
        let edge = rest.iter().position(|b| *b == b' ').map_or(place, |i| place + i + 1);
        u32::try_from(if place == 0 { 0 } else { edge }).unwrap_or(u32::MAX)
    }
}
