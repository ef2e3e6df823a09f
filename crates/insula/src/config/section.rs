//! How a section is declared: each key once, with its type, its default and the text that the reference prints.

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name inside its section.
    pub name: &'static str,
    /// What it is for, as the reference prints it.
    pub doc: &'static str,
    /// What one writes there.
    pub kind: &'static str,
    /// How an environment variable's text becomes a value of it.
    pub read: fn(&str) -> Result<toml::Value, String>,
}

/// A table of the configuration file.
pub trait Section {
    /// Its keys, in the order of the reference.
    fn keys() -> Vec<Key>;
}

/// Declares a section: a struct that refuses unknown keys, its defaults, and its keys for the reference. A key without a
/// documentation comment does not compile.
macro_rules! section {
    ($(#[$about:meta])* $name:ident { $( $(#[doc = $line:literal])+ $key:ident: $kind:ty = $default:expr; )+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $( $(#[doc = $line])+ pub $key: $kind, )+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $crate::config::section::Section for $name {
            fn keys() -> Vec<$crate::config::section::Key> {
                use $crate::config::value::ConfigValue;
                vec![ $( $crate::config::section::Key {
                    name: stringify!($key),
                    doc: concat!($($line),+).trim_ascii(),
                    kind: <$kind>::KIND,
                    read: <$kind>::read,
                }, )+ ]
            }
        }
    };
}
pub(crate) use section;
