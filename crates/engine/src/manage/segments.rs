//! Segments: named defaults of a group of tenants, whatever they pay. The operators' alone.

use std::sync::Arc;

use insula_model::{Defaults, Result, Segment, Tenant};

use super::{defaults, embedder};
use crate::{Engine, directory::Operator, knowledge::settling};

/// All segments, in order of their names.
pub fn list(engine: &Engine, _by: &Operator) -> Vec<Arc<Segment>> {
    engine.directory.segments()
}

/// The segment that a path names.
pub fn read(engine: &Engine, _by: &Operator, path: &str) -> Result<Arc<Segment>> {
    engine.directory.segment(&defaults::name(path)?)
}

/// Makes a segment or replaces it whole. Its tenants have what it says from the next request on.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] naming the field.
pub async fn replace(engine: &Engine, by: &Operator, path: &str, new: Defaults) -> Result<Arc<Segment>> {
    let name = defaults::new_name(path)?;
    defaults::check(&new)?;
    embedder::check(engine, new.embedder.as_deref())?;
    let segment = Segment { name, defaults: new, version: 1, created_at: engine.clock.now() };
    let before = engine.directory.segment(&segment.name).map(|segment| segment.defaults.vectors).unwrap_or_default();
    let is_concerned = |tenant: &Tenant| tenant.segment.as_ref() == Some(&segment.name) && before != segment.defaults.vectors;
    let put = engine.directory.put_segment(&segment, &engine.accounts);
    let segment = settling::moving(engine, is_concerned, put).await?;
    tracing::info!(segment = %segment.name, by = %by.key(), version = segment.version, "segment replaced");
    Ok(segment)
}

/// Removes a segment.
///
/// # Errors
/// [`insula_model::ErrorKind::Conflict`] while tenants are in it.
pub async fn remove(engine: &Engine, by: &Operator, path: &str) -> Result<()> {
    let name = defaults::name(path)?;
    engine.directory.remove_segment(&name).await?;
    tracing::info!(segment = %name, by = %by.key(), "segment removed");
    Ok(())
}
