//! The workshop of the detector.
//!
//! ```text
//! cargo run -p insula-ingest --example sanitiser -- score <folder> [--show]   holds it against documents with labels.json
//! cargo run -p insula-ingest --example sanitiser -- mark <folder>             makes lines to learn from of them
//! cargo run -p insula-ingest --example sanitiser -- validate [--show]         how well what is learned serves for what is not
//! cargo run -p insula-ingest --example sanitiser -- hold <file>... [--show]   learns without these files of training/ and judges them
//! cargo run -p insula-ingest --example sanitiser -- pace                      how long texts take
//! cargo run -p insula-ingest --example sanitiser -- learn                     learns anew and writes the weights
//! ```

mod learn;
mod pace;
mod prose;
mod score;

use std::{env, path::Path, process::ExitCode};

const USAGE: &str = "usage: sanitiser score <folder with labels.json> [--show] | mark <folder> | validate [--show] | hold <file>... [--show] | pace | learn";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = match args.as_slice() {
        ["score", folder] => score::run(Path::new(folder), false),
        ["score", folder, "--show"] => score::run(Path::new(folder), true),
        ["mark", folder] => score::mark(Path::new(folder)),
        ["validate"] => learn::validate(root, false),
        ["validate", "--show"] => learn::validate(root, true),
        ["hold", names @ .., "--show"] => learn::hold(root, names, true),
        ["hold", names @ ..] => learn::hold(root, names, false),
        ["pace"] => pace::run(root),
        ["learn"] => learn::write(root),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
