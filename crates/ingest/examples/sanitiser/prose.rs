//! Ordinary prose of this workspace to learn from: the comments of its sources and its documents. Detectors that saw only attacks and what
//! looks like them take every "you must" of a manual for an attack.

use std::{
    fs,
    path::{Path, PathBuf},
};

use insula_ingest::{Carrier, sanitise::learn::Lesson};

/// Where sources and documents lie, seen from the workspace.
const FOLDERS: [&str; 7] = ["crates", "xtask", "tests", "docs", "deploy", "bench", "."];
/// The most of a file that is one lesson.
const LESSON_BYTES_MAX: usize = 2500;
/// A shorter comment is a remark and no prose.
const PARAGRAPH_BYTES_MIN: usize = 30;
/// What is written about attacks is no ordinary prose, and what is learned from must not be learned from twice.
const LEFT_OUT: [&str; 4] = ["target", "fixtures", "training", "ingestion-safety.md"];

/// A lesson for each part of each file, in the order of their paths.
pub fn lessons(workspace: &Path) -> Result<Vec<Lesson>, String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        walk(&workspace.join(folder), folder != ".", &mut files)?;
    }
    files.sort();
    files.dedup();
    let mut lessons = Vec::new();
    for path in files {
        let file = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let prose = if path.extension().is_some_and(|ending| ending == "rs") { comments(&file) } else { file };
        for (part, text) in parts(&prose).into_iter().enumerate() {
            let group = path
                .strip_prefix(workspace)
                .unwrap_or(&path)
                .to_string_lossy()
                .bytes()
                .fold(part as u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
            lessons.push(Lesson { group, origin: "benign prose".to_owned(), ..Lesson::benign(text, Carrier::Text) });
        }
    }
    Ok(lessons)
}

/// All sources and documents in a folder, and with `deep` in those within it.
fn walk(folder: &Path, deep: bool, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            if deep {
                walk(&path, deep, files)?;
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

/// The comments of a source, a paragraph for each that is long enough.
fn comments(source: &str) -> String {
    let mut paragraphs = vec![String::new()];
    for line in source.lines() {
        let comment = line.trim_start().strip_prefix("//").map(|comment| comment.trim_start_matches(['/', '!']).trim());
        match (comment, paragraphs.last_mut()) {
            (Some(comment), Some(last)) if !comment.starts_with("```") => {
                last.push_str(comment);
                last.push(' ');
            }
            (_, Some(last)) if !last.is_empty() => paragraphs.push(String::new()),
            _ => {}
        }
    }
    paragraphs.retain(|paragraph| paragraph.len() >= PARAGRAPH_BYTES_MIN);
    paragraphs.join("\n\n")
}

/// A text in parts that are not too long, cut where a line ends.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text.trim());
    while rest.len() > LESSON_BYTES_MAX {
        let upto = rest.floor_char_boundary(LESSON_BYTES_MAX);
        let at = rest.get(..upto).and_then(|part| part.rfind('\n')).filter(|at| *at > 0).unwrap_or(upto);
        let (part, behind) = rest.split_at(at);
        parts.push(part.trim());
        rest = behind.trim_start();
    }
    parts.push(rest);
    parts.retain(|part| !part.is_empty());
    parts
}
