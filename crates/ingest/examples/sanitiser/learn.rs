//! Learns from the texts under `training/` and `fixtures/` and writes the weights; and says beforehand how well what was learned
//! from some of them serves for the others.

use std::{collections::BTreeMap, fs, path::Path};

use insula_ingest::sanitise::{
    Category,
    learn::{Fixture, Judge, Judged, Lesson, Lessons, Texts, cross_validate, learn},
};

use crate::prose;

/// In how many turns the lessons are held back.
const TURNS: u32 = 5;
/// Thresholds that are tried.
const THRESHOLDS: [f32; 7] = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0];

/// Writes the weights of all lessons.
pub fn write(root: &Path) -> Result<(), String> {
    let lessons = looked_at(&all(root)?);
    let weights = learn(&lessons);
    let path = root.join("src/sanitise/learned/weights.bin");
    fs::write(&path, &weights).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} lessons, {} bytes of weights in {}", lessons.len(), weights.len(), path.display());
    Ok(())
}

/// Learns from four fifths and judges the fifth, five times. `show` prints what is judged wrongly at zero.
pub fn validate(root: &Path, show: bool) -> Result<(), String> {
    let all = all(root)?;
    let judged = cross_validate(&looked_at(&all), TURNS);
    let mut origins: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    judged.iter().for_each(|judged| origins.entry(&judged.origin).or_default().push(judged));
    println!("{:<34} {:>5}   above {THRESHOLDS:?}", "", "all");
    for (origin, judged) in &origins {
        let above = |threshold: f32| 100 * judged.iter().filter(|j| j.score >= threshold).count() / judged.len();
        let row: Vec<String> = THRESHOLDS.iter().map(|threshold| format!("{:>3}%", above(*threshold))).collect();
        println!("{origin:<34} {:>5}   {}", judged.len(), row.join(" "));
    }
    for wrong in judged.iter().filter(|j| show && (j.score >= 0.0) != j.category.is_some()) {
        println!("{:5.1} {}: {:?}", wrong.score, wrong.origin, all[wrong.lesson].text);
    }
    Ok(())
}

/// Learns from all texts but those of some files, and judges the documents of these as the gateway would. A name with a slash is a
/// file elsewhere.
pub fn hold(root: &Path, names: &[&str], show: bool) -> Result<(), String> {
    let mut lessons = Lessons::default();
    let mut held = Vec::new();
    for (name, file) in files(&root.join("training"))? {
        let texts = Texts::of(&name, &file)?.lessons();
        if names.contains(&name.as_str()) {
            held.extend(texts.into_iter().filter(|lesson| lesson.origin.contains(" document ")));
        } else {
            texts.iter().for_each(|lesson| lessons.add(lesson));
        }
    }
    for path in names.iter().filter(|name| name.contains('/')) {
        let file = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        held.extend(Texts::of(path, &file)?.lessons());
    }
    fixtures(root)?.iter().chain(&workspace(root)?).for_each(|lesson| lessons.add(lesson));
    let judge = Judge::of(&learn(&lessons));
    let mut figures: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for lesson in &held {
        let found: Vec<_> =
            judge.scan(&lesson.text, lesson.carrier).into_iter().filter(|f| f.category != Category::Homoglyph).collect();
        let row = figures.entry(&lesson.origin).or_default();
        *row = (row.0 + usize::from(!found.is_empty()), row.1 + 1);
        if show && found.is_empty() == lesson.category.is_some() {
            println!("{} {:?}: {:?}", lesson.origin, lesson.carrier, lesson.text);
            for finding in found {
                println!("    {} {}: {:?}", finding.rule, finding.confidence.percent(), &lesson.text[finding.span]);
            }
        }
    }
    for (origin, (found, all)) in figures {
        println!("{origin:<34} found in {found:>4} of {all:>4}  {:>5.1}%", 100.0 * found as f64 / all as f64);
    }
    Ok(())
}

fn looked_at(all: &[Lesson]) -> Lessons {
    let mut lessons = Lessons::default();
    all.iter().for_each(|lesson| lessons.add(lesson));
    lessons
}

/// All lessons, in the order of their files' names.
fn all(root: &Path) -> Result<Vec<Lesson>, String> {
    let mut lessons = Vec::new();
    for (name, file) in files(&root.join("training"))? {
        lessons.extend(Texts::of(&name, &file)?.lessons());
    }
    lessons.extend(fixtures(root)?);
    lessons.extend(workspace(root)?);
    Ok(lessons)
}

/// Ordinary prose of the workspace that this crate stands in.
fn workspace(root: &Path) -> Result<Vec<Lesson>, String> {
    prose::lessons(root.ancestors().nth(2).unwrap_or(root))
}

fn fixtures(root: &Path) -> Result<Vec<Lesson>, String> {
    let mut lessons = Vec::new();
    for kind in ["hostile", "benign"] {
        for (name, file) in files(&root.join("fixtures").join(kind))? {
            // What is written so that it has to be decoded first shows no words.
            if !name.contains("disguise") && !name.contains("invisible") {
                lessons.push(Fixture::of(&name, &file)?.lesson()?);
            }
        }
    }
    Ok(lessons)
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?));
    }
    files.sort();
    Ok(files)
}
