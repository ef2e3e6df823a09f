//! A batch's file, line by line: one chunk and one line of it in memory at a time.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use insula_model::{Operation, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::detail::Finding;
use crate::files::FileReader;

/// A file's lines; blank ones are passed over, but counted.
pub(super) struct Lines {
    reader: FileReader,
    read: BytesMut,
    /// Up to here `read` holds no end of a line.
    searched: usize,
    number: u64,
    line_bytes_max: usize,
    is_over: bool,
}

/// One line.
pub(super) struct Line {
    /// From 0; people count from 1.
    pub number: u64,
    /// What it says; `None` where it is longer than a line may be, and then none follows.
    pub text: Option<Bytes>,
}

impl Lines {
    pub fn new(reader: FileReader, line_bytes_max: usize) -> Self {
        Self { reader, read: BytesMut::new(), searched: 0, number: 0, line_bytes_max, is_over: false }
    }

    /// The next line; `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Line>> {
        loop {
            let Some(line) = self.any().await? else { return Ok(None) };
            if line.text.as_ref().is_none_or(|text| !text.trim_ascii().is_empty()) {
                return Ok(Some(line));
            }
        }
    }

    async fn any(&mut self) -> Result<Option<Line>> {
        loop {
            if let Some(at) = self.read[self.searched..].iter().position(|byte| *byte == b'\n') {
                let mut text = self.read.split_to(self.searched + at + 1);
                text.truncate(text.len() - 1);
                self.searched = 0;
                return Ok(Some(self.line(text.freeze())));
            }
            self.searched = self.read.len();
            if self.is_over || self.searched > self.line_bytes_max {
                let text = self.read.split().freeze();
                self.searched = 0;
                return Ok((!text.is_empty()).then(|| self.line(text)));
            }
            match self.reader.next().await? {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None => self.is_over = true,
            }
        }
    }

    fn line(&mut self, text: Bytes) -> Line {
        let number = self.number;
        self.number += 1;
        let fits = text.len() <= self.line_bytes_max;
        if !fits {
            (self.is_over, self.read) = (true, BytesMut::new());
        }
        Line { number, text: fits.then_some(text) }
    }
}

/// What a line asks for.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub custom_id: Cow<'a, str>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub body: Option<&'a RawValue>,
}

/// Characters of a line's own id.
const CUSTOM_ID_CHARS_MAX: usize = 512;

/// The path of an operation, as batches and their lines name it.
pub fn endpoint(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "/v1/chat/completions",
        Operation::Embeddings => "/v1/embeddings",
        Operation::Moderations => "/v1/moderations",
    }
}

/// The operation of a path that batches can be for.
pub fn operation_of(path: &str) -> Option<Operation> {
    [Operation::Chat, Operation::Embeddings, Operation::Moderations].into_iter().find(|operation| endpoint(*operation) == path)
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(line: &Line, operation: Operation) -> Result<Request<'_>, Finding> {
    let wrong = |code, message: &str, param| Finding::at(line.number, code, message, param);
    let Some(text) = &line.text else {
        return Err(wrong("line_too_long", "the line is longer than a line may be", None));
    };
    let request: Request<'_> = serde_json::from_slice(text).map_err(|error| {
        let message = if error.is_data() {
            "the line is not an object with `custom_id`, `method`, `url` and `body`, each once"
        } else {
            "the line is not JSON"
        };
        wrong("invalid_json_line", message, None)
    })?;
    if request.custom_id.is_empty() || request.custom_id.chars().count() > CUSTOM_ID_CHARS_MAX {
        return Err(wrong("invalid_custom_id", "a `custom_id` has 1 to 512 characters", Some("custom_id")));
    }
    if request.method.as_deref() != Some("POST") {
        return Err(wrong("invalid_method", "`method` must be `POST`", Some("method")));
    }
    if request.url.as_deref() != Some(endpoint(operation)) {
        return Err(wrong("mismatched_url", "`url` must be the batch's endpoint", Some("url")));
    }
    match request.body {
        Some(body) if body.get().starts_with('{') => Ok(request),
        _ => Err(wrong("missing_required_parameter", "`body` must be an object", Some("body"))),
    }
}
