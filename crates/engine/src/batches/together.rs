//! Lines that are sent together.
//!
//! A call of several lines is named by their numbers, so whoever goes on after a crash asks for it under the same key and gets the answer
//! that was kept. What the provider refuses is halved until only the line at fault is refused; so is what is too much at once
//! for a budget or a limit on pace. Lines whose provider keeps failing when they come together are sent alone.

use std::sync::Arc;

use insula_model::{Error, ErrorKind, Operation};
use insula_providers::{EmbeddingsRequest, Joined};
use insula_store::LineRow;
use sha2::{Digest, Sha256};

use super::{
    line,
    lines::{Line, parse},
    output::Outcome,
    sender::{Body, Came, LEFT_TO_OTHERS, Parcel, Sender, may_hold_for_some},
};

/// How often the lines of one call are halved; after that they go one by one. So `n` lines make at most `n` calls and this many.
const HALVINGS_MAX: u32 = 32;
/// Bytes of prose that make a token, on average; as pace limits count.
const BYTES_PER_TOKEN: u64 = 4;
/// Bytes of the key that the numbers of lines are told apart by.
const NAME_BYTES: usize = 16;

/// What came of several lines in one call.
enum Together {
    /// They are done.
    Done(Vec<LineRow>),
    /// Fewer of them may fare better.
    Halve,
    /// Each is better off alone.
    Part,
}

/// Sends lines until all are done; where the batch stopped before, those that are.
pub(super) async fn perform(sender: Arc<Sender>, lines: Vec<Line>) -> Vec<LineRow> {
    let (mut rows, mut halvings_left) = (Vec::with_capacity(lines.len()), HALVINGS_MAX);
    // What is still to be sent, the first lines last.
    let mut left = vec![lines];
    while let Some(mut lines) = left.pop() {
        let came = match &*lines {
            [line] => line::perform(&sender, line).await.map(|row| Together::Done(vec![row])),
            _ if halvings_left == 0 => Some(Together::Part),
            lines => together(&sender, lines).await,
        };
        match came {
            None => break,
            Some(Together::Done(done)) => rows.extend(done),
            Some(Together::Halve) => {
                halvings_left -= 1;
                let behind = lines.split_off(lines.len().div_ceil(2));
                left.extend([behind, lines]);
            }
            Some(Together::Part) => left.extend(lines.into_iter().rev().map(|line| vec![line])),
        }
    }
    rows
}

/// Sends lines in one call; `None` where the batch stopped before.
async fn together(sender: &Sender, lines: &[Line]) -> Option<Together> {
    let requests: Option<Vec<_>> = lines.iter().map(request).collect();
    let Some(joined) = requests.and_then(|requests| Joined::join(&requests).ok()) else { return Some(Together::Part) };
    // More than there is in a minute would count as that much: lines that go together must not get around their pace.
    let share = sender.tokens_per_minute().map(|tokens| u64::from(tokens / LEFT_TO_OTHERS));
    if share.is_some_and(|tokens| joined.request().raw().len() as u64 / BYTES_PER_TOKEN > tokens) {
        return Some(Together::Halve);
    }
    let parcel = Parcel { name: name(lines), body: Body::Joined(Box::new(joined.request().clone())) };
    match sender.until_done(&parcel).await? {
        Came::Answer(request, body) => match joined.split(&body) {
            Ok(bodies) => {
                let outcomes = bodies.into_iter().map(|body| Outcome { request, status: 200, body });
                Some(Together::Done(lines.iter().zip(outcomes).map(|(line, outcome)| row(sender, line, &outcome)).collect()))
            }
            // It was checked before it was kept, so this is our own mistake; nobody pays for it with a wrong vector.
            Err(error) => {
                tracing::error!(request = %request, %error, "the answer to several lines cannot be split");
                Some(Together::Part)
            }
        },
        Came::Refusal(_, error) if may_hold_for_some(&error) => Some(Together::Halve),
        Came::Refusal(_, error) if is_of_provider(&error) => Some(Together::Part),
        Came::Refusal(request, error) => {
            let outcome = sender.refused(request, &error);
            Some(Together::Done(lines.iter().map(|line| row(sender, line, &outcome)).collect()))
        }
    }
}

/// Whether the provider failed at it, however often it was asked.
fn is_of_provider(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProviderFailed | ErrorKind::ProviderTimeout)
}

/// Each line has an id of its own in the output; the call that it was a part of is named beside it.
fn row(sender: &Sender, line: &Line, outcome: &Outcome) -> LineRow {
    let custom_id = parse(line, sender.operation).map(|request| request.custom_id.into_owned()).unwrap_or_default();
    sender.row(line.number, sender.request_id(), &custom_id, outcome)
}

/// What a line asks to be embedded, where that can be read.
pub(super) fn request(line: &Line) -> Option<EmbeddingsRequest> {
    let body = parse(line, Operation::Embeddings).ok()?.body?;
    EmbeddingsRequest::parse(line.text.as_ref()?.slice_ref(body.get().as_bytes())).ok()
}

/// Lines in one call, by their numbers.
fn name(lines: &[Line]) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.number.to_be_bytes());
    }
    let hash = hash.finalize();
    let first = lines.first().map_or(0, |line| line.number);
    let digits: String = hash.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{first}+{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: &[u64]) -> Vec<Line> {
        numbers.iter().map(|number| Line { number: *number, text: None }).collect()
    }

    #[test]
    fn a_call_is_named_by_its_lines() {
        assert_eq!(name(&lines(&[3, 4, 9])), name(&lines(&[3, 4, 9])));
        for other in [&[3, 4][..], &[3, 4, 8], &[4, 9], &[3, 4, 9, 10], &[3]] {
            assert_ne!(name(&lines(&[3, 4, 9])), name(&lines(other)), "{other:?}");
        }
        // No line's own name, and none of a caller's.
        assert!(name(&lines(&[7])).starts_with("7+"));
    }
}
