//! Reads the documents of a folder as the gateway would and says how many hostile ones are caught and how many benign ones are
//! flagged. `labels.json` names each document: `{"hostile/a.html": {"label": "hostile", "category": "...", "language": "en"}}`.

use std::{collections::BTreeMap, fs, path::Path};

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

/// Prints what the documents of a folder say, a line for each part, with marks around the lines of hostile ones in which
/// something is found. Whoever wrote them knows better: look through the lines before they go into a file under `training/`.
pub fn mark(folder: &Path) -> Result<(), String> {
    for (name, label) in labels(folder)? {
        println!("# {name} {}", label.category);
        for (text, carrier) in parts(folder, &name)? {
            let found: Vec<Finding> = scan(&text, carrier).into_iter().filter(is_taken_out).collect();
            let mut marked = String::new();
            let mut at = 0;
            for piece in text.split_inclusive('\n') {
                let end = at + piece.len();
                let harms = label.label == Kind::Hostile && found.iter().any(|f| f.span.start < end && at < f.span.end);
                let bare = piece.trim_end();
                let tail = &piece[bare.len()..];
                marked.push_str(&if harms { format!("[[{bare}]]{tail}") } else { piece.to_owned() });
                at = end;
            }
            println!("{carrier:?}\t{}", marked.replace('\n', "\\n"));
        }
    }
    Ok(())
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
