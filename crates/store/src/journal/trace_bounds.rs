//! Traces are as long as what people write; the journal's room is not.

use super::codec::{self, Kind};
use crate::records::{IdempotencyEntry, TraceRecord};

/// A trace takes at most this share of a segment.
const SEGMENT_SHARE: u64 = 4;

/// The longest model name in a trace that lost its content, bytes.
const MODEL_BYTES_MAX: usize = 256;

/// Encodes a trace if it is not too long for a segment; says whether it did.
pub(super) fn encode(buffer: &mut Vec<u8>, trace: &TraceRecord, segment_bytes: u64) -> bool {
    let start = buffer.len();
    // Looked at before it is copied: the two sealed parts are what can be long.
    let transcript = trace.idempotency.as_ref().and_then(|entry| entry.sealed_transcript.as_ref()).map_or(0, Vec::len);
    let fits = |bytes: usize| bytes as u64 <= segment_bytes / SEGMENT_SHARE;
    let encoded = fits(trace.sealed_detail.len() + transcript)
        && codec::encode(buffer, Kind::Trace, trace).is_ok()
        && fits(buffer.len() - start);
    if !encoded {
        buffer.truncate(start);
    }
    encoded
}

/// The same request without what was said in it: its row and its `Idempotency-Key` are kept, so that it is never
/// executed again.
pub(crate) fn without_content(trace: &TraceRecord) -> TraceRecord {
    let model_end = trace.model.floor_char_boundary(MODEL_BYTES_MAX);
    TraceRecord {
        model: trace.model[..model_end].to_owned(),
        sealed_detail: Vec::new(),
        idempotency: trace.idempotency.as_ref().map(|entry| IdempotencyEntry {
            mark: entry.mark,
            expires_at: entry.expires_at,
            sealed_transcript: None,
        }),
        ..*trace
    }
}
