//! A provider's settings, checked once and turned into what goes on the wire.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use insula_model::{Error, ProviderOrigin, Result};

use super::account::key_header;
use crate::{ProviderSettings, Vendor};

/// The version of Anthropic's API that is spoken here.
const ANTHROPIC_VERSION: &str = "2023-06-01";
const USER_AGENT: &str = concat!("insula/", env!("CARGO_PKG_VERSION"));
/// Headers that are not free for an attempt's id.
const TAKEN: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::ACCEPT,
    header::USER_AGENT,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::EXPECT,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("anthropic-version"),
];

/// Addresses and headers, ready to be cloned.
pub(super) struct Address {
    pub vendor: Vendor,
    base: String,
    /// Where chats go; for vendors that name the model in the address, any that is valid.
    chat: Uri,
    embeddings: Uri,
    /// Where moderations go; asked for only where [`Vendor::offers`] has them.
    pub moderations: Uri,
    pub json_headers: Headers,
    pub stream_headers: Headers,
    /// What keys for it are bound to.
    pub origin: Arc<ProviderOrigin>,
    pub attempt_header: Option<HeaderName>,
}

/// The headers of a request but for what is different each time.
pub(super) struct Headers {
    /// With the platform's key, where it has one.
    pub platform: HeaderMap,
    /// With no key.
    pub bare: HeaderMap,
}

impl Address {
    /// Its host.
    pub fn host(&self) -> &str {
        self.chat.host().unwrap_or_default()
    }

    /// Where a chat with this model goes.
    pub fn chat(&self, upstream_model: &str, stream: bool) -> Result<Uri> {
        match self.vendor {
            Vendor::OpenAi | Vendor::Azure | Vendor::Anthropic => Ok(self.chat.clone()),
            Vendor::Gemini => {
                self.of_model(upstream_model, if stream { "streamGenerateContent?alt=sse" } else { "generateContent" })
            }
        }
    }

    /// Where embeddings by this model go.
    pub fn embeddings(&self, upstream_model: &str) -> Result<Uri> {
        match self.vendor {
            Vendor::OpenAi | Vendor::Azure | Vendor::Anthropic => Ok(self.embeddings.clone()),
            Vendor::Gemini => self.of_model(upstream_model, "batchEmbedContents"),
        }
    }

    fn of_model(&self, upstream_model: &str, what: &str) -> Result<Uri> {
        let uri = format!("{}/models/{upstream_model}:{what}", self.base).parse();
        uri.map_err(|_| Error::internal("a model's name does not fit into an address"))
    }
}

/// Checks the settings; messages name the provider and the fix, never the key.
pub(super) fn address(settings: &ProviderSettings) -> Result<Address> {
    let name = &settings.name;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_plain) {
        return Err(Error::invalid(format!(
            "a provider's name has 1 to 64 letters, digits, `-`, `_` or `.`; `{name}` does not"
        )));
    }
    let wrong = |why: &str| Error::invalid(format!("the provider `{name}`: {why}"));
    let bad_url = || wrong("write `base_url` as http(s)://host[:port]/path, such as https://api.openai.com/v1");
    let base = settings.base_url.trim_end_matches('/');
    let at = |path: &str| format!("{base}{path}").parse::<Uri>().map_err(|_| bad_url());
    let chat = at(match settings.vendor {
        Vendor::OpenAi | Vendor::Azure => "/chat/completions",
        Vendor::Anthropic => "/messages",
        Vendor::Gemini => "/models",
    })?;
    let authority = chat.authority().ok_or_else(bad_url)?;
    let is_http = matches!(chat.scheme_str(), Some("http" | "https"));
    if !is_http || authority.as_str().contains('@') || base.contains(['?', '#']) {
        return Err(bad_url());
    }
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| bad_url())?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if settings.vendor == Vendor::Anthropic {
        headers.insert("anthropic-version", HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    let key = match &settings.api_key {
        Some(key) => Some(key_header(settings.vendor, key.reveal()).map_err(|error| wrong(error.message()))?),
        None => None,
    };
    let accepting = |what: &'static str| {
        let mut bare = headers.clone();
        bare.insert(header::ACCEPT, HeaderValue::from_static(what));
        let mut platform = bare.clone();
        platform.extend(key.clone());
        Headers { platform, bare }
    };
    let attempt_header = settings.attempt_header.as_deref().map(|header| match header.parse::<HeaderName>() {
        Ok(header) if !TAKEN.contains(&header) => Ok(header),
        _ => Err(wrong("`attempt_header` is not a free header name; try x-insula-attempt")),
    });
    Ok(Address {
        vendor: settings.vendor,
        base: base.to_owned(),
        embeddings: at("/embeddings")?,
        moderations: at("/moderations")?,
        origin: Arc::new(origin(settings.vendor, &chat)),
        chat,
        json_headers: accepting("application/json"),
        stream_headers: accepting("text/event-stream"),
        attempt_header: attempt_header.transpose()?,
    })
}

