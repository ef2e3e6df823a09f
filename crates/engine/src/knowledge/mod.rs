//! Documents: from what is handed in to what is found.
//!
//! In: [`documents`] keeps what arrives, sealed, and queues it; [`ingest`] takes it up and does the rest, from the beginning however
//! often it is interrupted: [`reading`] makes text of it, takes out what is meant for a model and cuts the rest into chunks,
//! [`report`] is what is told of that, [`embed`] places each among the others
//! ([`placing`] keeps what cost anything), and the store shows all of them at once. [`anew`] does the same with all that is shown, where another embedder is
//! chosen for a tenant ([`embedder`]).
//!
//! Out: [`search`] reads one unchanging state of the tenant's documents. [`filter`] says which of them count, before anything is
//! ranked; [`rank`] fuses what lies near (the store's vector engine) with what has the words ([`lexical`]); [`citation`] tells where
//! each hit stands, in the document's own words.
//!
//! How formats are read, texts cut, words told apart and hashed is `insula-ingest`'s.

mod anew;
mod citation;
mod detail;
mod documents;
mod embed;
mod embedder;
mod filter;
mod ingest;
mod lexical;
mod library;
mod metadata;
mod placing;
mod rank;
mod reading;
mod report;
mod search;
mod settings;

pub use citation::Citation;
pub use detail::Trouble;
pub use documents::{DocumentContent, DocumentView, Handing, NewDocument, find, list, no_such_document, remove};
pub use embed::{LocalModel, LocalModels, Side};
pub use embedder::{EmbedderView, NextView, SpaceView};
pub(crate) use embedder::{check as check_embedder, choose as choose_embedder, view as embedder_view};
pub use filter::Filter;
pub(crate) use library::Library;
pub use metadata::{Metadata, access_list};
pub use report::{DocumentDefect, DocumentFinding, DocumentReport, Findings};
pub use search::{Ask, Found, Hit, search};
pub use settings::{KnowledgeSettings, ProviderModel};
