//! Operator keys: create, list, revoke.

use insula_model::{Error, KeyId, Name, Result};
pub use insula_store::OperatorKey;

use crate::{
    Engine,
    directory::{KeyText, Operator},
};

/// All operator keys in order of creation, revoked ones included.
pub async fn list(engine: &Engine, _by: &Operator) -> Result<Vec<OperatorKey>> {
    let mut keys = engine.directory.operator_keys().await?;
    keys.sort_by_key(|key| key.id);
    Ok(keys)
}

/// Creates an operator key. Its text is in the answer and can never be read again.
pub async fn create(engine: &Engine, by: &Operator, name: Name) -> Result<(OperatorKey, KeyText)> {
    let (key, text) = engine.directory.make_operator_key(name).await?;
    tracing::info!(key = %key.id, by = %by.key(), "operator key created");
    Ok((key, text))
}

/// Revokes an operator key: the next request with it is refused, and so are tokens that it issued. Revoking it twice
/// changes nothing. The last one can be revoked too: a command on the machine itself needs none.
///
/// # Errors
/// [`insula_model::ErrorKind::NotFound`] when there is no such key.
pub async fn revoke(engine: &Engine, by: &Operator, id: &str) -> Result<()> {
    let id: KeyId = id.parse().map_err(|_| Error::not_found())?;
    let keys = engine.directory.operator_keys().await?;
    let key = keys.iter().find(|key| key.id == id).ok_or_else(Error::not_found)?;
    if key.revoked_at.is_none() {
        engine.directory.revoke_operator_key(id).await?;
        tracing::info!(key = %id, by = %by.key(), "operator key revoked");
    }
    Ok(())
}