/// Scheme, host and port of an address, each written out, and whose API is spoken there.
fn origin(vendor: Vendor, address: &Uri) -> ProviderOrigin {
    let scheme = address.scheme_str().unwrap_or_default();
    let host = address.host().unwrap_or_default().to_ascii_lowercase();
    let port = address.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
    ProviderOrigin { kind: vendor.name().to_owned(), address: format!("{scheme}://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretText;

    #[test]
    fn addresses_are_checked() {
        for good in ["https://api.openai.com/v1", "http://127.0.0.1:8000/v1/", "http://vllm", "https://[::1]:1/a/b"] {
            assert!(address(&ProviderSettings::new("p", good)).is_ok(), "{good}");
        }
        for bad in ["", "api.openai.com/v1", "ftp://x/v1", "https://", "https://a b/v1", "https://u:p@x/v1", "https://x/v1?k=1"]
        {
            let error = address(&ProviderSettings::new("p", bad)).err().unwrap();
            assert!(error.message().contains("`p`: write `base_url`"), "{bad}: {error}");
        }
        let trimmed = address(&ProviderSettings::new("p", "https://x/v1//")).unwrap();
        assert_eq!(trimmed.chat, "https://x/v1/chat/completions");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let of = |url: &str| address(&ProviderSettings::new("p", url)).unwrap().origin.address.clone();
        for same in ["https://API.openai.com/v1", "https://api.openai.com:443/v2/"] {
            assert_eq!(of(same), "https://api.openai.com:443");
        }
        for other in ["http://api.openai.com/v1", "https://api.openai.com:444/v1", "https://openai.com/v1"] {
            assert_ne!(of(other), "https://api.openai.com:443");
        }
        assert_eq!(of("http://[::1]/v1"), "http://[::1]:80");
        let azure = ProviderSettings { vendor: Vendor::Azure, ..ProviderSettings::new("p", "https://api.openai.com/v1") };
        assert_ne!(
            address(&azure).unwrap().origin,
            address(&ProviderSettings::new("p", "https://api.openai.com/v1")).unwrap().origin
        );
    }

    #[test]
    fn keys_and_headers_are_checked() {
        let mut settings = ProviderSettings::new("p", "https://x/v1");
        settings.api_key = Some(SecretText::new("sk-1\r\nx: y"));
        let error = address(&settings).err().unwrap();
        assert!(error.message().contains("key") && !error.message().contains("sk-1"));
        settings.api_key = Some(SecretText::new("sk-1"));
        for bad in ["authorization", "Host", "two words", ""] {
            settings.attempt_header = Some(bad.to_owned());
            assert!(address(&settings).is_err(), "{bad}");
        }
        settings.attempt_header = Some("x-insula-attempt".to_owned());
        let address = address(&settings).unwrap();
        for headers in [&address.json_headers, &address.stream_headers] {
            assert!(headers.platform[header::AUTHORIZATION].is_sensitive());
            assert!(!headers.bare.contains_key(header::AUTHORIZATION));
        }
        assert!(!format!("{settings:?}").contains("sk-1"));
    }
}
