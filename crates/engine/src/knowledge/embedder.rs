//! Which embedder is chosen for a tenant, which one serves, and how far the change is from the one to the other.

use insula_model::{EmbeddingWait, Error, Result, TenantScope};

use crate::{Engine, directory::TenantEntry};

/// Names that are listed to whoever chooses one that is not there.
const NAMES_MAX: usize = 20;

/// How it stands with a tenant's embedder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedderView {
    /// The name of the one that is chosen.
    pub chosen: String,
    /// What searches look into; absent while nothing was embedded.
    pub serving: Option<SpaceView>,
    /// What is to take its place; absent where nothing is.
    pub next: Option<NextView>,
}

/// What makes vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceView {
    /// What tells them from others.
    pub embedder: String,
    /// Numbers of each.
    pub dimension: u32,
}

/// A change that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextView {
    /// What makes the new vectors; absent while it is not there.
    pub embedder: Option<String>,
    /// Chunks that have theirs.
    pub chunks_done: u64,
    /// All chunks.
    pub chunks_total: u64,
    /// What the others wait for.
    pub waiting: Option<EmbeddingWait>,
}

/// How it stands with a tenant's embedder now.
///
/// # Errors
/// When the tenant's own data cannot be reached.
pub async fn view(engine: &Engine, scope: &TenantScope, tenant: &TenantEntry) -> Result<EmbedderView> {
    let store = engine.store.tenant(scope).await?;
    let chosen = engine.chosen_embedder(tenant.record.id).map(|embedder| embedder.name().to_owned());
    let mut view = EmbedderView { chosen: engine.chosen_embedder_name(tenant).to_owned(), serving: None, next: None };
    let Some(spaces) = store.known_spaces().await? else { return Ok(view) };
    if chosen.as_ref() != Some(&spaces.serving.embedder) {
        let next = spaces.next.filter(|next| Some(&next.embedder) == chosen.as_ref());
        let filling = store.filling(next.map_or(0, |next| next.space)).await?;
        let waiting = filling.waiting.or_else(|| chosen.is_none().then_some(EmbeddingWait::Embedder));
        view.next = Some(NextView { embedder: chosen, chunks_done: filling.done, chunks_total: filling.total, waiting });
    }
    view.serving = Some(SpaceView { embedder: spaces.serving.embedder, dimension: spaces.serving.dimension });
    Ok(view)
}

/// Has it looked at once whether a tenant's documents are to be embedded anew: another embedder may have been chosen.
///
/// # Errors
/// When storage cannot be written.
pub async fn choose(engine: &Engine, scope: &TenantScope) -> Result<()> {
    engine.embed_anew(scope.tenant()).await
}

/// Refuses the name of an embedder that is not there.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`], with some that are.
pub fn check(engine: &Engine, name: Option<&str>) -> Result<()> {
    let (Some(name), now) = (name, engine.clock.now()) else { return Ok(()) };
    if engine.knowledge.embedders.named(name, now).is_some() {
        return Ok(());
    }
    let names = engine.knowledge.embedders.names(now);
    let shown = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("there is no embedder of this name; there are: {shown}; others are configured as [[embedders]]");
    Err(Error::invalid(message).at("embedder"))
}
