//! `insula document inspect`.

use std::{fs, path::PathBuf};

use clap::Args;
use insula_ingest::{ChunkSettings, Reading, Source, chunks};
use serde_json::{Value, json};

use crate::{
    cli::{
        exit::{Code, Failure},
        output::{Output, pairs},
    },
    config::Knowledge,
    wire,
};

/// Hidden text of which more is not shown to people without `--text`.
const HIDDEN_CHARS_SHOWN: usize = 100;
const HIDDEN_SHOWN: usize = 20;

/// What to read, and what to show of it.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file.
    file: PathBuf,
    /// Its media type, as an upload would carry it.
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// Also prints the text, and all that is hidden.
    #[arg(long)]
    text: bool,
}

/// Runs it.
pub async fn run(args: InspectArgs, out: Output) -> Result<(), Failure> {
    let bytes = fs::read(&args.file).map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Failed };
        Failure::new(code, format!("{}: {error}", args.file.display()))
    })?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (reader, media_type) = (wire::reader(&Knowledge::default())?, args.media_type);
    let read = move || reader.read(&Source { name: &name, media_type: media_type.as_deref(), bytes: &bytes });
    let reading = tokio::task::spawn_blocking(read).await.map_err(|error| Failure::failed(error.to_string()))?;
    let reading = reading.map_err(|unreadable| Failure::failed(unreadable.to_string()))?;
    out.data(&body(&reading, args.text)?.to_string(), |_| shown(&reading, args.text))
}

/// The report, and the text where it is wanted.
fn body(reading: &Reading, with_text: bool) -> Result<Value, Failure> {
    let value = |value: serde_json::Result<Value>| value.map_err(|error| Failure::failed(error.to_string()));
    let mut body = value(serde_json::to_value(&reading.report))?;
    if let Some(defects) = body["defects"].as_array_mut() {
        for (defect, told) in reading.report.defects.iter().zip(defects) {
            told["message"] = json!(defect.to_string());
        }
    }
    body["blocks"] = json!(reading.blocks.len());
    body["chunks"] = json!(chunks(reading, &ChunkSettings::default()).len());
    body["hidden"] = value(serde_json::to_value(&reading.hidden))?;
    if with_text {
        body["text"] = json!(reading.text);
    }
    Ok(body)
}

fn shown(reading: &Reading, with_text: bool) -> String {
    let report = &reading.report;
    let mut shown = pairs(&[
        ("format", report.format.name().to_owned()),
        ("encoding", report.encoding.clone().unwrap_or_default()),
        ("language", report.language.map(|language| language.code().to_owned()).unwrap_or_default()),
        ("pages", report.pages.to_string()),
        ("characters", report.characters.to_string()),
        ("blocks", reading.blocks.len().to_string()),
        ("chunks", chunks(reading, &ChunkSettings::default()).len().to_string()),
    ]);
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            shown.push_str(&format!("\n\n{title}\n  {}", lines.join("\n  ")));
        }
    };
    let mut defects: Vec<String> = report.defects.iter().map(ToString::to_string).collect();
    if report.defects_left_out > 0 {
        defects.push(format!("and {} more", report.defects_left_out));
    }
    section("Defects", defects);
    let most = if with_text { usize::MAX } else { HIDDEN_SHOWN };
    let mut hidden: Vec<String> = reading.hidden.iter().take(most).map(|hidden| hidden_line(hidden, with_text)).collect();
    if reading.hidden.len() > hidden.len() {
        hidden.push(format!("and {} more, see --text", reading.hidden.len() - hidden.len()));
    }
    section("Hidden", hidden);
    if with_text {
        shown.push_str(&format!("\n\nText\n\n{}", reading.text));
    }
    shown
}

fn hidden_line(hidden: &insula_ingest::Hidden, whole: bool) -> String {
    let carrier = serde_json::to_value(hidden.carrier).ok();
    let carrier = carrier.as_ref().and_then(Value::as_str).unwrap_or_default().replace('_', " ");
    let text = hidden.text.replace('\n', " ");
    match text.char_indices().nth(HIDDEN_CHARS_SHOWN).filter(|_| !whole) {
        Some((end, _)) => format!("{carrier}: {} ...", &text[..end]),
        None => format!("{carrier}: {text}"),
    }
}
