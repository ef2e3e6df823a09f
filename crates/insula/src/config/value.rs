//! What may stand behind a key: how the reference names it and how an environment variable's text is read.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use insula_gate::AddressRange;
use toml::Value;

/// A type that a key can have.
pub trait ConfigValue {
    /// What one writes, for the reference and for the advice beside an error.
    const KIND: &'static str;

    /// Reads the text of an environment variable; the error says what is expected.
    fn read(text: &str) -> Result<Value, String> {
        Ok(Value::String(text.to_owned()))
    }
}

macro_rules! texts {
    ($($kind:ty: $says:literal),+) => { $(
        impl ConfigValue for $kind {
            const KIND: &'static str = $says;
        }
    )+ };
}
texts!(String: "text", PathBuf: "path", SocketAddr: "address");

macro_rules! numbers {
    ($($kind:ty: $says:literal),+) => { $(
        impl ConfigValue for $kind {
            const KIND: &'static str = $says;
            fn read(text: &str) -> Result<Value, String> {
                text.parse().map(Value::Integer).map_err(|_| concat!("expected a ", $says).to_owned())
            }
        }
    )+ };
}
numbers!(
    u32: "whole number", u64: "whole number", usize: "whole number",
    NonZeroU32: "whole number from 1", NonZeroU64: "whole number from 1", NonZeroUsize: "whole number from 1"
);

impl ConfigValue for bool {
    const KIND: &'static str = "true or false";
    fn read(text: &str) -> Result<Value, String> {
        text.parse().map(Value::Boolean).map_err(|_| "expected true or false".to_owned())
    }
}

impl ConfigValue for Vec<AddressRange> {
    const KIND: &'static str = "list of address ranges";
    /// A variable names them behind commas, with or without the brackets and quotes of the file.
    fn read(text: &str) -> Result<Value, String> {
        let ranges = text
            .trim_matches(['[', ']'])
            .split(',')
            .map(|range| range.trim().trim_matches('"'))
            .filter(|range| !range.is_empty());
        let read = |range: &str| range.parse().map(|range: AddressRange| Value::String(range.to_string()));
        ranges.map(read).collect::<Result<_, _>>().map(Value::Array).map_err(|wrong| wrong.to_string())
    }
}

/// An absent key is no value; a present one is as without the `Option`.
impl<T: ConfigValue> ConfigValue for Option<T> {
    const KIND: &'static str = T::KIND;
    fn read(text: &str) -> Result<Value, String> {
        T::read(text)
    }
}

/// Declares a choice between words, written in lower case.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident($says:literal) { $( $(#[$doc:meta])+ $word:ident ),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $( $(#[$doc])+ $word, )+ }

        impl $crate::config::value::ConfigValue for $name {
            const KIND: &'static str = $says;
        }
    };
}
pub(crate) use choice;
