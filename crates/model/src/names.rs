//! Names that people and URLs use, checked once where they come in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CorpusId, Error, Result};

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
    /// A short name of a reference corpus, such as `eu_gdpr`: 1 to 63 of a-z, 0-9, hyphens and underscores, the first and the last a
    /// letter or a digit. Never an id.
    CorpusName,
    |text| is_word(text) && text.parse::<CorpusId>().is_err(),
    "a corpus's name has 1 to 63 characters of a-z, 0-9, hyphens and underscores, with a letter or a digit at both ends, and is no id"
);

checked_text!(
    /// Where a text is law, or is meant for, such as `eu` or `us_ca`: formed as a corpus's name is.
    Jurisdiction,
    is_word,
    "a jurisdiction has 1 to 63 characters of a-z, 0-9, hyphens and underscores, with a letter or a digit at both ends"
);

fn is_word(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()];
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| letter(b) || b == b'-' || b == b'_')
        && ends.into_iter().flatten().all(letter)
}

checked_text!(
    /// A name for people: 1 to 200 characters without control characters.
    Name,
    |text| (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control),
    "a name has 1 to 200 characters and no control characters"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_corpora_and_jurisdictions() {
        for good in ["eu_gdpr", "federal", "us-ca", "x", "2024_code"] {
            assert!(CorpusName::try_from(good.to_owned()).is_ok() && Jurisdiction::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "_eu", "eu_", "EU", "eu gdpr", "ü", &"x".repeat(64)] {
            assert!(CorpusName::try_from(bad.to_owned()).is_err() && Jurisdiction::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let id = CorpusId::from_bytes([7; 16]).to_string();
        assert!(CorpusName::try_from(id).is_err(), "an id is no name");
    }
}
