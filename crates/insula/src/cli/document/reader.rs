//! Both ends of the process that reads documents.

use std::io;

use anyhow::Context;
use insula_ingest::{
    Bounds,
    child::{self, Limits, Reader},
};

use crate::cli::exit::Failure;

/// The child: reads one document and ends.
pub fn serve() -> Result<(), Failure> {
    Ok(child::serve(io::stdin().lock(), io::stdout().lock())?)
}

/// The parent: reads documents in processes of this very program.
pub fn reader() -> Result<Reader, Failure> {
    let program = std::env::current_exe().context("where this program lies cannot be told")?;
    let arguments = ["document", "read"].map(Into::into).to_vec();
    // The allocator of this program takes a gigabyte in advance, which the kernel would count against the child.
    let environment = vec![("MIMALLOC_ARENA_EAGER_COMMIT".into(), "0".into())];
    Ok(Reader { program, arguments, environment, bounds: Bounds::default(), limits: Limits::default() })
}
