//! What is removed, or whose time has come, goes document by document, however often that is interrupted.

use std::sync::Arc;

use insula_model::{Result, VectorStoreId};
use insula_store::Run;

use super::files::gone_is_gone;
use crate::{
    Engine,
    runs::{Laid, Perform, Stop, Watch},
};

/// Documents that are looked for at once.
const AT_ONCE: u32 = 64;

/// Empties stores.
pub(crate) fn perform() -> Perform {
    Arc::new(|engine, run, watch| Box::pin(empty(engine, run, watch)))
}

async fn empty(engine: Arc<Engine>, run: Run, watch: Watch) -> Result<Laid> {
    let scope = engine.directory.job_scope(run.tenant, "vector_store")?;
    let store = engine.store.tenant(&scope).await?;
    let (id, now) = (VectorStoreId::from_bytes(run.id), engine.clock.now());
    match store.is_withdrawn(id).await? {
        None => return Ok(Laid::without_row(&run, now)),
        Some(true) => {}
        Some(false) => match store.vector_store_expiry(id).await? {
            // It stays after all.
            None => return Ok(Laid::Over),
            Some(at) if at > now => return Ok(Laid::Until(at)),
            Some(_) => {}
        },
    }
    loop {
        for document in store.documents_of_store(id, AT_ONCE).await? {
            match watch.stop() {
                None => gone_is_gone(store.remove_document(document).await)?,
                Some(Stop::Lost) => return Ok(Laid::Lost),
                Some(_) => return Ok(Laid::Until(engine.clock.now())),
            }
        }
        if store.clear_vector_store(id).await? {
            tracing::info!(vector_store = %id, tenant = %run.tenant, "a vector store is empty");
            return Ok(Laid::Over);
        }
    }
}
