//! The detector against documents that mean harm, and against documents that look like them.
//!
//! Files under `fixtures/`: a header (`category`, `language`, `carrier`, `round`, and for hostile ones what the span has to touch), a
//! line `---`, the text. `\u{...}` stands for a character, so that a reader sees what is invisible.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::sanitise::{Disguise, Finding, MARKER, learn::Fixture, neutralise, scan};

/// What must be caught of all hostile documents, and of those of each category, in percent.
const CAUGHT_MIN: usize = 95;
const CAUGHT_PER_CATEGORY_MIN: usize = 80;
/// What may be flagged of all benign documents, in percent.
const ALARMS_MAX: usize = 3;

fn get<'a>(fixture: &'a Fixture, key: &str) -> &'a str {
    fixture.header.get(key).unwrap_or_else(|| panic!("{}: no `{key}` in its header", fixture.name))
}

fn findings(fixture: &Fixture) -> Vec<Finding> {
    scan(&fixture.text, fixture.carrier().unwrap())
}

/// Caught is: found where it is, as an instruction if it is one.
fn is_caught(fixture: &Fixture) -> bool {
    let category = get(fixture, "category");
    let instructs = !["invisible", "homoglyph"].contains(&category);
    found(fixture).iter().any(|f| if instructs { f.category.is_instruction() } else { f.category.name() == category })
}

/// Whether its category is found too, and not only another one.
fn is_named(fixture: &Fixture) -> bool {
    found(fixture).iter().any(|finding| finding.category.name() == get(fixture, "category"))
}

/// What is found where the document's harm is.
fn found(fixture: &Fixture) -> Vec<Finding> {
    let place = fixture.expected().unwrap();
    let touches = |f: &Finding| place.is_empty() || (f.span.start < place.end && place.start < f.span.end);
    findings(fixture).into_iter().filter(touches).collect()
}

fn load(kind: &str) -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(kind);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| Fixture::of(&path.file_stem().unwrap().to_string_lossy(), &fs::read_to_string(&path).unwrap());
    let mut fixtures: Vec<Fixture> = paths.map(|path| read(path).unwrap()).collect();
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    fixtures
}

/// Hits of how many, for each value of a key of the header.
fn table<'a>(title: &str, rows: impl Iterator<Item = (&'a str, bool)>) -> BTreeMap<&'a str, (usize, usize)> {
    let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (key, hit) in rows {
        let row = table.entry(key).or_default();
        row.0 += usize::from(hit);
        row.1 += 1;
    }
    println!("\n{title}");
    for (key, (hits, all)) in &table {
        println!("  {key:<14} {hits:>3} of {all:>3}");
    }
    table
}

#[test]
fn hostile_documents_are_caught() {
    let judged: Vec<(Fixture, bool)> = load("hostile").into_iter().map(|f| (is_caught(&f), f)).map(|(c, f)| (f, c)).collect();
    for (fixture, _) in judged.iter().filter(|(_, caught)| !caught) {
        println!("missed: {} ({:?})", fixture.name, findings(fixture));
    }
    for key in ["language", "carrier", "round"] {
        table(&format!("caught by {key}"), judged.iter().map(|(f, caught)| (get(f, key), *caught)));
    }
    table("named by category", judged.iter().map(|(f, _)| (get(f, "category"), is_named(f))));
    let by_category = table("caught by category", judged.iter().map(|(f, caught)| (get(f, "category"), *caught)));
    let caught = judged.iter().filter(|(_, caught)| *caught).count();
    println!("\ncaught {caught} of {}", judged.len());
    assert!(caught * 100 >= CAUGHT_MIN * judged.len(), "caught only {caught} of {}", judged.len());
    for (category, (caught, all)) in by_category {
        assert!(caught * 100 >= CAUGHT_PER_CATEGORY_MIN * all, "{category}: caught only {caught} of {all}");
    }
    assert!(judged.len() >= 60, "only {} hostile documents", judged.len());
}

#[test]
fn look_alikes_are_left_alone() {
    let judged: Vec<(Fixture, Vec<Finding>)> =
        load("benign").into_iter().map(|f| (findings(&f), f)).map(|(c, f)| (f, c)).collect();
    for (fixture, findings) in judged.iter().filter(|(_, findings)| !findings.is_empty()) {
        for finding in findings {
            println!("false alarm: {}: {finding:?} {:?}", fixture.name, &fixture.text[finding.span.clone()]);
        }
    }
    for key in ["language", "category", "carrier", "round"] {
        table(&format!("false alarms by {key}"), judged.iter().map(|(f, findings)| (get(f, key), !findings.is_empty())));
    }
    let alarms = judged.iter().filter(|(_, findings)| !findings.is_empty()).count();
    println!("\nfalse alarms: {alarms} of {}", judged.len());
    assert!(alarms * 100 <= ALARMS_MAX * judged.len(), "{alarms} false alarms of {}", judged.len());
    for (fixture, findings) in judged.iter().filter(|(_, findings)| findings.is_empty()) {
        assert_eq!(neutralise(&fixture.text, findings).text, fixture.text, "{}", fixture.name);
    }
    assert!(judged.len() >= 60, "only {} benign documents", judged.len());
}

#[test]
fn what_is_caught_is_taken_out_and_nothing_is_left_of_it() {
    for fixture in load("hostile").iter().filter(|f| is_caught(f)) {
        let findings = findings(fixture);
        let neutralised = neutralise(&fixture.text, &findings);
        let left: Vec<Finding> = scan(&neutralised.text, findings[0].carrier);
        assert!(left.iter().all(|f| f.category.name() == "homoglyph"), "{}: {left:?} in {}", fixture.name, neutralised.text);
        assert_eq!(neutralise(&neutralised.text, &left).text, neutralised.text, "{}", fixture.name);
        if findings.iter().any(|f| f.category.is_instruction() && f.disguise != Some(Disguise::Unseen)) {
            assert!(neutralised.text.contains(MARKER), "{}: {}", fixture.name, neutralised.text);
        }
    }
}
