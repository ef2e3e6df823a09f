//! What is removed, or whose time has come, goes document by document, however often that is interrupted.

use std::sync::Arc;

use insula_model::{Result, VectorStoreId};
use insula_store::Run;

use super::{
    super::{documents::taken_away, settling},
    files::gone_is_gone,
};
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
        let documents = store.documents_of_store(id, AT_ONCE).await?;
        if !documents.is_empty() {
            let removing = async {
                for document in documents {
                    match watch.stop() {
                        None => gone_is_gone(taken_away(&engine, &scope, &store, document).await)?,
                        Some(Stop::Lost) => return Ok(Some(Laid::Lost)),
                        Some(_) => return Ok(Some(Laid::Until(engine.clock.now()))),
                    }
                }
                Ok(None)
            };
            if let Some(laid) = settling::changing(&engine, run.tenant, removing).await? {
                return Ok(laid);
            }
        }
        if store.clear_vector_store(id).await? {
            tracing::info!(vector_store = %id, tenant = %run.tenant, "a vector store is empty");
            return Ok(Laid::Over);
        }
    }
}
