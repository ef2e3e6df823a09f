//! Documents: from what is handed in to what is found.
//!
//! In: [`documents`] keeps what arrives, sealed, and queues it; [`ingest`] takes it up and does the rest, from the beginning however
//! often it is interrupted: [`reading`] makes text of it, takes out what is meant for a model and cuts the rest into chunks,
//! [`report`] is what is told of that, [`embed`] places each among the others
//! ([`placing`] keeps what cost anything), and the store shows all of them at once. [`anew`] does the same with all that is shown, where another embedder is
//! chosen for a tenant ([`embedder`]).
//!
//! Out: [`search`] looks into the tenant's documents and into the reference corpora that it may read ([`shelves`]). [`filter`] says which
//! documents count, before anything is ranked; [`question`] places the question where each was placed; [`rank`] fuses what lies near (the store's vector engine) with what has the words
//! ([`lexical`]), all places as if they were one; [`citation`] tells where each hit stands, in the document's own words. What holds for
//! the tenant above all that is its [`profile`].
//!
//! Where the engine of vectors keeps them outside of the tenant's tables, [`settling`] brings them there.
//!
//! Searches of a tenant take turns ([`turns`]).
//!
//! How formats are read, texts cut, words told apart and hashed is `insula-ingest`'s.

mod anew;
mod chunking;
mod citation;
mod condition;
mod detail;
mod documents;
mod embed;
mod embedder;
mod fields;
mod filter;
mod ingest;
mod lexical;
mod library;
mod metadata;
mod placing;
mod profile;
mod question;
mod rank;
mod raw;
mod reading;
mod report;
mod resting;
mod room;
mod search;
mod settings;
pub(crate) mod settling;
mod shelves;
pub mod stores;
pub(crate) mod turns;

pub use chunking::Chunking;
pub use citation::Citation;
pub use detail::Trouble;
pub use documents::{DocumentContent, DocumentView, Handing, NewDocument, find, list, no_such_document, remove};
pub use embed::{LocalModel, LocalModels, Side};
pub use embedder::{EmbedderView, NextView, SpaceView};
pub(crate) use embedder::{check as check_embedder, choose as choose_embedder, view as embedder_view};
pub use filter::Filter;
pub(crate) use library::Library;
pub use metadata::{Metadata, access_list};
pub use profile::{PROFILE_CHARS_MAX, PROFILE_JURISDICTIONS_MAX, Profile, profile};
pub(crate) use rank::SCORE_MAX;
pub use report::{DocumentDefect, DocumentFinding, DocumentReport, Findings};
pub(crate) use search::look;
pub use search::{Ask, Hit, Looked, Origin};
pub use settings::{KnowledgeSettings, ProviderModel};
pub use shelves::{CorporaChoice, Source};
