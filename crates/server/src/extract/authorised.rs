//! From a credential and a path to what the caller may work with.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use insula_engine::{
    directory::{
        Credential, Directory, LeavingCorpus, ManagedEndUser, ManagedKey, ManagedTenant, OperatedCorpus, OperatedTenant,
        Operator, RequestReader,
    },
    manage::webhooks::Owner,
};
use insula_model::{Error, Result};

use crate::{App, auth, errors::Failure};

/// What the caller may work with. Whoever holds one has nothing left to check.
///
/// Rejections come in one order: no valid credential 401, not this caller's or not there 404, not enough 403.
pub(crate) struct Authorised<T>(pub(crate) T);

/// What can be asked for.
pub(crate) trait Authorise: Sized {
    /// Decides by the credential and the path alone.
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self>;
}

impl<T: Authorise> FromRequestParts<App> for Authorised<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let credential = auth::credential(&app.engine, &parts.headers).await?;
        let path = PathTexts::from_request_parts(parts, app).await?;
        Ok(Self(T::authorise(&app.engine.directory, &credential, &path)?))
    }
}

/// The variable parts of a path, decoded.
pub(crate) struct PathTexts(Vec<(String, String)>);

impl FromRequestParts<App> for PathTexts {
    type Rejection = Failure;

    /// A part that does not decode names nothing: not found, like any other name that nothing has.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let found = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Error::not_found())?;
        Ok(Self(found.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()))
    }
}

impl PathTexts {
    /// The part that the route calls `name`.
    pub(crate) fn get(&self, name: &str) -> Result<&str> {
        self.find(name).ok_or_else(|| Error::internal(format!("the route has no part `{name}`")))
    }

    /// The same, where not every route has it.
    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

/// For the one operation whose body says which tenant it is about; the handler asks the directory for it.
impl Authorise for Credential {
    fn authorise(_: &Directory, credential: &Credential, _: &PathTexts) -> Result<Self> {
        Ok(credential.clone())
    }
}

impl Authorise for Operator {
    fn authorise(_: &Directory, credential: &Credential, _: &PathTexts) -> Result<Self> {
        credential.operator()
    }
}

impl Authorise for ManagedTenant {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        directory.managed(credential, path.get("tenant")?)
    }
}

impl Authorise for OperatedTenant {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        directory.operated(credential, path.get("tenant")?)
    }
}

impl Authorise for OperatedCorpus {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        directory.operated_corpus(credential, path.get("corpus")?)
    }
}

impl Authorise for LeavingCorpus {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        directory.leaving_corpus(credential, path.get("corpus")?)
    }
}

/// Two tenants side by side: no tenant has both.
impl Authorise for (OperatedTenant, OperatedTenant) {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        let one = directory.operated(credential, path.get("tenant")?)?;
        Ok((one, directory.operated(credential, path.get("other")?)?))
    }
}

impl Authorise for ManagedKey {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        let tenant = directory.managed(credential, path.get("tenant")?)?;
        directory.managed_key(tenant, path.get("key")?)
    }
}

impl Authorise for ManagedEndUser {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        let tenant = directory.managed(credential, path.get("tenant")?)?;
        directory.managed_end_user(tenant, path.get("end_user")?)
    }
}

impl Authorise for RequestReader {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        directory.reader(credential, path.get("request")?)
    }
}

/// Below a tenant it is that tenant, elsewhere the platform.
impl Authorise for Owner {
    fn authorise(directory: &Directory, credential: &Credential, path: &PathTexts) -> Result<Self> {
        match path.find("tenant") {
            Some(tenant) => directory.managed(credential, tenant).map(Self::from),
            None => credential.operator().map(Self::from),
        }
    }
}
