//! A model of a provider's. It is asked through the pipeline, as any caller's request is: paced, routed, held in the budgets of
//! whose texts they are, queued, and in the ledger with the cause `embedding`. Nothing of the texts stays in the trace.

use std::collections::BTreeMap;

use bytes::Bytes;
use insula_model::{Cause, Error, ErrorKind, Operation, Result, Subject};
use insula_providers::{EmbeddingsRequest, Viewer};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use super::{Embedder, Embedding, Errand, Room, Side, identity_of_model};
use crate::{
    Answer, CacheControl, Call,
    accounts::{Ask, OutputAsk},
    batches::{self, LEFT_TO_OTHERS, wait_for_room},
    work::Work,
};

/// Bytes of prose that make a token, on average; as pace limits count.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens of a short text: where a budget has no room for so many, there is no prospect.
const A_LITTLE: u64 = 64;

/// A provider's model.
pub(super) struct Remote {
    /// As it is asked for.
    model: String,
    identity: String,
    dimensions: Option<u32>,
}

impl Remote {
    /// The `model` that goes by this `name` of its own, asked for so many dimensions where any are named.
    pub fn new(model: String, name: &str, dimensions: Option<u32>) -> Self {
        Self { model, identity: identity_of_model(name, dimensions), dimensions }
    }

    fn body(&self, texts: &[String]) -> Bytes {
        let mut body = Map::from_iter([("model".to_owned(), json!(self.model)), ("input".to_owned(), json!(texts))]);
        if let Some(dimensions) = self.dimensions {
            body.insert("dimensions".to_owned(), json!(dimensions));
        }
        Value::Object(body).to_string().into()
    }
}

impl Embedder for Remote {
    fn name(&self) -> &str {
        &self.identity
    }

    fn dimension(&self) -> Option<u32> {
        self.dimensions
    }

    fn is_paid(&self) -> bool {
        true
    }

    fn is_dear(&self) -> bool {
        true
    }

    fn may_ask(&self, errand: &Errand) -> bool {
        // Nobody pays for a corpus.
        let Some(credential) = &errand.credential else { return false };
        let (engine, tenant) = (&errand.engine, credential.scope.tenant());
        let now = engine.clock.now();
        let routes = engine.providers.candidates(&self.model, Operation::Embeddings, now, &Viewer::default());
        let Some(route) = routes.ok().and_then(|mut routes| routes.pop()) else { return true };
        let subjects = vec![Subject::Platform, Subject::Tenant(tenant)];
        let price = route.price_row.price;
        engine.accounts.could_fit(&Ask { tenant, subjects, input_tokens_max: A_LITTLE, output: OutputAsk::Fixed(0), price })
    }

    fn room(&self, errand: &Errand) -> Room {
        let one = Room { texts: 1, bytes: 0 };
        let Some(credential) = &errand.credential else { return one };
        let (engine, tenant) = (&errand.engine, &credential.tenant);
        // By any text of it: what there is room for is decided by the model and whoever serves it.
        let Ok(request) = EmbeddingsRequest::parse(self.body(&["a".to_owned()])) else { return one };
        let (texts, bytes) = batches::embedding_room(engine, tenant, &Work::Embeddings(Box::new(request)));
        // More than there is in a minute would count as that much: texts that go together must not get around their tenant's pace.
        let pace =
            tenant.limits.tokens_per_minute.map_or(u64::MAX, |tokens| u64::from(tokens / LEFT_TO_OTHERS) * BYTES_PER_TOKEN);
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Room { texts: whole(texts), bytes: whole(bytes.min(pace)) }
    }

    fn embed(&self, errand: &Errand, _side: Side, texts: Vec<String>) -> Embedding {
        let (errand, body, count, dimension) = (errand.clone(), self.body(&texts), texts.len(), self.dimensions);
        Box::pin(async move {
            let body = ask(&errand, EmbeddingsRequest::parse(body)?).await?;
            read(&body, count, dimension)
        })
    }
}

