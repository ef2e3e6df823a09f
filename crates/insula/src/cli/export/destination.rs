//! A file that an export is appended to, page by page, each page exactly once.
//!
//! A page is synced first, then the cursor file is replaced, which also says how long the export is. Whatever a crash left
//! behind that length is cut off by the next run, which asks for it again.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{
    cli::exit::{Code, Failure},
    private_file,
};

/// How far an export has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Whose rows; absent for all tenants'.
    pub(super) tenant: Option<String>,
    /// How they are written.
    pub(super) format: String,
    /// Where to go on; absent before the first page.
    pub(super) cursor: Option<String>,
    /// How long the output is.
    pub(super) bytes: u64,
}

impl Progress {
    /// Of an export that has not begun.
    pub(super) fn start(tenant: Option<String>, format: &str) -> Self {
        Self { tenant, format: format.to_owned(), cursor: None, bytes: 0 }
    }
}

/// Where rows go.
#[derive(Debug)]
pub(super) struct Destination {
    output: File,
    cursor_file: Option<PathBuf>,
    progress: Progress,
}

impl Destination {
    /// Begins in `output`, or goes on where `cursor_file` says. Without a cursor file the output must be new.
    pub(super) fn open(output: &Path, cursor_file: Option<PathBuf>, start: Progress) -> Result<Self, Failure> {
        let shown = output.display();
        let Some(cursor_file) = cursor_file else {
            let made = OpenOptions::new().write(true).create_new(true).open(output);
            let output = made.with_context(|| format!("cannot make {shown}; to go on with one, pass --cursor-file"))?;
            return Ok(Self { output, cursor_file: None, progress: start });
        };
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(output);
        let mut file = opened.with_context(|| format!("cannot open {shown}"))?;
        if file.try_lock().is_err() {
            return Err(Failure::new(Code::Conflict, format!("another export writes to {shown}")));
        }
        let length = file.metadata()?.len();
        let progress = match noted(&cursor_file)? {
            Some(progress) => progress,
            None if length > 0 => {
                let message = format!("{shown} is there and {} is not: exporting again would double it", cursor_file.display());
                return Err(Failure::new(Code::Conflict, message));
            }
            None => {
                note(&cursor_file, &start)?;
                // Rows must not outlive the file that knows of them.
                sync_folder(&cursor_file)?;
                sync_folder(output)?;
                start.clone()
            }
        };
        if (&progress.tenant, &progress.format) != (&start.tenant, &start.format) {
            return Err(Failure::usage(format!("{} belongs to another export: {}", cursor_file.display(), said(&progress))));
        }
        if length < progress.bytes {
            let message = format!("{shown} has {length} bytes, and the export before ended at {}", progress.bytes);
            return Err(Failure::new(Code::Conflict, message));
        }
        file.set_len(progress.bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { output: file, cursor_file: Some(cursor_file), progress })
    }

    /// How far the export has come.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Appends a page, and notes where the next one begins.
    pub(super) fn append(&mut self, page: &[u8], next: &str) -> Result<(), Failure> {
        self.output.write_all(page)?;
        self.output.sync_data()?;
        self.progress.bytes += page.len() as u64;
        self.progress.cursor = Some(next.to_owned());
        match &self.cursor_file {
            None => Ok(()),
            Some(cursor_file) => Ok(note(cursor_file, &self.progress)?),
        }
    }
}

fn noted(cursor_file: &Path) -> anyhow::Result<Option<Progress>> {
    let shown = cursor_file.display();
    match std::fs::read_to_string(cursor_file) {
        Ok(text) => serde_json::from_str(&text).map(Some).with_context(|| format!("{shown} is no cursor file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
    }
}

fn note(cursor_file: &Path, progress: &Progress) -> anyhow::Result<()> {
    private_file::replace(cursor_file, &serde_json::to_string(progress).context("cannot write the cursor")?)
}

/// Makes the file's name survive a power cut.
fn sync_folder(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync {}", folder.display()))
}

fn said(progress: &Progress) -> String {
    let whose = progress.tenant.as_deref().unwrap_or("all tenants");
    format!("{} as {}", whose, progress.format)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn start() -> Progress {
        Progress::start(Some("acme".to_owned()), "jsonl")
    }

    #[test]
    fn a_crash_between_the_two_doubles_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (output, cursor) = (dir.path().join("rows"), dir.path().join("cursor"));
        let open = || Destination::open(&output, Some(cursor.clone()), start());
        let mut first = open().unwrap();
        first.append(b"one\n", "a").unwrap();
        assert!(open().is_err(), "one at a time");
        drop(first);
        // Written, perhaps in part, and not noted.
        fs::OpenOptions::new().append(true).open(&output).unwrap().write_all(b"two\nthr").unwrap();
        let mut again = open().unwrap();
        assert_eq!(again.progress(), &Progress { bytes: 4, cursor: Some("a".to_owned()), ..start() });
        again.append(b"two\n", "b").unwrap();
        drop(again);
        assert_eq!(fs::read_to_string(&output).unwrap(), "one\ntwo\n");
        assert_eq!(open().unwrap().progress().cursor.as_deref(), Some("b"));
    }

    #[test]
    fn a_crash_before_the_first_page_is_noted_doubles_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (output, cursor) = (dir.path().join("rows"), dir.path().join("cursor"));
        drop(Destination::open(&output, Some(cursor.clone()), start()).unwrap());
        fs::write(&output, "one\n").unwrap();
        drop(Destination::open(&output, Some(cursor), start()).unwrap());
        assert_eq!(fs::read_to_string(&output).unwrap(), "");
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (output, cursor) = (dir.path().join("rows"), dir.path().join("cursor"));
        let open = |start| Destination::open(&output, Some(cursor.clone()), start).map(drop);
        fs::write(&output, "somebody's").unwrap();
        assert!(open(start()).unwrap_err().to_string().contains("double"));
        assert!(Destination::open(&output, None, start()).is_err(), "without a cursor only into a new file");
        fs::remove_file(&output).unwrap();
        Destination::open(&output, Some(cursor.clone()), start()).unwrap().append(b"one\n", "a").unwrap();
        for other in [Progress::start(None, "jsonl"), Progress::start(Some("acme".to_owned()), "csv")] {
            assert!(open(other).unwrap_err().to_string().contains("acme as jsonl"));
        }
        fs::write(&output, "on").unwrap();
        assert!(open(start()).unwrap_err().to_string().contains("2 bytes"));
        assert_eq!(fs::read_to_string(&output).unwrap(), "on", "and left as it was");
    }
}
