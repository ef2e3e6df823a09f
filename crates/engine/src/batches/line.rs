//! One line of a batch, in a call of its own.

use bytes::Bytes;
use insula_model::Error;
use insula_store::LineRow;

use super::{
    lines::{Line, parse},
    output::Outcome,
    sender::{Body, Came, Parcel, Sender},
};

/// Sends a line until it is done; `None` where the batch stopped before.
pub(super) async fn perform(sender: &Sender, line: &Line) -> Option<LineRow> {
    // It was right when the batch began.
    let parsed = parse(line, sender.operation).ok().and_then(|request| {
        let body = Bytes::copy_from_slice(request.body?.get().as_bytes());
        Some((request.custom_id.into_owned(), body))
    });
    let (custom_id, came) = match parsed {
        Some((custom_id, body)) => {
            let parcel = Parcel { name: line.number.to_string(), body: Body::Line(body) };
            (custom_id, sender.until_done(&parcel).await?)
        }
        None => {
            let error = Error::internal("a line of a batch was right and is not any more");
            (String::new(), Came::Refusal(sender.request_id(), error))
        }
    };
    let outcome = match came {
        Came::Answer(request, body) => Outcome { request, status: 200, body },
        Came::Refusal(request, error) => sender.refused(request, &error),
    };
    Some(sender.row(line.number, outcome.request, &custom_id, &outcome))
}