async fn ask(errand: &Errand, request: EmbeddingsRequest) -> Result<Bytes> {
    let Errand { engine, credential, end_user, is_background, not_before, .. } = errand;
    let Some(credential) = credential else { return Err(Error::internal("a provider is asked in nobody's name")) };
    let held = not_before.lock().filter(|_| *is_background);
    if let Some(until) = held {
        sleep_until(until).await;
    }
    let call = Call {
        request: engine.request_id(credential.tenant.request_tag),
        credential: credential.clone(),
        started_at: engine.clock.now(),
        started: engine.clock.elapsed(),
        idempotency_key: None,
        // What is kept of it is the vector, beside its text.
        cache: CacheControl { no_store: true, ..CacheControl::default() },
        tags: BTreeMap::new(),
        end_user: end_user.clone(),
        complexity: None,
        cause: Cause::Embedding,
        is_background: *is_background,
        status_of: engine.knowledge.status_of(),
    };
    match engine.embeddings(call, request).await? {
        Answer::Json { body, rates, .. } => {
            *not_before.lock() = Some(Instant::now() + wait_for_room(&rates));
            Ok(body)
        }
        Answer::Cached { transcript, .. } | Answer::Replay(transcript) => Ok(transcript.body.clone()),
        Answer::Stream { .. } => Err(Error::internal("embeddings were answered with a stream")),
    }
}

#[derive(Deserialize)]
struct Said {
    data: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    index: usize,
    embedding: Vec<f32>,
}

/// The vectors of an answer, in the order of their texts. One that is missing, twice or of another length than the others would be
/// somebody else's: then it is no answer.
fn read(body: &[u8], count: usize, dimension: Option<u32>) -> Result<Vec<Vec<f32>>> {
    let wrong = |what: String| Error::new(ErrorKind::ProviderFailed, format!("the embedder's answer cannot be used: {what}"));
    let said: Said =
        serde_json::from_slice(body).map_err(|error| wrong("it is not of the right form".to_owned()).caused_by(error))?;
    let mut placed = vec![None; count];
    for Vector { index, embedding } in said.data {
        match placed.get_mut(index) {
            Some(place @ None) => *place = Some(embedding),
            _ => return Err(wrong(format!("{index} belongs to no text, or to one that has its own"))),
        }
    }
    let vectors: Vec<Vec<f32>> = placed.into_iter().flatten().collect();
    let length = dimension.map_or_else(|| vectors.first().map_or(0, Vec::len), |dimension| dimension as usize);
    if vectors.len() != count || length == 0 || vectors.iter().any(|vector| vector.len() != length) {
        return Err(wrong(format!("{count} vectors of one length are wanted")));
    }
    vectors.into_iter().map(|vector| of_length_one(vector).ok_or_else(|| wrong("a number is none".to_owned()))).collect()
}

/// The same direction; `None` where there is none to tell. One of zeros stays what it is.
fn of_length_one(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() {
        return None;
    }
    if length > 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "rounding to the vector's own precision is meant")]
        vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
    }
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_in_the_order_of_their_texts_and_of_length_one() {
        let body = br#"{"data":[{"index":1,"embedding":[0,2]},{"index":0,"embedding":[3,4]},{"index":2,"embedding":[0,0]}],"usage":{}}"#;
        assert_eq!(read(body, 3, None).unwrap(), [[0.6, 0.8], [0.0, 1.0], [0.0, 0.0]]);
        assert!(read(body, 3, Some(2)).is_ok());
    }

    #[test]
    fn an_answer_that_may_belong_to_others_is_none() {
        let refused = |data: &str, count, dimension| {
            let error = read(format!(r#"{{"data":[{data}]}}"#).as_bytes(), count, dimension).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::ProviderFailed, "{data}");
        };
        let one = r#"{"index":0,"embedding":[1,0]}"#;
        refused(one, 2, None);
        refused(&format!("{one},{one}"), 2, None);
        refused(&format!(r#"{one},{{"index":2,"embedding":[1,0]}}"#), 2, None);
        refused(&format!(r#"{one},{{"index":1,"embedding":[1]}}"#), 2, None);
        refused(one, 1, Some(3));
        refused(r#"{"index":0,"embedding":[]}"#, 1, None);
        refused(r#"{"index":0,"embedding":[1e39,0]}"#, 1, None);
        refused(r#"{"index":0,"embedding":"AAAA"}"#, 1, None);
    }

    #[test]
    fn dimensions_are_part_of_what_a_model_is() {
        assert_eq!(Remote::new("openai/small".into(), "small", Some(256)).name(), "small@256");
        assert_eq!(Remote::new("small".into(), "small", None).name(), "small");
    }
}
