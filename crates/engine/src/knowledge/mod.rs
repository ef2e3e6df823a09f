//! Documents: from what is handed in to what is found.
//!
//! In: [`documents`] keeps what arrives, sealed, and queues it; [`ingest`] takes it up and does the rest, from the beginning however
//! often it is interrupted: [`reading`] makes text of it, takes out what is meant for a model and cuts the rest into chunks,
//! [`report`] is what is told of that, [`embed`] places each among the others, and the
//! store shows all of them at once.
//!
//! Out: [`search`] reads one unchanging state of the tenant's documents. [`filter`] says which of them count, before anything is
//! ranked; [`rank`] fuses what lies near (the store's vector engine) with what has the words ([`lexical`]); [`citation`] tells where
//! each hit stands, in the document's own words.
//!
//! How formats are read, texts cut, words told apart and hashed is `insula-ingest`'s.

mod citation;
mod detail;
mod documents;
mod embed;
mod filter;
mod ingest;
mod lexical;
mod library;
mod metadata;
mod rank;
mod reading;
mod report;
mod search;
mod settings;

pub use citation::Citation;
pub use detail::Trouble;
pub use documents::{DocumentContent, DocumentView, Handing, NewDocument, find, list, no_such_document, remove};
pub use filter::Filter;
pub(crate) use library::Library;
pub use metadata::{Metadata, access_list};
pub use report::{DocumentDefect, DocumentFinding, DocumentReport, Findings};
pub use search::{Ask, Hit, search};
pub use settings::KnowledgeSettings;
