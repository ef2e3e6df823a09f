//! Where a question lies among what is searched: in the space of each place, made by whatever made that place's vectors.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use insula_model::{Error, ErrorKind, Result, TenantScope};
use insula_store::Space;

use super::{
    Ask,
    embed::{Errand, Side},
    shelves::Shelf,
};
use crate::Engine;

/// Vectors can be compared where embedder and length are the same.
type Key = (String, u32);

/// A question in each space that is searched.
#[derive(Debug, Default)]
pub(super) struct Questions(HashMap<Key, Option<Arc<[f32]>>>);

/// Where a question lies in a space.
pub(super) enum Place {
    /// There.
    At(Arc<[f32]>),
    /// Its embedder cannot be asked.
    Unknown,
    /// It was not embedded for this one: another space served when it was.
    Unasked,
    /// There is no space.
    Nowhere,
}

impl Questions {
    /// Where it lies in this space.
    pub fn place(&self, space: &Space) -> Place {
        match self.0.get(&key(space)) {
            Some(Some(vector)) => Place::At(Arc::clone(vector)),
            Some(None) => Place::Unknown,
            None => Place::Unasked,
        }
    }
}

/// Embeds a question once for each embedder whose vectors serve on these shelves, in the asking tenant's name. Before any snapshot is held:
/// whoever makes vectors may be slow, and writes to the tenant's data.
///
/// # Errors
/// Where the question has to be embedded at a cost: [`ErrorKind::BudgetExceeded`], and [`ErrorKind::RateLimited`] for the tenant's own pace. When
/// what is searched cannot be reached.
pub(super) async fn questions(engine: &Arc<Engine>, scope: &TenantScope, ask: &Ask, shelves: &[Shelf]) -> Result<Questions> {
    let mut questions = Questions::default();
    for shelf in shelves {
        let space = match shelf.reader.serving_space().await {
            Ok(space) => space,
            // A corpus that was erased a moment ago.
            Err(error) if *error.kind() == ErrorKind::NotFound && shelf.is_corpus() => None,
            Err(error) => return Err(error),
        };
        let Some(space) = space else { continue };
        if let Err(error) = engine.embed_anew_if_chosen(shelf.reader.home(), &space).await {
            // The next search asks again.
            tracing::warn!(%error, "it cannot be asked that documents are embedded anew");
        }
        if let Entry::Vacant(place) = questions.0.entry(key(&space)) {
            place.insert(embed(engine, scope, ask, &space).await?);
        }
    }
    Ok(questions)
}

fn key(space: &Space) -> Key {
    (space.embedder.clone(), space.dimension)
}

/// Where the question lies in a space; `None` where its embedder cannot be reached, or is not there any more.
async fn embed(engine: &Arc<Engine>, scope: &TenantScope, ask: &Ask, space: &Space) -> Result<Option<Arc<[f32]>>> {
    let Some(embedder) = engine.embedder_of(space) else {
        tracing::warn!(embedder = space.embedder, "the embedder of documents is not there; words are searched alone");
        return Ok(None);
    };
    let credential = match &ask.by {
        Some(credential) => credential.clone(),
        None => engine.directory.for_job(scope.tenant(), "search")?,
    };
    let errand = Errand::of_caller(engine, credential, ask.end_user.clone());
    match embedder.embed(&errand, Side::Query, vec![ask.query.clone()]).await {
        Ok(mut vectors) => Ok(vectors.pop().filter(|vector| vector.len() == space.dimension as usize).map(Arc::from)),
        Err(error) if is_of_embedder(&error) => {
            tracing::warn!(embedder = embedder.name(), %error, "a question cannot be embedded; words are searched alone");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether an error says that the embedder cannot be asked, and not that this caller may not.
fn is_of_embedder(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ProviderFailed
            | ErrorKind::ProviderTimeout
            | ErrorKind::ProviderRateLimited { .. }
            | ErrorKind::ProviderRejected(_)
            | ErrorKind::AnswerTooLarge
            | ErrorKind::Unavailable { .. }
            | ErrorKind::NoRoute
            | ErrorKind::ModelNotFound
            | ErrorKind::UnknownPrice
    )
}
