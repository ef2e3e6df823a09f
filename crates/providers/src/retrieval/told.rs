//! What an answer tells of the documents that were searched for it: Insula's own field `insula`, in every dialect.

use insula_model::chat::{Cited, Found, Grounding, Retrieval};
use serde_json::{Map, Value, json};

/// What was found, and how one answer holds to it; each where it is known by then. `choice` is told where there may be several.
pub(crate) fn told(retrieval: Option<&Retrieval>, grounding: Option<&Grounding>) -> Value {
    let mut told = Map::new();
    if let Some(retrieval) = retrieval {
        told.insert("sources".to_owned(), retrieval.found.iter().map(source).collect());
        if !retrieval.before.is_empty() {
            let before = retrieval.before.iter().map(|(corpus, document)| json!({"document": document, "corpus": corpus}));
            told.insert("before".to_owned(), before.collect());
        }
    }
    if let Some(Grounding { cited, dropped, repaired, calls_removed }) = grounding {
        told.insert("citations".to_owned(), cited.iter().map(citation).collect());
        told.insert("dropped".to_owned(), (*dropped).into());
        told.insert("repaired".to_owned(), (*repaired).into());
        told.insert("tool_calls_removed".to_owned(), (*calls_removed).into());
    }
    json!({"retrieval": told})
}

/// Several answers as one field: their citations one after the other, each with the number of its answer.
pub(crate) fn told_of_all<'g>(retrieval: Option<&Retrieval>, groundings: impl Iterator<Item = Option<&'g Grounding>>) -> Value {
    let (mut all, mut citations) = (Grounding::default(), Vec::new());
    for (choice, grounding) in groundings.enumerate() {
        let Some(grounding) = grounding else { continue };
        for cited in &grounding.cited {
            let mut citation = citation(cited);
            citation["choice"] = choice.into();
            citations.push(citation);
        }
        all.dropped += grounding.dropped;
        all.repaired += grounding.repaired;
        all.calls_removed += grounding.calls_removed;
    }
    let mut told = told(retrieval, Some(&all));
    told["retrieval"]["citations"] = citations.into();
    told
}

fn source(found: &Found) -> Value {
    json!({
        "number": found.number,
        "document": found.document,
        "file_id": found.file,
        "name": found.name,
        "corpus": found.corpus,
        "chunk": found.chunk,
        "score": found.score,
    })
}

fn citation(cited: &Cited) -> Value {
    json!({
        "number": cited.number,
        "document": cited.document,
        "file_id": cited.file,
        "name": cited.name,
        "corpus": cited.corpus,
        "quote": cited.quote,
        "start": cited.start,
        "end": cited.end,
        "at": cited.at,
    })
}
