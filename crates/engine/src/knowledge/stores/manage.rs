//! A store is made, changed and removed.

use std::{collections::BTreeMap, time::Duration};

use insula_model::{Error, ErrorKind, FileId, Result, RunKind, Timestamp, VectorStoreId};
use insula_store::{Slice, VectorStoreRow};

use super::{
    super::Chunking,
    files::{NewStoreFile, attach_all, checked},
    is_expired, may_change, no_such_store, there,
    view::{StoreDetail, StoreView},
};
use crate::{Engine, directory::TenantCredential};

/// Stores of one tenant.
const STORES_MAX: u64 = 1_000;
/// Days without use after which a store may expire.
const EXPIRES_DAYS_MAX: u32 = 365;
/// Characters of a name, and of what is said of a store.
const NAME_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 512;
/// Notes to a store, and the characters of their names and values.
const METADATA_MAX: usize = 16;
const METADATA_NAME_CHARS_MAX: usize = 64;
const METADATA_VALUE_CHARS_MAX: usize = 512;
/// Files that come with a new store.
const FILES_MAX: usize = 500;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a new store is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewStore {
    /// What it is called.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The tenant's notes.
    pub metadata: BTreeMap<String, String>,
    /// After how many days without use it expires.
    pub expires_days: Option<u32>,
    /// The files that it is made of.
    pub files: Vec<FileId>,
    /// How they are cut, where that is said.
    pub chunking: Option<Chunking>,
}

/// What is to change of a store. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What it is called.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The tenant's notes.
    pub metadata: Option<BTreeMap<String, String>>,
    /// After how many days without use it expires; never where there is nothing within.
    pub expires_days: Option<Option<u32>>,
}

/// Makes a store.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming what is wrong; [`ErrorKind::NotFound`] where the tenant has no such file; [`ErrorKind::TooLarge`] where
/// it has no room for the store or the files.
pub async fn create(engine: &Engine, credential: &TenantCredential, new: NewStore) -> Result<StoreView> {
    may_change(credential)?;
    if new.files.len() > FILES_MAX {
        let message = format!("a new vector store takes at most {FILES_MAX} files; add the others in batches");
        return Err(Error::invalid(message).at("file_ids"));
    }
    let detail = fitting(StoreDetail { name: new.name, description: new.description, metadata: new.metadata })?;
    let expires_days = new.expires_days.map(days).transpose()?;
    let scope = &credential.scope;
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    let chunking = new.chunking;
    let files = new.files.into_iter().map(|file| NewStoreFile { file, chunking, ..NewStoreFile::of(file) }).collect();
    let files = checked(engine, scope, files, "file_ids").await?;
    let (id, now) = (engine.ids.vector_store(), engine.clock.now());
    let row = VectorStoreRow {
        id,
        created_at: now,
        active_at: now,
        expires_days,
        expires_at: expires_days.map(|days| expiry(now, days)),
        sealed_detail: detail.seal(engine, &seals, id)?,
    };
    if row.expires_at.is_some() {
        // Noted before it is there: a run without a store is forgotten, a store without one would never be swept.
        engine.store.control().queue_run(RunKind::VectorStore, scope.tenant(), *id.as_bytes(), now).await?;
    }
    if !store.insert_vector_store(&row, STORES_MAX).await? {
        engine.store.control().forget_run(*id.as_bytes()).await?;
        let message = format!("this tenant has {STORES_MAX} vector stores, the most that it may have; delete some");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    if !files.is_empty()
        && let Err(refused) = attach_all(engine, scope, id, files, None).await
    {
        remove_of(engine, credential, id).await?;
        return Err(refused);
    }
    StoreView::of(row, &store, &seals, now).await
}

/// One store.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn find(engine: &Engine, credential: &TenantCredential, id: VectorStoreId) -> Result<StoreView> {
    let scope = &credential.scope;
    let (store, seals) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?);
    StoreView::of(there(&store, id).await?, &store, &seals, engine.clock.now()).await
}

/// Part of a tenant's list of stores, and whether it goes on.
pub async fn list(engine: &Engine, credential: &TenantCredential, slice: &Slice) -> Result<(Vec<StoreView>, bool)> {
    let scope = &credential.scope;
    let (store, seals, now) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?, engine.clock.now());
    let mut rows = store.vector_stores(&Slice { limit: slice.limit.saturating_add(1), ..*slice }).await?;
    let more = slice.cut(&mut rows);
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(StoreView::of(row, &store, &seals, now).await?);
    }
    Ok((views, more))
}

