//! The detector as a whole: against documents, and against any text.

mod fixtures;
mod properties;
