//! An address that may hold a password.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::value::ConfigValue;

/// What stands for what is not shown.
const MASK: &str = "***";

/// The address of a service with the credentials for it. Whatever shows it, `Debug` and `config show` too, shows a mask in the
/// password's place; errors show nothing of it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretUrl(String);

impl SecretUrl {
    /// The whole address, for the connection that it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands before `://`.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Whether it holds what must not be seen.
    pub fn has_password(&self) -> bool {
        self.masked().contains(MASK)
    }

    /// The address with masks. `parse` has seen to it that `@` ends the credentials and stands nowhere else.
    fn masked(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", ""));
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let place = match place.split_once('@') {
            Some((credentials, place)) => format!("{}@{place}", masked_credentials(scheme, credentials)),
            None => place.to_owned(),
        };
        let query = query.map(|query| format!("?{}", query.split('&').map(masked_parameter).collect::<Vec<_>>().join("&")));
        format!("{scheme}://{place}{}", query.unwrap_or_default())
    }
}

/// A lone word is the user's name for a database; elsewhere it is as often meant as a password.
fn masked_credentials(scheme: &str, credentials: &str) -> String {
    match credentials.split_once(':') {
        Some((user, _)) => format!("{user}:{MASK}"),
        None if scheme.starts_with("postgres") => credentials.to_owned(),
        None => MASK.to_owned(),
    }
}

/// Parameters are shown only where nothing secret can stand in them.
fn masked_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some(("sslmode" | "host" | "port" | "user" | "dbname", _)) => parameter.to_owned(),
        Some((name, _)) => format!("{name}={MASK}"),
        None => MASK.to_owned(),
    }
}

/// Reads one. What is refused is not repeated.
impl TryFrom<String> for SecretUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("not a URL: it begins with a scheme and ://");
        };
        if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') {
            return Err("not a URL: it begins with a scheme and ://");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("not a URL: it holds a blank; write %20 in its place");
        }
        // Else a part of the password would stand where a host or a path is shown.
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let ends: Vec<usize> = rest.match_indices('@').map(|(at, _)| at).collect();
        if ends.len() > 1 || ends.iter().any(|at| *at > authority) || rest.contains('#') {
            return Err("a user name or password holds one of : / ? # @; write it percent-encoded, such as %40 for @");
        }
        Ok(Self(text))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// Masked: what is serialised is shown to people, never read back.
impl Serialize for SecretUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ConfigValue for SecretUrl {
    const KIND: &'static str = "URL";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> SecretUrl {
        SecretUrl::try_from(text.to_owned()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        for (text, shown) in [
            ("postgres://app:hunter2@db:5432/insula?sslmode=require", "postgres://app:***@db:5432/insula?sslmode=require"),
            ("postgres://app@db/insula", "postgres://app@db/insula"),
            ("postgres:///insula?host=/run/pg&password=hunter2", "postgres:///insula?host=/run/pg&password=***"),
            ("postgres://db/insula?hunter2", "postgres://db/insula?***"),
            ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
            ("rediss://hunter2@cache", "rediss://***@cache"),
            ("redis://cache:6379", "redis://cache:6379"),
        ] {
            let url = url(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("SecretUrl({shown})"));
            assert_eq!(serde_json::to_value(&url).unwrap(), shown);
            assert_eq!((url.expose(), url.has_password()), (text, shown.contains("***")));
        }
    }

    #[test]
    fn what_could_hide_a_password_is_refused_without_repeating_it() {
        for text in [
            "hunter2",
            "://hunter2",
            "host=db password=hunter2",
            "postgres://app:hun@ter2@db/insula",
            "postgres://app:hun/ter2@db/insula",
            "postgres://app:hun?ter2@db/insula",
            "postgres://app:hun#ter2@db/insula",
            "postgres://app:hun ter2@db/insula",
            "postgres://db/insula?password=hun@ter2",
            "redis://db/0#hunter2",
        ] {
            let error = SecretUrl::try_from(text.to_owned()).unwrap_err();
            assert!(!error.contains("ter2"), "{error}");
        }
    }
}
