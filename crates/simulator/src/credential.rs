//! With which credentials a request came: as much as its sender may be told apart by, never the whole.

use hyper::{HeaderMap, StatusCode};

use crate::errors::ApiError;
use crate::scenario::Scenario;

/// The headers in which vendors take credentials.
const HEADERS: [&str; 4] = ["authorization", "api-key", "x-api-key", "x-goog-api-key"];
/// So many characters of the end are shown,
const SHOWN_CHARS: usize = 4;
/// of credentials with at least so many.
const SHOWN_FROM_CHARS: usize = 8;

/// The credentials of a request, each with its header. A vendor's client sends one; whoever sends two is found out.
fn all(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, &str)> {
    HEADERS.into_iter().flat_map(move |name| {
        let values = headers.get_all(name).iter();
        values.filter_map(move |value| {
            let text = value.to_str().ok()?;
            Some((name, text.strip_prefix("Bearer ").unwrap_or(text)))
        })
    })
}

/// What the log tells: `authorization ...a1b2`; several behind each other, nothing where none came.
pub(crate) fn shown(headers: &HeaderMap) -> Option<String> {
    let show = |(name, text): (&str, &str)| {
        let end = text.get(text.len().saturating_sub(SHOWN_CHARS)..).filter(|_| text.len() >= SHOWN_FROM_CHARS);
        format!("{name} ...{}", end.unwrap_or_default())
    };
    let shown: Vec<_> = all(headers).map(show).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// The refusal of a credential that the scenario refuses. As careless as vendors are: it repeats the credential.
pub(crate) fn refused(scenario: &Scenario, headers: &HeaderMap) -> Option<ApiError> {
    let is_refused = |text: &str| scenario.refused_credentials.iter().any(|end| text.ends_with(end.as_str()));
    let (_, text) = all(headers).find(|(_, text)| is_refused(text))?;
    let message = format!("Incorrect API key provided: {text}. You can find your API key in your account's settings.");
    Some(ApiError::new(StatusCode::UNAUTHORIZED, Some("invalid_api_key"), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_end_is_shown() {
        let of = |pairs: &[_]| shown(&headers(pairs));
        assert_eq!(of(&[("accept", "text/plain")]), None);
        assert_eq!(of(&[("authorization", "Bearer sk-12345678")]).as_deref(), Some("authorization ...5678"));
        assert_eq!(of(&[("x-api-key", "short")]).as_deref(), Some("x-api-key ..."));
        let two = of(&[("authorization", "Bearer sk-12345678"), ("x-goog-api-key", "AIza-abcdefgh")]);
        assert_eq!(two.as_deref(), Some("authorization ...5678, x-goog-api-key ...efgh"));
    }

    #[test]
    fn a_refused_credential_gets_401() {
        let scenario = Scenario { refused_credentials: vec!["5678".to_owned()], ..Scenario::default() };
        let refusal = |value: &str| refused(&scenario, &headers(&[("authorization", value)])).map(|error| error.status);
        assert_eq!(refusal("Bearer sk-12345678"), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(refusal("Bearer sk-87654321"), None);
    }
}
