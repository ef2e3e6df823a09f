//! `[prices]`.

use std::path::PathBuf;

use super::section::section;

section! {
    /// What models cost.
    Prices {
        /// A price book in the form of the built-in one, relative to where the server is started; its rows come before the built-in rows. A model without a price is refused.
        file: Option<PathBuf> = None;
    }
}
