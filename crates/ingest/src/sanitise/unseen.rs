//! Characters that nobody sees. Each is judged by where it stands: joiners belong into Persian, Indic scripts and emoji, isolates
//! into Hebrew and Arabic, one variation selector behind an emoji, tags into three flags. What is left has no use for a reader.

use std::ops::Range;

/// From this many on, characters for private use in a row are no bullet or icon.
const PRIVATE_RUN_MIN: usize = 4;
/// The most characters of one run that are read as bytes.
const MESSAGE_CHARS_MAX: usize = 4096;
/// The most tags of a flag: two letters of a country and up to three of a part.
const FLAG_TAGS_MAX: usize = 7;

/// A run of characters that nobody sees and that are of no use where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) span: Range<usize>,
    pub(super) rule: &'static str,
    /// From 0 to 100.
    pub(super) confidence: i32,
    /// What its characters say when they are read as bytes.
    pub(super) message: Option<String>,
}

/// Whether a character has no shape of its own. The folds leave these out.
pub(super) fn is_unseen(c: char) -> bool {
    is_zero_width(c) || is_bidi(c) || is_tag(c) || is_selector(c) || is_control(c) || c == '\u{AD}'
}

fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{180E}')
        || matches!(c, '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}')
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0000}'..='\u{E007F}')
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{C}' | '\u{B}' | '\u{85}')
}

fn is_private(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}')
}

/// Letters of scripts in which joiners change how words look: Arabic, Syriac, N'Ko, Mongolian, Indic and Southeast Asian.
pub(super) fn needs_joiners(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{8FF}' | '\u{900}'..='\u{DFF}' | '\u{E00}'..='\u{109F}' | '\u{1780}'..='\u{18AF}')
        || matches!(c, '\u{1A20}'..='\u{1AAF}' | '\u{A840}'..='\u{ABFF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
        || matches!(c, '\u{10A00}'..='\u{11FFF}' | '\u{1E900}'..='\u{1E95F}')
}

/// Emoji, their modifiers, and signs that a selector makes emoji.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1F000}'..='\u{1FAFF}' | '\u{2190}'..='\u{2BFF}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}')
        || matches!(c, '#' | '*' | '0'..='9' | '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' | '\u{2E80}'..='\u{2FDF}')
        || matches!(c, '\u{3000}'..='\u{303F}' | '\u{FF00}'..='\u{FF65}' | '\u{2200}'..='\u{22FF}')
}

/// Finds runs of characters without use.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut before = None;
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        // Soft hyphens and control characters are left out of the folds; a reader loses nothing by them, so they stay.
        let counts = |c: char| (is_unseen(c) && c != '\u{AD}' && !is_control(c)) || is_private(c);
        if !counts(c) {
            before = Some(c);
            at += c.len_utf8();
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let end = at + rest.find(|c| !counts(c)).unwrap_or(rest.len());
        let run = text.get(at..end).unwrap_or_default();
        let after = text.get(end..).and_then(|rest| rest.chars().next());
        if let Some((rule, confidence)) = judge(run, before, after, at == 0) {
            runs.push(Run { span: at..end, rule, confidence, message: message(run) });
        }
        before = run.chars().next_back();
        at = end;
    }
    bidi_without_use(text, &mut runs);
    runs
}

/// What is wrong with a run, if anything.
fn judge(run: &str, before: Option<char>, after: Option<char>, at_start: bool) -> Option<(&'static str, i32)> {
    let count = |is: fn(char) -> bool| run.chars().filter(|c| is(*c)).count();
    let (tags, private, selectors) = (count(is_tag), count(is_private), count(is_selector));
    if tags > 0 {
        return if is_flag(run, before) { None } else { Some(("unseen.tags", 95)) };
    }
    if private > 0 {
        return (private >= PRIVATE_RUN_MIN && private == run.chars().count()).then_some(("unseen.private-use", 50));
    }
    if run.chars().any(|c| matches!(c, '\u{202D}' | '\u{202E}')) {
        return Some(("unseen.bidi-override", 85));
    }
    if run.chars().all(is_bidi) {
        return None;
    }
    if selectors > 1 {
        return Some(("unseen.selectors", 90));
    }
    if selectors == 1 {
        let fits = before.is_some_and(|c| is_emoji(c) || is_ideograph(c) || needs_joiners(c));
        // A selector may be followed by the joiner of an emoji sequence.
        return if fits { joiners(run.trim_start_matches(is_selector), before, after) } else { Some(("unseen.selectors", 60)) };
    }
    if at_start && run == "\u{FEFF}" {
        return None;
    }
    joiners(run, before, after)
}

