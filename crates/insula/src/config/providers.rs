//! `[[providers]]`.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use super::{layers::Fault, section::section, value::choice};

choice! {
    /// Whose API a provider has.
    Kind("`openai`, `azure`, `anthropic` or `gemini`") {
        /// OpenAI's, which many speak.
        Openai,
        /// Azure OpenAI's v1 API.
        Azure,
        /// Anthropic's.
        Anthropic,
        /// Gemini's.
        Gemini,
    }
}

choice! {
    /// How a provider is told whose cached prompts may be used.
    Isolation("`prompt_cache_key`, `cache_salt`, `prefix` or `none`") {
        /// By a field of OpenAI's.
        #[serde(rename = "prompt_cache_key")]
        PromptCacheKey,
        /// By a field of vLLM's.
        #[serde(rename = "cache_salt")]
        CacheSalt,
        /// By a line before the prompt.
        Prefix,
        /// Not at all.
        None,
    }
}

/// A number that cannot be zero, from one that is not.
const fn from_one(number: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(number - 1)
}

section! {
    /// A model provider.
    Provider {
        /// Its name: what the price book, ledger and usage call it. 1 to 63 of a-z, 0-9 and hyphens.
        name: String = String::new();
        /// Whose API it has: `openai` also fits DeepSeek, vLLM, Ollama and other compatible servers; `azure` is OpenAI's v1 API at Azure, whose `base_url` ends in `/openai/v1`.
        kind: Kind = Kind::Openai;
        /// Where its API begins, such as `https://api.openai.com/v1`.
        base_url: String = String::new();
        /// The environment variable that holds its key, such as `OPENAI_API_KEY`.
        api_key_env: Option<String> = None;
        /// The file that holds its key, instead of `api_key_env`. Readable by its owner only.
        api_key_file: Option<PathBuf> = None;
        /// Whether tenants may bring keys of their own for it: a tenant that does is served by its own account there, and never by this key. Right only where the key decides who pays. Unset: where the entry has a key itself.
        tenant_credentials: Option<bool> = None;
        /// Where it processes what it is sent, such as `eu` or `eu-central-1`; an entry of the price file may say otherwise for its model. A tenant with a region is served only within it, so not at all by a provider without one.
        region: Option<String> = None;
        /// A header in which it is told each attempt's id.
        attempt_header: Option<String> = None;
        /// How it is told whose cached prompts may be used, so that no tenant learns by price or speed what another has sent: `prompt_cache_key` and `cache_salt` are fields of OpenAI's and vLLM's that hold a keyed hash, `prefix` is a salted line of at most 64 tokens before every prompt. Unset: `prompt_cache_key` at api.openai.com and Azure, else `none`, because other servers may refuse fields that they do not know.
        cache_isolation: Option<Isolation> = None;
        /// How long a connection may take, milliseconds.
        connect_ms_max: NonZeroU64 = from_one(5_000);
        /// How long the first byte of an answer may take, milliseconds.
        first_byte_ms_max: NonZeroU64 = from_one(120_000);
        /// How long a stream may be silent, milliseconds.
        idle_ms_max: NonZeroU64 = from_one(60_000);
        /// How long an answer may take as a whole, milliseconds.
        total_ms_max: NonZeroU64 = from_one(600_000);
        /// The largest answer that is read, bytes.
        response_bytes_max: NonZeroU64 = from_one(32 << 20);
        /// The largest single event of a stream, bytes.
        event_bytes_max: NonZeroUsize = NonZeroUsize::MIN.saturating_add((1 << 20) - 1);
        /// Idle connections that are kept open.
        connections_idle_max: usize = 256;
        /// Requests a second to each of its models, evenly spaced; several nodes divide it by how many are alive, as the next two. An entry of the price file may say otherwise for its model, by the same names.
        requests_per_second_max: Option<NonZeroU32> = None;
        /// Tokens a minute, input and output together, to each of its models.
        tokens_per_minute_max: Option<NonZeroU32> = None;
        /// Requests under way at once at each of its models. Within it fewer go while the provider is slow or fails; without it, only while the provider says that they are too many.
        concurrency_max: Option<NonZeroU32> = None;
    }
}

impl Provider {
    /// How it is told whose cached prompts may be used.
    pub fn cache_isolation(&self) -> Isolation {
        let is_openais = || self.base_url.parse().is_ok_and(|url: http::Uri| url.host() == Some("api.openai.com"));
        match self.cache_isolation {
            Some(isolation) => isolation,
            None if self.kind == Kind::Azure || self.kind == Kind::Openai && is_openais() => Isolation::PromptCacheKey,
            None => Isolation::None,
        }
    }

    /// Whether tenants may bring keys of their own: where nobody asks for a key any text would be one, and would serve for nothing.
    pub fn takes_tenant_credentials(&self) -> bool {
        self.tenant_credentials.unwrap_or(self.api_key_env.is_some() || self.api_key_file.is_some())
    }

    /// What cannot be about the entry at this position.
    pub(super) fn faults(&self, position: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut wrong = |key: &str, says: String, fix: &str| {
            faults.push(Fault { key: format!("providers.{position}.{key}"), says, fix: fix.to_owned() });
        };
        if !is_name(&self.name) {
            wrong("name", format!("is {:?}, which is no name", self.name), "1 to 63 of a-z, 0-9 and hyphens, such as `openai`");
        }
        if let Err(says) = check_url(&self.base_url) {
            wrong("base_url", says, "write it such as https://api.openai.com/v1; a key goes into api_key_env");
        }
        if let Some(region) = self.region.as_ref().filter(|region| !insula_providers::is_region(region)) {
            wrong(
                "region",
                format!("is {region:?}, which is no region"),
                "1 to 63 of a-z, 0-9 and hyphens, such as `eu-central-1`",
            );
        }
        if self.api_key_env.is_some() && self.api_key_file.is_some() {
            wrong("api_key_file", "stands beside api_key_env".into(), "keep one of the two");
        }
        if let Some(header) = &self.attempt_header
            && http::HeaderName::try_from(header).is_err()
        {
            wrong("attempt_header", format!("is {header:?}, which is no header name"), "write one such as x-insula-attempt");
        }
        faults
    }
}

/// 1 to 63 of a-z, 0-9 and inner hyphens.
pub(super) fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// An address without credentials, query or fragment. The text is not repeated: it may hold a secret.
fn check_url(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is missing".into());
    }
    let url: http::Uri = text.parse().map_err(|_| "is not an address".to_owned())?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err("does not begin with http:// or https://".into());
    }
    if url.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err("holds a user name or password".into());
    }
    if url.query().is_some() || text.contains('#') {
        return Err("has a query or a fragment".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_no_key_where_none_is_asked_for() {
        let with = |api_key_env: Option<&str>, tenant_credentials| {
            let api_key_env = api_key_env.map(str::to_owned);
            Provider { api_key_env, tenant_credentials, ..Provider::default() }.takes_tenant_credentials()
        };
        assert!(with(Some("KEY"), None) && with(None, Some(true)));
        assert!(!with(None, None) && !with(Some("KEY"), Some(false)));
    }
}
