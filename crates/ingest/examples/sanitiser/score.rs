//! Reads the documents of a folder as the gateway would and says how many hostile ones are caught and how many benign ones are
//! flagged. `labels.json` names each document: `{"hostile/a.html": {"label": "hostile", "category": "...", "language": "en"}}`.

use std::{collections::BTreeMap, fs, ops::Range, path::Path};

use insula_ingest::{
    Bounds, Carrier, Source, read,
    sanitise::{Category, Finding, learn::weigh, scan},
};
use serde::Deserialize;

/// What a document is, as whoever wrote it says.
#[derive(Deserialize)]
struct Label {
    label: Kind,
    category: String,
    language: String,
    /// What harms, as a reader sees it.
    #[serde(default)]
    hostile_text: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Hostile,
    Benign,
}

/// Prints the figures; with `show` also each document that was judged wrongly, with what was found in it.
pub fn run(folder: &Path, show: bool) -> Result<(), String> {
    let labels = labels(folder)?;
    for (kind, title, wrong) in [(Kind::Hostile, "caught", "missed"), (Kind::Benign, "false alarms", "false alarm")] {
        let mut tables: [BTreeMap<&str, (usize, usize)>; 2] = Default::default();
        let mut all = (0, 0);
        for (name, label) in labels.iter().filter(|(_, label)| label.label == kind) {
            let found = findings(folder, name)?;
            let hit = match kind {
                Kind::Hostile => found.iter().any(|(finding, _)| is_taken_out(finding)),
                Kind::Benign => !found.is_empty(),
            };
            for row in [&mut all].into_iter().chain(
                tables.iter_mut().zip([&label.category, &label.language]).map(|(table, key)| table.entry(key).or_default()),
            ) {
                row.0 += usize::from(hit);
                row.1 += 1;
            }
            if show && hit != (kind == Kind::Hostile) {
                println!("{wrong}: {name}");
                for (text, carrier) in &parts(folder, name)? {
                    for (span, weight, evidence) in weigh(text, *carrier) {
                        println!("    {weight:5.1} {evidence:<16} {:?}", text.get(span).unwrap_or_default());
                    }
                }
                for (finding, words) in found {
                    println!("    {} {} {:?}: {words:?}", finding.rule, finding.confidence.percent(), finding.carrier);
                }
            }
        }
        for (table, by) in tables.iter().zip(["category", "language"]) {
            println!("\n{title} by {by}");
            table.iter().for_each(|(key, (hits, all))| println!("  {key:<20} {hits:>3} of {all:>3}"));
        }
        println!(
            "\n{title}: {} of {} ({:.1}%)\n",
            all.0,
            all.1,
            100.0 * f64::from(all.0 as u32) / f64::from(all.1.max(1) as u32)
        );
    }
    Ok(())
}

/// Prints what the documents of a folder say, as files under `training/` have it: a line for each part, with marks around what harms: the
/// passages that `hostile_text` of its label names, and where none of them is there the lines in which something is found. Whoever wrote
/// them knows better: look through the lines of such documents, which a comment announces.
pub fn mark(folder: &Path) -> Result<(), String> {
    for (name, label) in labels(folder)? {
        let is_hostile = label.label == Kind::Hostile;
        let category =
            Category::ALL.into_iter().find(|category| category.name() == label.category && category.is_instruction());
        println!("@documents {}", if is_hostile { category.map_or("override", Category::name) } else { "benign" });
        let parts = parts(folder, &name)?;
        let mut told: Vec<Vec<Range<usize>>> = parts.iter().map(|(text, _)| passages(text, &label.hostile_text)).collect();
        if is_hostile && told.iter().all(Vec::is_empty) {
            println!("# to be looked through: {name}");
            told = parts.iter().map(|(text, carrier)| lines_found(text, *carrier)).collect();
        }
        for ((text, carrier), told) in parts.iter().zip(&told) {
            println!("{}\t{}", place(*carrier)?, marked(text, if is_hostile { told } else { &[] }).trim().replace('\n', "\\n"));
        }
    }
    Ok(())
}

