//! Names that people and URLs use, checked once where they come in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $advice:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(Error::invalid($advice)) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// A short name of a tenant, a plan or a segment: 1 to 63 of a-z, 0-9 and inner hyphens, as in a host name. Never looks like an id.
    Slug,
    |text| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
    },
    "a slug has 1 to 63 characters of a-z, 0-9 and hyphens, with no hyphen at either end"
);

checked_text!(
    /// A name for people: 1 to 200 characters without control characters.
    Name,
    |text| (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control),
    "a name has 1 to 200 characters and no control characters"
);