/// Zero-width characters: one is well where a script or an emoji needs it or where it lets a line break.
fn joiners(run: &str, before: Option<char>, after: Option<char>) -> Option<(&'static str, i32)> {
    let zero = run.chars().filter(|c| is_zero_width(*c)).count();
    let script = |c: Option<char>| c.is_some_and(|c| needs_joiners(c) || is_emoji(c) || is_ideograph(c) || is_hebrew(c));
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && !script(Some(c)));
    let hangul = run.chars().all(|c| matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}'));
    match zero {
        0 => None,
        1 | 2 if script(before) || script(after) => None,
        1 if hangul && !letter(before) => None,
        1 if letter(before) && letter(after) => {
            // Between a small and a capital letter it lets a long name break.
            let seam = before.is_some_and(char::is_lowercase) && after.is_some_and(char::is_uppercase);
            if seam || run == "\u{34F}" { None } else { Some(("unseen.inside-word", 40)) }
        }
        1 | 2 => None,
        3..=7 => Some(("unseen.zero-width", 60)),
        _ => Some(("unseen.zero-width", 90)),
    }
}

fn is_hebrew(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{5FF}' | '\u{FB1D}'..='\u{FB4F}')
}

/// The flags of England, Scotland and Wales, and others made the same way.
fn is_flag(run: &str, before: Option<char>) -> bool {
    let tags = run.chars().count();
    before == Some('\u{1F3F4}')
        && run.ends_with('\u{E007F}')
        && tags <= FLAG_TAGS_MAX
        && run.chars().take(tags - 1).all(|c| matches!(c, '\u{E0030}'..='\u{E0039}' | '\u{E0061}'..='\u{E007A}'))
}

/// Embeddings and isolates that are not closed on their line, in a line without a letter that is written from right to left.
fn bidi_without_use(text: &str, runs: &mut Vec<Run>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let marks = line.char_indices().filter(|(_, c)| matches!(c, '\u{202A}'..='\u{202C}' | '\u{2066}'..='\u{2069}'));
        let open = |c: &char| matches!(c, '\u{202A}' | '\u{202B}' | '\u{2066}'..='\u{2068}');
        let (mut depth, mut closed, mut embeds_right) = (0_i32, true, false);
        for (_, c) in marks.clone() {
            depth += if open(&c) { 1 } else { -1 };
            closed &= depth >= 0;
            embeds_right |= matches!(c, '\u{202B}' | '\u{2067}');
        }
        let right_to_left =
            || line.chars().any(|c| is_hebrew(c) || matches!(c, '\u{600}'..='\u{8FF}' | '\u{FB50}'..='\u{FEFC}'));
        if (depth != 0 || !closed || embeds_right) && !right_to_left() {
            runs.extend(marks.map(|(i, c)| Run {
                span: start + i..start + i + c.len_utf8(),
                rule: "unseen.bidi",
                confidence: 55,
                message: None,
            }));
        }
        start += line.len();
    }
}

/// What a run says when tags, selectors or characters for private use are read as bytes.
fn message(run: &str) -> Option<String> {
    let byte = |c: char| {
        let code = u32::from(c);
        let value = match c {
            '\u{E0000}'..='\u{E007F}' => code - 0xE0000,
            '\u{FE00}'..='\u{FE0F}' => code - 0xFE00,
            '\u{E0100}'..='\u{E01EF}' => code - 0xE0100 + 16,
            '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFD}' => code & 0xFF,
            _ => return None,
        };
        u8::try_from(value).ok().filter(|b| *b != 0 && *b != 0x7F)
    };
    let bytes: Vec<u8> = run.chars().filter_map(byte).take(MESSAGE_CHARS_MAX).collect();
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() >= 4);
    text.or_else(|| bits(run))
}

/// Two zero-width characters in turn, read as zeros and ones.
fn bits(run: &str) -> Option<String> {
    let mut signs: Vec<char> = run.chars().filter(|c| is_zero_width(*c)).take(8 * MESSAGE_CHARS_MAX).collect();
    let all = signs.clone();
    signs.sort_unstable();
    signs.dedup();
    let ([zero, one], true) = (signs.get(..2)?.first_chunk::<2>()?, signs.len() == 2 && all.len() >= 32) else { return None };
    let read = |zero: char| {
        let byte = |bits: &[char]| bits.iter().fold(0_u8, |byte, c| (byte << 1) | u8::from(*c != zero));
        String::from_utf8(all.chunks_exact(8).map(byte).collect())
            .ok()
            .filter(|t| t.chars().all(|c| !c.is_control() || c == '\n'))
    };
    read(*zero).or_else(|| read(*one))
}
