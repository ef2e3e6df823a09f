//! Laws of translation, on the streams and requests of `golden/`.

use std::{fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use insula_model::chat::{Event, Request};

use super::{Asked, Dialect, Wire};
use crate::{
    ModelCard, PriceBook, SIMULATOR_PRICES,
    client::{Fault, Outgoing, Scrub},
    sse::Splitter,
};

fn golden(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", name].iter().collect();
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn asked(dialect: Dialect) -> Asked {
    Asked {
        dialect,
        stream: true,
        include_usage: true,
        model: "gold".to_owned(),
        id: "1".to_owned(),
        created: 1_760_000_000,
        request: Bytes::new(),
        editor: None,
    }
}

fn card() -> ModelCard {
    let book = PriceBook::parse(SIMULATOR_PRICES, "simulator").unwrap();
    ModelCard::clone(&book.entries[0].card)
}

/// What a stream says, read in pieces that end at these places.
fn decoded(wire: Wire, stream: &[u8], cuts: &[usize]) -> Vec<Event> {
    let (mut decoder, mut events) = (wire.decoder(Arc::new(Scrub::default())), Vec::new());
    let mut splitter = Splitter::new(1 << 20);
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        let read = Bytes::copy_from_slice(&stream[start..end]);
        splitter.feed(read, |event| decoder.event(&event, &mut events)).map_err(name).unwrap();
        start = end;
    }
    splitter.finish(|event| decoder.event(&event, &mut events)).and_then(|()| decoder.end(&mut events)).map_err(name).unwrap();
    events
}

fn name(fault: Fault) -> String {
    match fault {
        Fault::Error(error) => error.to_string(),
        Fault::TooLong => "too long".to_owned(),
    }
}

fn encoded(dialect: Dialect, events: &[Event]) -> Bytes {
    let (mut encoder, mut out) = (dialect.encoder(&asked(dialect)), Outgoing::default());
    events.iter().for_each(|event| encoder.event(event, &mut out));
    out.take().unwrap().bytes
}

#[test]
fn a_stream_that_is_written_anew_says_the_same() {
    for case in ["openai", "deepseek", "odd"] {
        let mut events = decoded(Wire::ChatCompletions, golden(&format!("{case}.stream.txt")).as_bytes(), &[]);
        // Where the provider does not say who answers, the caller reads what it asked for.
        if let Some(Event::Began { model: model @ None, .. }) = events.first_mut() {
            *model = Some("gold".to_owned());
        }
        assert_eq!(events.last(), Some(&Event::Ended), "{case}");
        let again = decoded(Wire::ChatCompletions, &encoded(Dialect::ChatCompletions, &events), &[]);
        assert_eq!(again, events, "{case}");
    }
}

#[test]
fn where_a_stream_is_cut_does_not_matter() {
    let stream = golden("deepseek.stream.txt");
    let whole = decoded(Wire::ChatCompletions, stream.as_bytes(), &[]);
    for cut in 1..stream.len() {
        assert_eq!(decoded(Wire::ChatCompletions, stream.as_bytes(), &[cut]), whole, "cut at {cut}");
    }
}

#[test]
fn a_request_that_is_written_anew_asks_the_same() {
    for case in ["plain", "tools", "stream", "reasoning"] {
        let read = |body: &str| Dialect::ChatCompletions.read(body).unwrap();
        let request = read(&golden(&format!("{case}.request.json")));
        let written = Wire::ChatCompletions.write(&request, &card()).unwrap();
        // Only models that reason are told an effort.
        let request = Request { reasoning: None, ..request };
        assert_eq!(read(std::str::from_utf8(&written).unwrap()), request, "{case}");
    }
}
