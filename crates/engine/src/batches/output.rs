//! What the output says of a line, in OpenAI's shape.

use bytes::Bytes;
use insula_model::RequestId;
use serde::Serialize;
use serde_json::value::RawValue;

/// What a line came to.
pub(super) struct Outcome {
    /// The call that it was, or was a part of.
    pub request: RequestId,
    /// The status that the call had.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// A line of the output, in OpenAI's shape.
#[derive(Serialize)]
struct Output<'a> {
    id: String,
    custom_id: &'a str,
    response: Option<Response<'a>>,
    error: Option<OutputError<'a>>,
}

#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: String,
    body: &'a RawValue,
}

#[derive(Serialize)]
struct OutputError<'a> {
    code: &'a str,
    message: &'a str,
}

/// What the output says of a line that was answered, in one line; `id` is its own there. `None` where the answer is no JSON.
pub(super) fn answered(id: RequestId, custom_id: &str, outcome: &Outcome) -> Option<Vec<u8>> {
    let body: &RawValue = serde_json::from_slice(&outcome.body).ok()?;
    let response = Response { status_code: outcome.status, request_id: outcome.request.to_string(), body };
    let mut line = written(id, custom_id, Some(response), None);
    // In JSON a line can only end between two tokens.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    Some(line)
}

/// What the output says of a line that has no answer.
pub(super) fn unanswered(id: RequestId, custom_id: &str, code: &str, message: &str) -> Vec<u8> {
    written(id, custom_id, None, Some(OutputError { code, message }))
}

fn written(id: RequestId, custom_id: &str, response: Option<Response<'_>>, error: Option<OutputError<'_>>) -> Vec<u8> {
    let output = Output { id: format!("batch_req_{}", id.bare()), custom_id, response, error };
    // Texts, numbers and JSON always serialise.
    serde_json::to_vec(&output).unwrap_or_default()
}
