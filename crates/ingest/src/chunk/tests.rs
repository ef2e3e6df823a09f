use proptest::prelude::*;

use super::*;
use crate::{Bounds, Format, draft::Draft, normalise::Lines};

fn reading(blocks: &[(BlockKind, &str)]) -> Reading {
    let bounds = Bounds::default();
    let mut draft = Draft::new(&bounds);
    for (i, (kind, text)) in blocks.iter().enumerate() {
        draft.add_lines(*kind, &Place::page(u32::try_from(i).unwrap()), text, Lines::Keep);
    }
    draft.finish(Format::Text, None, 0)
}

fn settings(characters_max: usize, overlap_characters_max: usize) -> ChunkSettings {
    ChunkSettings { characters_max, overlap_characters_max, lead_characters_max: 100 }
}

fn texts<'a>(reading: &'a Reading, chunks: &[Chunk]) -> Vec<&'a str> {
    chunks.iter().map(|chunk| &reading.text[chunk.span.clone()]).collect()
}

#[test]
fn sentences_stay_whole_and_are_said_again() {
    let reading = reading(&[(BlockKind::Paragraph, "One is here. Two is here. Three is here. Four is here.")]);
    let found = chunks(&reading, &settings(27, 0));
    assert_eq!(texts(&reading, &found), ["One is here. Two is here.", "Three is here.", "Four is here."]);
    let found = chunks(&reading, &settings(30, 15));
    assert_eq!(texts(&reading, &found), ["One is here. Two is here.", "Two is here. Three is here.", "Four is here."]);
}

#[test]
fn headings_stay_with_what_follows_and_lead_what_comes_later() {
    let reading = reading(&[
        (BlockKind::Heading(1), "Lease"),
        (BlockKind::Paragraph, "It begins in May."),
        (BlockKind::Heading(2), "Notice"),
        (BlockKind::Paragraph, "Three months for either side. It must be in writing."),
    ]);
    let found = chunks(&reading, &settings(40, 0));
    assert_eq!(
        texts(&reading, &found),
        ["Lease\n\nIt begins in May.", "Notice\n\nThree months for either side.", "It must be in writing."]
    );
    assert_eq!(found[2].text(&reading.text), "Lease\nNotice\nIt must be in writing.");
    assert_eq!(found[1].place.page, Some(2));
}

#[test]
fn rows_are_led_by_the_names_of_their_columns() {
    let reading = reading(&[
        (BlockKind::Paragraph, "Before."),
        (BlockKind::TableHead, "Month | Rent"),
        (BlockKind::TableRow, "May | 900"),
        (BlockKind::TableRow, "June | 910"),
        (BlockKind::TableRow, "July | 920"),
    ]);
    let found = chunks(&reading, &settings(24, 10));
    assert_eq!(texts(&reading, &found), ["Before.", "Month | Rent\nMay | 900", "June | 910\nJuly | 920"]);
    assert_eq!(found[2].text(&reading.text), "Month | Rent\nJune | 910\nJuly | 920");
}

proptest! {
    #[test]
    fn every_word_is_in_a_chunk_and_none_is_too_long(
        blocks in prop::collection::vec((0..5_u8, "[a-zé東🙂 .!\\n]{0,120}"), 0..20), size in 1..80_usize, overlap in 0..60_usize,
    ) {
        let kinds = [BlockKind::Paragraph, BlockKind::Heading(2), BlockKind::TableRow, BlockKind::TableHead, BlockKind::Code];
        let blocks: Vec<_> = blocks.iter().map(|(kind, text)| (kinds[*kind as usize], text.as_str())).collect();
        let reading = reading(&blocks);
        let found = chunks(&reading, &settings(size, overlap));
        let mut covered = vec![false; reading.text.len()];
        let mut before = 0;
        for chunk in &found {
            let text = reading.text.get(chunk.span.clone());
            prop_assert!(text.is_some_and(|text| !text.trim().is_empty()), "{:?}", chunk);
            prop_assert!(text.unwrap().chars().count() <= size + 4, "{} {:?}", size, text);
            prop_assert!(chunk.span.end > before);
            before = chunk.span.end;
            covered[chunk.span.clone()].fill(true);
        }
        for (at, c) in reading.text.char_indices() {
            prop_assert!(covered[at] || c.is_whitespace(), "{} of {:?}", at, reading.text);
        }
    }
}
