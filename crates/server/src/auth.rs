//! From a request's headers to a verified credential.

use http::{HeaderMap, header};
use insula_engine::{Engine, directory::Credential};
use insula_model::Result;

/// The credential that a request presents: `Authorization: Bearer <text>`, or `x-api-key: <text>` as Anthropic's SDKs
/// send it. Nothing else in a request ever decides whose it is.
///
/// # Errors
/// [`insula_model::ErrorKind::Unauthenticated`] when there is none, when it opens nothing, or when it stands there twice;
/// [`insula_model::ErrorKind::Suspended`] when its tenant is suspended; [`insula_model::ErrorKind::Unavailable`] while this
/// node cannot know which credentials are valid.
pub(crate) async fn credential(engine: &Engine, headers: &HeaderMap) -> Result<Credential> {
    // An empty text opens nothing and gets the same answer as any other that does not.
    engine.directory.admit(presented(headers).unwrap_or_default()).await
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    match only(headers, header::AUTHORIZATION.as_str()) {
        Some(text) => {
            let (scheme, credential) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
        }
        None if headers.contains_key(header::AUTHORIZATION) => None,
        None => only(headers, "x-api-key").map(str::trim),
    }
}

/// The value of a header that is there exactly once. Of two, each could be meant.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line =
            |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(line) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn reads_either_header_and_no_doubt() {
        assert_eq!(presented(&headers(&[("authorization", "Bearer abc")])), Some("abc"));
        assert_eq!(presented(&headers(&[("authorization", "bearer  abc ")])), Some("abc"));
        assert_eq!(presented(&headers(&[("x-api-key", "abc")])), Some("abc"));
        assert_eq!(presented(&headers(&[("authorization", "Bearer abc"), ("x-api-key", "other")])), Some("abc"));
        assert_eq!(presented(&headers(&[])), None);
        assert_eq!(presented(&headers(&[("authorization", "Basic abc"), ("x-api-key", "other")])), None);
        assert_eq!(presented(&headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")])), None);
        assert_eq!(presented(&headers(&[("x-api-key", "a"), ("x-api-key", "b")])), None);
    }
}
