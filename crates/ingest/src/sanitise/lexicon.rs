//! What a language says for each concept. One file per language under `lexicon/`; each line is `concept: phrase | phrase`, a
//! phrase that ends in `*` may go on, and one that begins with it may be the end of a word. Phrases pass through the same folds as the text.

use std::{collections::HashSet, sync::LazyLock};

use aho_corasick::{AhoCorasick, MatchKind};

pub(super) use super::concept::Concept;
use super::{plain, words};

/// A concept met in a text; places in the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) concept: Concept,
    pub(super) start: u32,
    pub(super) end: u32,
    /// Whether it was put together from letters that stood apart.
    pub(super) spaced: bool,
}

const LANGUAGES: [(&str, &str); 16] = [
    ("en", include_str!("lexicon/en.txt")),
    ("de", include_str!("lexicon/de.txt")),
    ("fr", include_str!("lexicon/fr.txt")),
    ("es", include_str!("lexicon/es.txt")),
    ("it", include_str!("lexicon/it.txt")),
    ("pt", include_str!("lexicon/pt.txt")),
    ("nl", include_str!("lexicon/nl.txt")),
    ("pl", include_str!("lexicon/pl.txt")),
    ("ru", include_str!("lexicon/ru.txt")),
    ("uk", include_str!("lexicon/uk.txt")),
    ("tr", include_str!("lexicon/tr.txt")),
    ("ar", include_str!("lexicon/ar.txt")),
    ("hi", include_str!("lexicon/hi.txt")),
    ("zh", include_str!("lexicon/zh.txt")),
    ("ja", include_str!("lexicon/ja.txt")),
    ("ko", include_str!("lexicon/ko.txt")),
];

/// What is known of other languages, for some concepts only.
const OTHERS: &str = include_str!("lexicon/others.txt");

/// The shortest phrase (in folded bytes) that is looked for among letters that stood apart, backwards or moved.
const DISGUISED_BYTES_MIN: usize = 5;

struct Phrase {
    concept: Concept,
    /// Whether a word may go on behind it.
    open: bool,
    /// Whether a word may have begun before it.
    inner: bool,
}

struct Lexicon {
    matcher: Option<AhoCorasick>,
    phrases: Vec<Phrase>,
    joined: Option<AhoCorasick>,
    joined_concepts: Vec<Concept>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(build);

/// All concepts in folded words, in the order of their ends.
pub(super) fn hits(text: &str) -> Vec<Hit> {
    let lexicon = &*LEXICON;
    let mut hits = Vec::new();
    for found in lexicon.matcher.iter().flat_map(|m| m.find_overlapping_iter(text)) {
        let Some(phrase) = lexicon.phrases.get(found.pattern().as_usize()) else { continue };
        if (phrase.inner || begins_word(text, found.start())) && (phrase.open || ends_word(text, found.end())) {
            hits.push(hit(phrase.concept, found.start(), found.end(), false));
        }
    }
    hits
}

/// All concepts in letters without spaces, wherever they begin and end.
pub(super) fn hits_in_joined(text: &str) -> Vec<Hit> {
    let lexicon = &*LEXICON;
    let concept = |found: aho_corasick::Match| {
        let concept = lexicon.joined_concepts.get(found.pattern().as_usize())?;
        Some(hit(*concept, found.start(), found.end(), true))
    };
    lexicon.joined.iter().flat_map(|m| m.find_overlapping_iter(text)).filter_map(concept).collect()
}

fn hit(concept: Concept, start: usize, end: usize, spaced: bool) -> Hit {
    let at = |place| u32::try_from(place).unwrap_or(u32::MAX);
    Hit { concept, start: at(start), end: at(end), spaced }
}

/// Whether a phrase may begin there. In scripts without spaces it may begin anywhere; Arabic writes particles onto the word.
fn begins_word(text: &str, at: usize) -> bool {
    const PARTICLES_MAX: usize = 3;
    let dense = text.get(at..).and_then(|t| t.chars().next()).is_some_and(words::is_dense);
    let arabic = text.get(at..).and_then(|t| t.chars().next()).is_some_and(|c| matches!(c, '\u{600}'..='\u{6FF}'));
    let before = text.get(..at).unwrap_or_default();
    match before.chars().next_back() {
        None | Some(' ') => true,
        Some(_) if dense => true,
        Some(_) if arabic => {
            let mut particles = before.chars().rev().take_while(|c| *c != ' ').take(PARTICLES_MAX + 1);
            let mut count = 0;
            particles.all(|c| {
                count += 1;
                count <= PARTICLES_MAX && matches!(c, 'و' | 'ف' | 'ب' | 'ل' | 'ك' | 'ا' | 'س')
            })
        }
        Some(_) => false,
    }
}

fn ends_word(text: &str, at: usize) -> bool {
    let after = text.get(at..).and_then(|t| t.chars().next());
    let dense = text.get(..at).and_then(|t| t.chars().next_back()).is_some_and(words::is_dense);
    dense || after.is_none_or(|c| c == ' ')
}

/// A phrase as a text would contain it.
fn folded(phrase: &str) -> String {
    words::fold(&plain::fold(phrase)).view.text().trim().to_owned()
}

fn build() -> Lexicon {
    let (mut patterns, mut phrases) = (Vec::new(), Vec::new());
    let (mut joined, mut joined_concepts) = (Vec::new(), Vec::new());
    // Languages share words; each is looked for once.
    let mut known = HashSet::new();
    let mut add = |pattern: String, concept, open, inner| {
        if known.insert((pattern.clone(), concept, open, inner)) {
            patterns.push(pattern);
            phrases.push(Phrase { concept, open, inner });
        }
    };
    for (concept, phrase) in LANGUAGES.iter().map(|(_, file)| *file).chain([OTHERS]).flat_map(entries) {
        let (stem, open) = match phrase.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (phrase, false),
        };
        let (stem, inner) = match stem.strip_prefix('*') {
            Some(end) => (end, true),
            None => (stem, false),
        };
        let pattern = folded(stem);
        if pattern.is_empty() {
            continue;
        }
        let close = pattern.replace(' ', "");
        let is_telling = !concept.is_for_learning() && !matches!(concept, Concept::Human | Concept::Say | Concept::Teach);
        if close.len() >= DISGUISED_BYTES_MIN && is_telling {
            joined.push(close);
            joined_concepts.push(concept);
        }
        if stem.len() >= DISGUISED_BYTES_MIN && gives_away(concept) {
            if stem.is_ascii() {
                add(folded(&rot13(stem)), Concept::Rot13, false, false);
            }
            add(folded(&backwards(stem)), Concept::Reversed, false, false);
        }
        let concept = if concept == Concept::Secrecy && !names_user(stem) { Concept::Quiet } else { concept };
        add(pattern, concept, open, inner);
    }
    for word in COMMON {
        add(folded(&rot13(word)), Concept::Rot13, false, false);
        add(folded(&backwards(word)), Concept::Reversed, false, false);
    }
    Lexicon { matcher: matcher(&patterns), phrases, joined: matcher(&joined), joined_concepts }
}

