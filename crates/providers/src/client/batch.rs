//! What goes on to the client, put together with as few copies as can be.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

/// Whole, validated events, ready for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The events.
    pub bytes: Bytes,
    /// Whether one of them holds content.
    pub content: bool,
}

/// Events on their way into a batch. Those that came in one read and stay as they are go on as a slice of that read.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    run: Option<(Bytes, Range<usize>)>,
    joined: BytesMut,
    pub content: bool,
}

impl Outgoing {
    pub fn is_empty(&self) -> bool {
        self.run.is_none() && self.joined.is_empty()
    }

    pub fn len(&self) -> usize {
        self.joined.len() + self.run.as_ref().map_or(0, |(_, range)| range.len())
    }

    /// Passes on part of a read as it is.
    pub fn forward(&mut self, read: &Bytes, range: Range<usize>) {
        match &mut self.run {
            Some((run, before)) if before.end == range.start && run.as_ptr() == read.as_ptr() => before.end = range.end,
            _ => {
                self.join_run();
                self.run = Some((read.clone(), range));
            }
        }
    }

    /// Writes an event of that name, with JSON on one line as its data.
    pub fn event(&mut self, name: &str, data: &[u8]) {
        self.join_run();
        self.joined.extend_from_slice(b"event: ");
        self.joined.extend_from_slice(name.as_bytes());
        self.joined.extend_from_slice(b"\n");
        self.write([data, b""]);
    }

    /// Writes an event anew from pieces of its data, in one line.
    pub fn write(&mut self, pieces: [&[u8]; 2]) {
        self.join_run();
        self.joined.extend_from_slice(b"data: ");
        for piece in pieces {
            // JSON has line feeds only between its tokens, where a space does as well.
            self.joined.extend(piece.iter().map(|b| if *b == b'\n' { b' ' } else { *b }));
        }
        self.joined.extend_from_slice(b"\n\n");
    }

    /// Writes an event with this object as its data.
    pub fn json(&mut self, object: &impl Serialize) {
        self.join_run();
        self.joined.extend_from_slice(b"data: ");
        self.serialise(object);
        self.joined.extend_from_slice(b"\n\n");
    }

    /// Writes an event of that name with this object as its data. Behind its fields stand its name as its `type`, and its number where
    /// it has one.
    pub fn typed(&mut self, name: &'static str, object: &impl Serialize, number: Option<u64>) {
        self.join_run();
        for piece in ["event: ", name, "\ndata: "] {
            self.joined.extend_from_slice(piece.as_bytes());
        }
        self.serialise(object);
        // In place of the brace that ends it.
        self.joined.truncate(self.joined.len() - 1);
        let comma = if self.joined.ends_with(b"{") { "" } else { "," };
        for piece in [comma, "\"type\":\"", name, "\""] {
            self.joined.extend_from_slice(piece.as_bytes());
        }
        if let Some(number) = number {
            self.joined.extend_from_slice(b",\"sequence_number\":");
            self.joined.extend_from_slice(number.to_string().as_bytes());
        }
        self.joined.extend_from_slice(b"}\n\n");
    }

    fn serialise(&mut self, object: &impl Serialize) {
        // Texts, numbers and JSON always serialise, into memory, and on one line.
        let _ = serde_json::to_writer((&mut self.joined).writer(), object);
    }

    /// All that there is, if there is anything.
    pub fn take(&mut self) -> Option<Batch> {
        let content = std::mem::take(&mut self.content);
        if self.joined.is_empty() {
            let (read, range) = self.run.take()?;
            return Some(Batch { bytes: read.slice(range), content });
        }
        self.join_run();
        Some(Batch { bytes: self.joined.split().freeze(), content })
    }

    fn join_run(&mut self) {
        if let Some((read, range)) = self.run.take() {
            self.joined.extend_from_slice(&read[range]);
        }
    }
}
