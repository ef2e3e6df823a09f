//! The child process that reads one document: what a program's hidden command does. The tests run it as such.

use std::io;

fn main() -> io::Result<()> {
    insula_ingest::child::serve(io::stdin().lock(), io::stdout().lock())
}
