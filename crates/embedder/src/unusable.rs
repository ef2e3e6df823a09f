//! Why a directory holds no model that can be used.

use std::path::{Path, PathBuf};

/// Names the file, and says what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct Unusable {
    /// The file, or the directory where it should be.
    pub file: PathBuf,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Unusable {
    pub(crate) fn new(file: &Path, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), reason: reason.into() }
    }
}