/// Words that every sentence has, of the languages of Latin letters. None is another word when it is moved or turned.
const COMMON: [&str; 40] = [
    "the", "and", "you", "your", "that", "this", "with", "from", "which", "have", "they", "user", "und", "nicht", "dass",
    "dem", "ihm", "seine", "eine", "oder", "les", "une", "que", "pour", "vous", "dans", "votre", "para", "con", "una", "los",
    "como", "usted", "che", "della", "sono", "per", "het", "een", "niet",
];

/// Whether a phrase says from whom something is kept.
fn names_user(phrase: &str) -> bool {
    const USERS: [&str; 21] = [
        "user",
        "nutzer",
        "utilisateur",
        "usuario",
        "utente",
        "usuário",
        "utilizador",
        "gebruiker",
        "użytkownik",
        "пользовател",
        "користувач",
        "kullanıcı",
        "مستخدم",
        "उपयोगकर्ता",
        "यूज़र",
        "यूजर",
        "用户",
        "用戶",
        "使用者",
        "ユーザー",
        "사용자",
    ];
    USERS.iter().any(|user| phrase.contains(user))
}

/// Concepts whose words, moved or reversed, show that a whole text is.
fn gives_away(concept: Concept) -> bool {
    matches!(concept, Concept::Override | Concept::Strong | Concept::Target | Concept::Prior | Concept::Leak | Concept::Data)
}

/// Building fails only beyond billions of states, far above what the files hold.
fn matcher(patterns: &[String]) -> Option<AhoCorasick> {
    AhoCorasick::builder().match_kind(MatchKind::Standard).build(patterns).ok()
}

fn entries(file: &'static str) -> impl Iterator<Item = (Concept, &'static str)> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(':')).flat_map(|(name, phrases)| {
        let concept = Concept::named(name.trim());
        phrases.split('|').map(str::trim).filter_map(move |phrase| Some((concept?, phrase)))
    })
}

/// Each Latin letter moved by thirteen. As long as before.
pub(super) fn rot13(text: &str) -> String {
    let turn = |c: char| match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        _ => c,
    };
    text.chars().map(turn).collect()
}

/// Backwards. As long as before.
pub(super) fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_every_language_names_a_concept() {
        for (language, file) in LANGUAGES {
            for line in file.lines().filter(|line| !line.starts_with('#')) {
                let (name, phrases) = line.split_once(':').unwrap_or_else(|| panic!("{language}: {line}"));
                assert!(Concept::named(name).is_some(), "{language}: {name}");
                assert!(phrases.split('|').all(|p| !folded(p).is_empty()), "{language}: an empty phrase in {name}");
            }
        }
    }

    #[test]
    fn every_language_says_every_concept() {
        for (language, file) in LANGUAGES {
            for concept in (0..Concept::Link as u8).filter(|concept| *concept != Concept::Quiet as u8) {
                assert!(entries(file).any(|(c, _)| c as u8 == concept), "{language}: concept {concept}");
            }
        }
    }

    #[test]
    fn words_are_found_as_words() {
        let found = |text: &str| hits(&folded(text)).iter().any(|hit| hit.concept == Concept::Override);
        assert!(found("Please ignore it"));
        assert!(!found("signore, ignored"));
        assert!(found("请忽略它"));
    }
}
