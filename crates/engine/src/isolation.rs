//! How a tenant's requests are kept apart from others' at the providers.

use hmac::{Hmac, Mac};
use insula_model::{ProviderIsolation, TenantId};
use insula_providers::{CacheIsolation, Provider, Route, Salt};
use sha2::Sha256;

use crate::{
    Call, Engine,
    directory::{TenantCredential, keyed},
    trace::Trace,
    work::Work,
};

/// Makes the salt of each tenant: the same on every node and in every run, and nobody can tell from it whose it is.
pub(crate) struct Salts(Hmac<Sha256>);

impl Salts {
    /// From this platform secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(keyed(secret))
    }

    /// A tenant's.
    pub fn of(&self, tenant: TenantId) -> Salt {
        let mut mac = self.0.clone();
        mac.update(tenant.as_bytes());
        let secret: [u8; 32] = mac.finalize().into_bytes().into();
        Salt::new(keyed(&secret))
    }
}

/// How this provider is told whose cached prompts may be used: in its own way, else by a salted line where the tenant has chosen that.
pub(crate) fn of(credential: &TenantCredential, provider: &Provider) -> CacheIsolation {
    let is_prefixed = credential.tenant.limits.provider_isolation == Some(ProviderIsolation::Prefixed);
    match provider.cache_isolation() {
        CacheIsolation::None if is_prefixed => CacheIsolation::Prefix,
        isolation => isolation,
    }
}

/// What that can add to the input of a chat, in tokens.
pub(crate) fn tokens_max(isolation: CacheIsolation) -> u64 {
    if isolation == CacheIsolation::Prefix { Salt::PREFIX_TOKENS_MAX } else { 0 }
}

/// Notes on the trace what the line costs at most, where one is sent.
pub(crate) fn note(engine: &Engine, call: &Call, work: &Work, route: &Route, trace: &mut Trace) {
    let tokens = work.isolation_tokens_max(of(&call.credential, &route.provider));
    if tokens > 0 {
        let reason = format!("a salted line before the prompt: at most {tokens} tokens");
        trace.note(engine, "isolation", engine.clock.elapsed(), "ok", Some(reason.into()));
    }
}
