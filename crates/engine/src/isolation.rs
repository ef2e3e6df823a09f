//! How a tenant's requests are kept apart from others' at the providers.

use hashlink::LruCache;
use hmac::{Hmac, Mac};
use insula_model::{ProviderIsolation, TenantId};
use insula_providers::{CacheIsolation, Provider, Route, Salt, Tokenizer, Wire};
use parking_lot::Mutex;
use sha2::Sha256;

use crate::{
    Call, Engine,
    directory::{TenantCredential, keyed},
    trace::Trace,
    work::Work,
};

/// Of how many lines a node remembers how many tokens they have: one for each tenant, form and tokenizer.
const COUNTED_MAX: usize = 16_384;

/// Counts for models whose own tokenizer is not known here.
const STAND_IN: Tokenizer = Tokenizer::O200kBase;

/// Makes the salt of each tenant: the same on every node and in every run, and nobody can tell from it whose it is.
pub(crate) struct Salts {
    secret: Hmac<Sha256>,
    counted: Mutex<LruCache<(TenantId, Wire, Tokenizer), u64>>,
}

impl Salts {
    /// From this platform secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { secret: keyed(secret), counted: Mutex::new(LruCache::new(COUNTED_MAX)) }
    }

    /// A tenant's.
    pub fn of(&self, tenant: TenantId) -> Salt {
        let mut mac = self.secret.clone();
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

/// How many tokens the line adds to the input, where one is sent. Each is counted once; the very first builds the tokenizer, so ask
/// before anything is held.
pub(crate) async fn tokens(engine: &Engine, call: &Call, work: &Work, route: &Route) -> u64 {
    let tokens_max = work.isolation_tokens_max(of(&call.credential, &route.provider));
    if tokens_max == 0 {
        return 0;
    }
    let (tenant, wire) = (call.credential.scope.tenant(), route.provider.wire());
    let tokenizer = route.card.tokenizer.unwrap_or(STAND_IN);
    if let Some(tokens) = engine.salts.counted.lock().get(&(tenant, wire, tokenizer)) {
        return *tokens;
    }
    let salt = engine.salts.of(tenant);
    // A line: too short to need a place.
    let counted = tokio::task::spawn_blocking(move || salt.line_tokens(wire, tokenizer)).await;
    // Unknown is not zero.
    let Ok(tokens) = counted else { return tokens_max };
    engine.salts.counted.lock().insert((tenant, wire, tokenizer), tokens);
    tokens
}

/// Notes on the trace what the line adds, where one is sent.
pub(crate) fn note(engine: &Engine, tokens: u64, trace: &mut Trace) {
    if tokens > 0 {
        let reason = format!("a salted line before the prompt: {tokens} tokens");
        trace.note(engine, "isolation", engine.clock.elapsed(), "ok", Some(reason.into()));
    }
}
