//! A URL to send to, parsed once.

use std::net::IpAddr;

use http::{Uri, uri::PathAndQuery};

use crate::Unsent;

/// Bytes of a URL.
const URL_BYTES_MAX: usize = 2_048;

/// Where something may be sent to. What was checked is what is used: nobody parses the text a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    host: String,
    port: u16,
    is_plain: bool,
}

impl Target {
    /// Reads `https://host[:port][/path][?query]`, or the same with `http`, which [`Reach`](crate::Reach) may refuse.
    ///
    /// # Errors
    /// [`Unsent::Malformed`], saying what is wrong; the text itself is not repeated, because it may hold a secret.
    pub fn parse(text: &str) -> Result<Self, Unsent> {
        if text.len() > URL_BYTES_MAX {
            return Err(Unsent::Malformed("a URL has at most 2048 bytes"));
        }
        if text.contains('#') || text.bytes().any(|byte| byte <= b' ' || byte == b'\\' || byte >= 0x7f) {
            return Err(Unsent::Malformed("a URL holds no fragment, no blanks, no backslashes and only ASCII"));
        }
        let uri: Uri = text.parse().map_err(|_| Unsent::Malformed("write a URL such as https://hooks.example.com/path"))?;
        let is_plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(Unsent::Malformed("a URL begins with https://")),
        };
        let authority = uri.authority().ok_or(Unsent::Malformed("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(Unsent::Malformed("a URL holds no user name and no password"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_');
        if host.is_empty() || !(is_name || host.parse::<IpAddr>().is_ok()) {
            return Err(Unsent::Malformed("the URL's host is neither a name nor an address"));
        }
        let has_port = authority.as_str().trim_start_matches(authority.host()).starts_with(':');
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !has_port => {
                if is_plain {
                    80
                } else {
                    443
                }
            }
            _ => return Err(Unsent::Malformed("the URL's port is not one")),
        };
        Ok(Self { host, port, is_plain, uri })
    }

    /// The host's name, or its address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where the URL leaves it out.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it goes without TLS.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The address, where the host is written as one.
    pub fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// For TLS: the whole of it.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// What stands in the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// What stands in the request's first line.
    pub(crate) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", PathAndQuery::as_str)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_read_once_and_for_all() {
        let target = Target::parse("https://Hooks.Example.com/a/b?c=d").unwrap();
        assert_eq!((target.host(), target.port(), target.is_plain()), ("hooks.example.com", 443, false));
        assert_eq!((target.path(), target.literal()), ("/a/b?c=d", None));
        let target = Target::parse("http://[::1]:8080").unwrap();
        assert_eq!((target.host(), target.port(), target.is_plain(), target.path()), ("::1", 8080, true, "/"));
        assert_eq!((target.authority(), target.literal()), ("[::1]:8080", Some("::1".parse().unwrap())));
        assert_eq!(Target::parse("http://example.com").unwrap().port(), 80);
    }

    #[test]
    fn what_is_not_plainly_a_url_is_refused() {
        for text in [
            "",
            "hooks.example.com",
            "/path",
            "ftp://example.com",
            "file:///etc/passwd",
            "gopher://example.com",
            "https://",
            "https:///x",
            "https://user@example.com",
            "https://user:password@example.com",
            "https://example.com@127.0.0.1/",
            "https://example.com/#a",
            "https://exa mple.com",
            "https://example.com\\@127.0.0.1",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:",
            "https://ex%61mple.com",
            "https://exämple.com",
            "https://[::1",
            "https://example.com/\r\nHost: a",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        assert!(Target::parse(&format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX))).is_err());
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(text: String) {
            let _ = Target::parse(&text);
            let _ = Target::parse(&format!("https://{text}"));
        }
    }
}
