//! How fast it goes: a figure for people, and a bound that only a mistake would miss.

use std::time::Instant;

use insula_ingest::{ChunkSettings, Source, chunks, hashing, words};

use crate::{pdf::Pdf, planted, reader};

const PAGES: usize = 1_000;

#[test]
fn a_thousand_pages() {
    let mut pdf = Pdf::new();
    for page in 0..PAGES {
        let lines: Vec<String> = (0..30).map(|line| planted(page * 30 + line)).collect();
        let lines: Vec<(u32, &str)> = lines.iter().map(|line| (10, line.as_str())).collect();
        pdf.lines(&lines);
    }
    let file = pdf.finish();
    let begun = Instant::now();
    let reading = reader().read(&Source { name: "thousand.pdf", media_type: None, bytes: &file }).unwrap();
    let read = begun.elapsed();
    let begun = Instant::now();
    let pieces = chunks(&reading, &ChunkSettings::default());
    let mut tokens = 0;
    for piece in &pieces {
        let text = piece.text(&reading.text);
        tokens += words::tokens(&text, reading.report.language).count();
        assert_eq!(hashing::embed(&text, hashing::DIMENSIONS_DEFAULT).len(), hashing::DIMENSIONS_DEFAULT);
    }
    let rest = begun.elapsed();
    assert_eq!(reading.report.pages as usize, PAGES);
    let per_second = |time: std::time::Duration| PAGES as f64 / time.as_secs_f64();
    println!(
        "{PAGES} pages, {} characters, {} chunks, {tokens} words: read {:.0} pages/s, chunked and embedded {:.0} pages/s, together {:.0} pages/s",
        reading.report.characters,
        pieces.len(),
        per_second(read),
        per_second(rest),
        per_second(read + rest),
    );
    assert!(per_second(read + rest) > 5.0, "{read:?} and {rest:?}");
}
