//! Letters that were UTF-8, read as Windows-1252, and written again: `GrÃ¶ÃŸe` was `Größe`, `itâ€™s` was `it’s`.

use encoding_rs::WINDOWS_1252;

/// Some texts went through it more than once.
const PASSES_MAX: usize = 3;
/// So many letters of three bytes show that a text is full of them.
const WIDE_MIN: usize = 3;

/// The text with its letters restored, and how many they were; nothing where there were none.
pub(crate) fn repair(text: &str) -> Option<(String, usize)> {
    let mut repaired = None;
    let mut count = 0;
    for _ in 0..PASSES_MAX {
        let Some((text, restored)) = pass(repaired.as_deref().unwrap_or(text)) else { break };
        repaired = Some(text);
        count += restored;
    }
    repaired.map(|text| (text, count))
}

fn pass(text: &str) -> Option<(String, usize)> {
    if !text.contains(|c| matches!(c, '\u{c2}'..='\u{f4}')) {
        return None;
    }
    let wide = has_wide(text);
    let mut out = String::with_capacity(text.len());
    let mut restored = 0;
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| !c.is_ascii()) {
        out.push_str(&rest[..start]);
        let run = &rest[start..];
        let end = run.find(|c: char| c.is_ascii()).unwrap_or(run.len());
        restored += run_of(&run[..end], wide, &mut out);
        rest = &run[end..];
    }
    out.push_str(rest);
    (restored > 0).then_some((out, restored))
}

/// Restores what can be restored of letters that stand together; how many.
fn run_of(run: &str, wide: bool, out: &mut String) -> usize {
    let mut restored = 0;
    let mut left = run;
    while let Some(first) = left.chars().next() {
        match letter(left) {
            Some((c, taken)) if wide || !is_wide(first) => {
                out.push(c);
                restored += 1;
                left = &left[taken..];
            }
            _ => {
                out.push(first);
                left = &left[first.len_utf8()..];
            }
        }
    }
    restored
}

/// Letters of three bytes begin with letters that French and others write before quotes and dots, `é»…`: so these are restored only
/// in a text that is full of them, and has them hardly ever otherwise.
fn has_wide(text: &str) -> bool {
    let begins = text.char_indices().filter(|(_, c)| is_wide(*c));
    let (mut garbled, mut all) = (0, 0);
    for (at, _) in begins {
        all += 1;
        garbled += usize::from(letter(&text[at..]).is_some());
    }
    garbled >= WIDE_MIN && garbled * 2 > all
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{e0}' | '\u{e1}' | '\u{e3}'..='\u{ee}')
}

/// The letter whose bytes, read as Windows-1252, stand at the beginning, and how many bytes of the text they take.
fn letter(text: &str) -> Option<(char, usize)> {
    let mut bytes = [0; 4];
    let mut taken = 0;
    let mut length = 4;
    for (i, c) in text.chars().take(4).enumerate() {
        bytes[i] = byte_of(c)?;
        taken += c.len_utf8();
        if i == 0 {
            length = match bytes[0] {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return None,
            };
        }
        if i + 1 == length {
            let restored = str::from_utf8(&bytes[..length]).ok()?.chars().next()?;
            return is_likely(restored, text).then_some((restored, taken));
        }
    }
    None
}

/// The byte that Windows-1252 has for a letter that is not ASCII.
fn byte_of(c: char) -> Option<u8> {
    if matches!(c, '\u{80}'..='\u{9f}') {
        return u8::try_from(u32::from(c)).ok();
    }
    let mut buffer = [0; 4];
    let (bytes, _, unknown) = WINDOWS_1252.encode(c.encode_utf8(&mut buffer));
    (!unknown && bytes.len() == 1).then(|| bytes[0]).filter(|byte| *byte >= 0x80)
}

/// Two letters that also stand beside each other in proper text, such as `É»`, are restored only to what people write.
fn is_likely(restored: char, garbled: &str) -> bool {
    match garbled.chars().next() {
        // Hardly ever before another letter that is not ASCII, in any language.
        Some('Ã' | 'Â') => true,
        Some('â' | 'ð' | 'ï') => true,
        Some(c) if is_wide(c) => true,
        _ => {
            matches!(restored, '\u{100}'..='\u{17f}' | '\u{192}' | '\u{2c6}' | '\u{2dc}' | '\u{391}'..='\u{3c9}' | '\u{400}'..='\u{45f}' | '\u{5d0}'..='\u{5ea}'
            | '\u{621}'..='\u{64a}')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn garbled(text: &str) -> String {
        WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    #[test]
    fn letters_are_restored_even_twice() {
        for text in ["Größe", "it’s “quoted” – fine", "Łódź i Kraków", "Привет", "契約書", "naïve 😀", "5 €"]
        {
            assert_eq!(repair(&garbled(text)).map(|(text, _)| text).as_deref(), Some(text));
            assert_eq!(repair(&garbled(&garbled(text))).map(|(text, _)| text).as_deref(), Some(text), "twice");
        }
    }

    #[test]
    fn proper_text_is_left_alone() {
        for text in [
            "« CAFÉ »",
            "«CAFÉ»",
            "NÃO é",
            "ÂGE",
            "„Ärger“",
            "MÜNCHEN–KÖLN",
            "El niño",
            "Ðorđe",
            "été, là",
            "Größe",
            "Çà",
            "« été»…",
            "é»…",
        ] {
            assert_eq!(repair(text), None, "{text}");
        }
    }

    #[test]
    fn parts_are_restored_in_place() {
        let text = format!("Größe und {}", garbled("Länge"));
        assert_eq!(repair(&text), Some(("Größe und Länge".into(), 1)));
    }
}