/// Where these passages stand, however they are broken into lines.
fn passages(text: &str, told: &[String]) -> Vec<Range<usize>> {
    let letters = |text: &str| {
        text.char_indices().filter(|(_, c)| !c.is_whitespace()).map(|(at, c)| (at, c.len_utf8(), c)).collect::<Vec<_>>()
    };
    let shown = letters(text);
    let find = |passage: &String| {
        let wanted: Vec<char> = letters(passage).into_iter().map(|(_, _, c)| c).collect();
        let at = shown.windows(wanted.len().max(1)).position(|some| some.iter().map(|(_, _, c)| c).eq(&wanted))?;
        let (first, last) = (shown.get(at)?, shown.get(at + wanted.len() - 1)?);
        Some(first.0..last.0 + last.1)
    };
    let mut found: Vec<Range<usize>> = told.iter().filter_map(find).collect();
    found.sort_by_key(|passage| passage.start);
    found.dedup_by(|later, earlier| later.start < earlier.end);
    found
}

/// The lines in which something is found.
fn lines_found(text: &str, carrier: Carrier) -> Vec<Range<usize>> {
    let found: Vec<Finding> = scan(text, carrier).into_iter().filter(is_taken_out).collect();
    let lines = text.split_inclusive('\n').scan(0, |at, line| {
        let from = *at;
        *at += line.len();
        Some(from..from + line.trim_end().len())
    });
    lines.filter(|line| found.iter().any(|f| f.span.start < line.end && line.start < f.span.end)).collect()
}

/// Where a text stands, as files under `training/` name it.
fn place(carrier: Carrier) -> Result<String, String> {
    let name = serde_json::to_value(carrier).map_err(|error| error.to_string())?;
    Ok(name.as_str().unwrap_or_default().replace('_', "-"))
}

/// A text with marks around these parts.
fn marked(text: &str, told: &[Range<usize>]) -> String {
    let bare = |text: &str| text.replace("[[", "[ [").replace("]]", "] ]");
    let (mut marked, mut at) = (String::new(), 0);
    for part in told {
        let [before, inside] = [at..part.start, part.clone()].map(|span| bare(text.get(span).unwrap_or_default()));
        marked += &format!("{before}[[{inside}]]");
        at = part.end;
    }
    marked + &bare(text.get(at..).unwrap_or_default())
}

fn labels(folder: &Path) -> Result<BTreeMap<String, Label>, String> {
    let labels = fs::read_to_string(folder.join("labels.json")).map_err(|error| format!("labels.json: {error}"))?;
    serde_json::from_str(&labels).map_err(|error| format!("labels.json: {error}"))
}

/// Whether a finding protects a model: words with foreign letters are reported and stay.
fn is_taken_out(finding: &Finding) -> bool {
    finding.category != Category::Homoglyph
}

/// What a document says, where readers look and where they do not.
fn parts(folder: &Path, name: &str) -> Result<Vec<(String, Carrier)>, String> {
    let bytes = fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    let source = Source { name, media_type: None, bytes: &bytes };
    let reading = read(&source, &Bounds::default()).map_err(|error| format!("{name}: {error}"))?;
    let hidden = reading.hidden.into_iter().map(|hidden| (hidden.text, hidden.carrier));
    Ok([(reading.text, Carrier::Text)].into_iter().chain(hidden).collect())
}

/// All that is found in a document, with the words.
fn findings(folder: &Path, name: &str) -> Result<Vec<(Finding, String)>, String> {
    let mut found = Vec::new();
    for (text, carrier) in parts(folder, name)? {
        let words = |finding: &Finding| text.get(finding.span.clone()).unwrap_or_default().to_owned();
        found.extend(
            scan(&text, carrier).into_iter().map(|finding| (words(&finding), finding)).map(|(words, finding)| (finding, words)),
        );
    }
    Ok(found)
}
