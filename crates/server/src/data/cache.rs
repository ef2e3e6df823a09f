//! What a caller says of the answer cache in `cache-control`, and what it is told.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use insula_engine::{CacheControl, CacheView};

/// On answers of tenants that have a cache: `hit`, `miss` or `bypass`.
const CACHE: HeaderName = HeaderName::from_static("x-insula-cache");

/// Reads every `cache-control` there is. What is not known is passed over, as RFC 9111 wants it; an age that cannot be read
/// counts as the strictest.
pub(super) fn read(headers: &HeaderMap) -> CacheControl {
    let mut said = CacheControl::default();
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    for directive in lines.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => said.no_store = true,
            "no-cache" => said.no_cache = true,
            "only-if-cached" => said.only_if_cached = true,
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse().unwrap_or_default();
                let age = Duration::from_secs(seconds);
                said.max_age = Some(said.max_age.map_or(age, |other| other.min(age)));
            }
            _ => {}
        }
    }
    said
}

/// Tells what the cache did; nothing where the tenant has none.
pub(super) fn tell(headers: &mut HeaderMap, view: Option<CacheView>) {
    let Some(view) = view else { return };
    headers.insert(CACHE, HeaderValue::from_static(view.name()));
    if let CacheView::Hit { age } = view {
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&'static str]) -> CacheControl {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_static(line));
        }
        read(&headers)
    }

    #[test]
    fn directives_are_read_in_any_form() {
        assert_eq!(said(&[]), CacheControl::default());
        assert_eq!(said(&["no-transform, min-fresh=5"]), CacheControl::default());
        assert!(said(&["No-Store"]).no_store);
        let all = said(&["no-cache , only-if-cached", "max-age=60"]);
        assert_eq!((all.no_cache, all.only_if_cached, all.max_age), (true, true, Some(Duration::from_secs(60))));
        assert_eq!(said(&["max-age=\"5\", max-age=9"]).max_age, Some(Duration::from_secs(5)));
        assert_eq!(said(&["max-age=soon"]).max_age, Some(Duration::ZERO), "the strictest");
    }
}
