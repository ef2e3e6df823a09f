//! The process that reads one document for the one that started it; [`crate::wire::reader`] is the other end.

use std::io;

use insula_ingest::child;

use crate::cli::exit::Failure;

/// Reads one document and ends.
pub fn serve() -> Result<(), Failure> {
    Ok(child::serve(io::stdin().lock(), io::stdout().lock())?)
}
