//! What was found in documents for a request, and what its answer says of that.

use std::collections::BTreeMap;

use serde_json::Value;

/// Passages that were found for a request and put in front of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Retrieval {
    /// What was searched for.
    pub query: String,
    /// The passages, by number.
    pub found: Vec<Found>,
    /// The documents that the conversation before was made of: each with the reference corpus that it is of, and its id.
    pub before: Vec<(Option<String>, String)>,
    /// Whether it was asked for as a tool: then the dialect that has such calls shows one.
    pub is_tool: bool,
    /// Whether that call shows the passages' texts.
    pub shows_texts: bool,
}

/// One of the passages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// Its number in the request, from 1.
    pub number: u64,
    /// The id of its document.
    pub document: String,
    /// The id of the file that this was made of, where it is in a vector store.
    pub file: Option<String>,
    /// What the document is called.
    pub name: String,
    /// The reference corpus that it is of; absent for a document of the tenant's own.
    pub corpus: Option<String>,
    /// Which passage of its document, from 0.
    pub chunk: u64,
    /// How well it answers, beside the others.
    pub score: f64,
    /// The fields of its document.
    pub attributes: BTreeMap<String, Value>,
    /// What stands in it.
    pub text: String,
}

/// A passage that an answer cites, with a quote that was found in it word for word.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cited {
    /// The passage's number.
    pub number: u64,
    /// The id of its document.
    pub document: String,
    /// The id of the file that this was made of, where it is in a vector store.
    pub file: Option<String>,
    /// What the document is called.
    pub name: String,
    /// The reference corpus that it is of.
    pub corpus: Option<String>,
    /// The quote, as it stands in the passage.
    pub quote: String,
    /// Where it begins in the document's text as it was read, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Where the mark stands in the answer's text, in characters.
    pub at: usize,
}

/// How an answer holds to what was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grounding {
    /// The citations that hold, in their order.
    pub cited: Vec<Cited>,
    /// Those that did not and were taken out.
    pub dropped: u64,
    /// Those that named another passage than the one that they stand in, and now name that; they are among `cited`.
    pub repaired: u64,
    /// Tool calls that were taken out, because text from documents authorises none.
    pub calls_removed: u64,
}
