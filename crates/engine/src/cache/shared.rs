//! Answers that nodes share: sealed with their tenant's key before they leave this process.

use std::{sync::Arc, time::Duration};

use insula_model::TenantScope;
use insula_store::{AnswerKey, TenantSeals};

use super::{Kept, Made};
use crate::{Engine, Transcript};

const TABLE: &str = "answer_cache";
const COLUMN: &str = "answer";

/// The answer that some node keeps. One that does not open is none.
pub(super) async fn find(engine: &Engine, seals: &TenantSeals, key: &AnswerKey) -> Option<Arc<Kept>> {
    let sealed = engine.coordination.find_answer(key).await?;
    let read = seals.open(TABLE, COLUMN, key.as_bytes(), &sealed).and_then(|plain| {
        let read: Result<(Transcript, Made), _> = postcard::from_bytes(&plain);
        read.map_err(insula_model::Error::internal)
    });
    match read {
        Ok((transcript, made)) => Some(Arc::new(Kept { transcript: Arc::new(transcript), made, record: None })),
        Err(error) => {
            tracing::warn!(%error, "an answer that nodes share cannot be read");
            None
        }
    }
}

/// Keeps an answer for all nodes, behind the request, once its record is durable.
pub(super) fn keep(engine: &Arc<Engine>, scope: TenantScope, key: AnswerKey, ttl: Duration, kept: &Arc<Kept>) {
    if !engine.coordination.is_shared() {
        return;
    }
    // Without a runtime the process is stopping.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let (engine, kept) = (engine.clone(), kept.clone());
    runtime.spawn(async move {
        if let Some(record) = kept.record {
            engine.store.journal().synced(record).await;
        }
        // A tenant that is gone has no key to seal with.
        let Ok(seals) = engine.store.seals(&scope).await else { return };
        let Ok(plain) = postcard::to_stdvec(&(&*kept.transcript, &kept.made)) else { return };
        let sealed = seals.seal(TABLE, COLUMN, key.as_bytes(), &plain, &*engine.random);
        engine.coordination.keep_answer(&key, &sealed, ttl).await;
    });
}
