//! Documents as they come: broken, mixed, cut off. Each has sentences planted that must be found again, and defects that must be
//! named; none may crash or exceed its bounds. They are read in a child process, as a server reads them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bombs;
mod child;
mod hostile;
mod mail;
mod office;
mod office_files;
mod pace;
mod pages;
mod pdf;
mod pdf_files;
mod sheets;
mod spoken;
mod texts;

use std::path::PathBuf;

use insula_ingest::{Bounds, ChunkSettings, DefectKind, Format, Reading, Source, child::Limits, child::Reader, chunks};

/// A document of the collection.
struct Document {
    name: &'static str,
    bytes: Vec<u8>,
    format: Format,
    /// What must be found again.
    sentences: Vec<String>,
    /// What must be named.
    defects: Vec<DefectKind>,
    /// What must be kept apart from the text.
    hidden: Vec<String>,
}

impl Document {
    fn new(name: &'static str, format: Format, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name, bytes: bytes.into(), format, sentences: Vec::new(), defects: Vec::new(), hidden: Vec::new() }
    }

    fn with(self, sentences: impl IntoIterator<Item = String>) -> Self {
        Self { sentences: sentences.into_iter().collect(), ..self }
    }

    fn wrong(self, defects: impl Into<Vec<DefectKind>>) -> Self {
        Self { defects: defects.into(), ..self }
    }

    fn hides(self, hidden: impl IntoIterator<Item = String>) -> Self {
        Self { hidden: hidden.into_iter().collect(), ..self }
    }
}

/// A sentence that stands nowhere else.
fn planted(n: usize) -> String {
    const WHO: [&str; 5] = ["landlord", "supplier", "committee", "engineer", "treasurer"];
    const WHAT: [&str; 4] = ["inspects the boiler", "signs the protocol", "renews the licence", "counts the reserves"];
    format!("The {} of house {} {} before the {}th of November.", WHO[n % 5], 100 + n, WHAT[n % 4], 4 + n % 20)
}

fn sentences(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(planted).collect()
}

fn reader() -> Reader {
    let mut program: PathBuf = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples/reader");
    assert!(program.exists(), "{} is built with the tests", program.display());
    Reader { program, arguments: Vec::new(), environment: Vec::new(), bounds: Bounds::default(), limits: Limits::default() }
}

/// Spans are of the text, blocks and chunks follow one another, counts are right, bounds are kept.
fn check_sound(reading: &Reading, bounds: &Bounds) {
    let mut before = 0;
    for block in &reading.blocks {
        assert!(block.span.start >= before && block.span.start < block.span.end);
        assert!(reading.text.get(block.span.clone()).is_some(), "{:?}", block.span);
        before = block.span.end;
    }
    assert_eq!(before, reading.text.len(), "all text is in blocks");
    for chunk in chunks(reading, &ChunkSettings::default()) {
        assert!(reading.text.get(chunk.span.clone()).is_some());
        assert!(chunk.lead.iter().all(|span| reading.text.get(span.clone()).is_some()));
    }
    assert!(reading.text.len() <= bounds.text_bytes_max && reading.blocks.len() <= bounds.blocks_max);
    assert!(reading.hidden.iter().map(|hidden| hidden.text.len()).sum::<usize>() <= bounds.hidden_bytes_max);
    assert_eq!(reading.report.characters, reading.text.chars().count());
}

fn collection() -> Vec<Document> {
    [texts::all(), pages::all(), sheets::all(), mail::all(), spoken::all(), office_files::all(), pdf_files::all()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn forty_messy_documents_are_read() {
    let documents = collection();
    assert!(documents.len() >= 40, "{}", documents.len());
    let reader = reader();
    let (mut planted, mut found) = (0, 0);
    let mut complaints = Vec::new();
    for document in &documents {
        let source = Source { name: document.name, media_type: None, bytes: &document.bytes };
        let reading = match reader.read(&source) {
            Ok(reading) => reading,
            Err(unreadable) => {
                complaints.push(format!("{}: {unreadable}", document.name));
                continue;
            }
        };
        check_sound(&reading, &reader.bounds);
        if reading.report.format != document.format {
            complaints.push(format!("{}: taken for {:?}", document.name, reading.report.format));
        }
        for sentence in &document.sentences {
            planted += 1;
            if reading.text.contains(sentence.as_str()) {
                found += 1;
            } else {
                println!("{}: lost: {sentence}\n--- {}", document.name, reading.text);
            }
        }
        for defect in document.defects.iter().filter(|defect| !reading.report.has(**defect)) {
            complaints.push(format!("{}: {defect:?} is not named: {:?}", document.name, reading.report.defects));
        }
        for secret in &document.hidden {
            if reading.text.contains(secret.as_str()) {
                complaints.push(format!("{}: shown: {secret}", document.name));
            }
            if !reading.hidden.iter().any(|hidden| hidden.text.contains(secret.as_str())) {
                complaints.push(format!("{}: not kept: {secret}: {:?}", document.name, reading.hidden));
            }
        }
    }
    println!("{} documents, {found} of {planted} sentences found", documents.len());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(planted >= 120 && found * 100 >= planted * 95, "{found} of {planted}");
}
