//! Letters that look like others. Text and lexicon are folded through the same table, so it need not be exact: it only must not
//! make one common word out of two.

/// The Latin letter that a (lower-case) letter is taken for, if any. Small selection after Unicode's list of confusables: what is
/// hard to tell apart in common typefaces.
pub(super) fn latin(c: char) -> Option<char> {
    Some(match c {
        // Cyrillic
        'а' => 'a',
        'е' | 'ҽ' => 'e',
        'о' => 'o',
        'р' => 'p',
        'с' => 'c',
        'у' | 'ү' => 'y',
        'х' => 'x',
        'і' | 'ӏ' => 'i',
        'ј' => 'j',
        'ѕ' => 's',
        'һ' => 'h',
        'ԁ' => 'd',
        'ԛ' => 'q',
        'ԝ' => 'w',
        'к' => 'k',
        'м' => 'm',
        'т' => 't',
        'ѵ' => 'v',
        'ո' | 'ռ' => 'n',
        'ս' => 'u',
        'հ' => 'h',
        'օ' => 'o',
        'ց' | 'ɡ' | 'ɢ' => 'g',
        'զ' => 'q',
        // Greek
        'α' | 'ɑ' | 'ᴀ' | 'ɐ' => 'a',
        'ο' | 'ᴏ' | 'ø' => 'o',
        'ρ' | 'ᴘ' => 'p',
        'ν' | 'ᴠ' | 'ʌ' => 'v',
        'ι' | 'ı' | 'ɩ' | 'ɪ' | 'ᴉ' => 'i',
        'κ' | 'ᴋ' | 'ʞ' => 'k',
        'υ' | 'ᴜ' => 'u',
        'τ' | 'ᴛ' | 'ʇ' | 'ŧ' => 't',
        'χ' => 'x',
        'ε' | 'ᴇ' | 'ǝ' => 'e',
        'β' | 'ʙ' => 'b',
        // Small capitals, turned and crossed letters
        'ᴄ' | 'ɔ' => 'c',
        'ᴅ' | 'đ' | 'ð' => 'd',
        'ꜰ' | 'ƒ' => 'f',
        'ʜ' | 'ɥ' | 'ħ' => 'h',
        'ᴊ' | 'ɾ' => 'j',
        'ʟ' | 'ł' => 'l',
        'ᴍ' | 'ɯ' => 'm',
        'ɴ' => 'n',
        'ʀ' | 'ɹ' => 'r',
        'ꜱ' => 's',
        'ᴡ' | 'ʍ' => 'w',
        'ʏ' | 'ʎ' => 'y',
        'ᴢ' => 'z',
        _ => return cherokee(c),
    })
}

/// Small letters of Cherokee that are drawn like Latin capitals.
fn cherokee(c: char) -> Option<char> {
    const SMALL: [(char, char); 20] = [
        ('ꭰ', 'd'),
        ('ꭱ', 'r'),
        ('ꭲ', 't'),
        ('ꭵ', 'i'),
        ('ꭺ', 'a'),
        ('ꭻ', 'j'),
        ('ꭼ', 'e'),
        ('ꮃ', 'w'),
        ('ꮇ', 'm'),
        ('ꮋ', 'h'),
        ('ꮎ', 'o'),
        ('ꮐ', 'g'),
        ('ꮓ', 'z'),
        ('ꮢ', 'r'),
        ('ꮩ', 'v'),
        ('ꮪ', 's'),
        ('ꮮ', 'l'),
        ('ꮯ', 'c'),
        ('ꮲ', 'p'),
        ('ꮶ', 'k'),
    ];
    SMALL.iter().find(|(from, _)| *from == c).map(|(_, to)| *to)
}

/// Whether a letter of another script passes for a Latin one in a text in Latin letters, small or capital. Narrower than
/// [`latin`]: this one accuses.
pub(super) fn passes_for_latin(c: char) -> bool {
    matches!(
        c,
        'а' | 'е'
            | 'о'
            | 'р'
            | 'с'
            | 'у'
            | 'х'
            | 'і'
            | 'ј'
            | 'ѕ'
            | 'һ'
            | 'ԁ'
            | 'ԛ'
            | 'ԝ'
            | 'ѵ'
            | 'ӏ'
            | 'А'
            | 'В'
            | 'Е'
            | 'К'
            | 'М'
            | 'Н'
            | 'О'
            | 'Р'
            | 'С'
            | 'Т'
            | 'У'
            | 'Х'
            | 'І'
            | 'Ј'
            | 'Ѕ'
            | 'Ԛ'
            | 'Ԝ'
            | 'к'
            | 'м'
            | 'т'
            | 'ο'
            | 'ν'
            | 'ι'
            | 'α'
            | 'ρ'
            | 'κ'
            | 'τ'
            | 'υ'
            | 'χ'
            | 'ε'
            | 'Α'
            | 'Β'
            | 'Ε'
            | 'Ζ'
            | 'Η'
            | 'Ι'
            | 'Κ'
            | 'Μ'
            | 'Ν'
            | 'Ο'
            | 'Ρ'
            | 'Τ'
            | 'Υ'
            | 'Χ'
            | 'ո'
            | 'ս'
            | 'հ'
            | 'օ'
            | 'ց'
            | 'զ'
    )
}

/// A letter in a circle or a square that Unicode does not take apart, as the letter.
pub(super) fn enclosed(c: char) -> Option<char> {
    let base = match c {
        '\u{1F150}'..='\u{1F169}' => 0x1F150,
        '\u{1F170}'..='\u{1F189}' => 0x1F170,
        '\u{1F1E6}'..='\u{1F1FF}' => 0x1F1E6,
        _ => return None,
    };
    u8::try_from(u32::from(c) - base).ok().map(|n| char::from(b'a' + n))
}

/// The letter that a digit or sign stands for inside a word.
pub(super) fn leet(c: char) -> Option<char> {
    Some(match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        _ => return None,
    })
}
