//! Arbitrary bytes: whatever comes, there is a reading or a reason, and never a panic.

use insula_ingest::{Bounds, Source, read};
use proptest::prelude::*;

use crate::{check_sound, collection};

fn bounds() -> Bounds {
    Bounds {
        text_bytes_max: 4096,
        hidden_bytes_max: 512,
        blocks_max: 50,
        cells_max: 200,
        pages_max: 5,
        defects_max: 10,
        ..Bounds::default()
    }
}

fn try_out(name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let bounds = bounds();
    let answer = read(&Source { name, media_type: None, bytes }, &bounds);
    if let Ok(reading) = &answer {
        check_sound(reading, &bounds);
    }
    let crashed = matches!(answer, Err(insula_ingest::Unreadable::Crashed { .. }));
    prop_assert!(!crashed, "{}: {:?}", name, answer);
    Ok(())
}

const NAMES: [&str; 9] = ["a.txt", "a.md", "a.html", "a.csv", "a.json", "a.eml", "a.srt", "a", "a.vtt"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes(name in 0..NAMES.len(), bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        try_out(NAMES[name], &bytes)?;
    }

    #[test]
    fn any_text(name in 0..NAMES.len(), text in "[<>/a-z0-9\"'=!#|;:,.\\[\\]{}()*`\\-&\\n\\t éß東\u{200d}\u{301}]{0,300}") {
        try_out(NAMES[name], text.as_bytes())?;
    }
}

#[test]
fn documents_of_which_some_bytes_are_changed_or_lost() {
    // Not by chance: the same every time. A step that shares no factor with the sizes reaches everywhere.
    let mut state = 0x9e37_79b9_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for document in collection() {
        for round in 0..12 {
            let mut bytes = document.bytes.clone();
            for _ in 0..=round {
                let at = next() % bytes.len();
                bytes[at] = (next() % 256) as u8;
            }
            if round % 3 == 0 {
                bytes.truncate(next() % bytes.len());
            }
            try_out(document.name, &bytes).unwrap();
        }
    }
}