/// Changes a store.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id; [`ErrorKind::Invalid`], naming what is wrong.
pub async fn change(engine: &Engine, credential: &TenantCredential, id: VectorStoreId, change: Change) -> Result<StoreView> {
    may_change(credential)?;
    let scope = &credential.scope;
    let (store, seals, now) = (engine.store.tenant(scope).await?, engine.store.seals(scope).await?, engine.clock.now());
    let mut row = there(&store, id).await?;
    let mut detail = StoreDetail::open(&seals, id, &row.sealed_detail)?;
    detail.name = change.name.or(detail.name);
    detail.description = change.description.or(detail.description);
    detail.metadata = change.metadata.unwrap_or(detail.metadata);
    row.sealed_detail = fitting(detail)?.seal(engine, &seals, id)?;
    if let Some(expires_days) = change.expires_days {
        if is_expired(&row, now) {
            return Err(super::expired().at("expires_after"));
        }
        row.expires_days = expires_days.map(days).transpose()?;
        row.active_at = now;
        row.expires_at = row.expires_days.map(|days| expiry(now, days));
        // Whoever waited for the old time looks at the new one.
        engine.store.control().queue_run_again(RunKind::VectorStore, scope.tenant(), *id.as_bytes(), now).await?;
    }
    if !store.change_vector_store(&row).await? {
        return Err(no_such_store());
    }
    StoreView::of(row, &store, &seals, now).await
}

/// Removes a store with everything that was made of its files. From then on no search finds it; the files themselves stay.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none of this id.
pub async fn remove(engine: &Engine, credential: &TenantCredential, id: VectorStoreId) -> Result<()> {
    may_change(credential)?;
    there(&engine.store.tenant(&credential.scope).await?, id).await?;
    remove_of(engine, credential, id).await
}

async fn remove_of(engine: &Engine, credential: &TenantCredential, id: VectorStoreId) -> Result<()> {
    let scope = &credential.scope;
    // Noted before it is withdrawn, so that whatever happens in between it is emptied.
    engine.store.control().queue_run_again(RunKind::VectorStore, scope.tenant(), *id.as_bytes(), engine.clock.now()).await?;
    if !engine.store.tenant(scope).await?.withdraw_vector_store(id).await? {
        return Err(no_such_store());
    }
    // Once more: who was about to find nothing to do meanwhile has to look again.
    engine.store.control().queue_run_again(RunKind::VectorStore, scope.tenant(), *id.as_bytes(), engine.clock.now()).await?;
    engine.knowledge.wake();
    Ok(())
}

fn expiry(now: Timestamp, days: u32) -> Timestamp {
    now.plus(DAY * days)
}

fn days(days: u32) -> Result<u32> {
    if (1..=EXPIRES_DAYS_MAX).contains(&days) {
        return Ok(days);
    }
    Err(Error::invalid(format!("a vector store expires after 1 to {EXPIRES_DAYS_MAX} days")).at("expires_after.days"))
}

fn fitting(detail: StoreDetail) -> Result<StoreDetail> {
    for (text, most, at) in
        [(&detail.name, NAME_CHARS_MAX, "name"), (&detail.description, DESCRIPTION_CHARS_MAX, "description")]
    {
        if text.as_ref().is_some_and(|text| text.chars().count() > most) {
            return Err(Error::invalid(format!("`{at}` has at most {most} characters")).at(at));
        }
    }
    let fits = |(name, value): (&String, &String)| {
        name.chars().count() <= METADATA_NAME_CHARS_MAX && value.chars().count() <= METADATA_VALUE_CHARS_MAX
    };
    if detail.metadata.len() > METADATA_MAX || !detail.metadata.iter().all(fits) {
        let message = format!(
            "`metadata` takes at most {METADATA_MAX} notes, with names of up to {METADATA_NAME_CHARS_MAX} and values of up to \
             {METADATA_VALUE_CHARS_MAX} characters"
        );
        return Err(Error::invalid(message).at("metadata"));
    }
    Ok(detail)
}
