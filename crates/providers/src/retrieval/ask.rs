//! The options of a search before an answer, read and checked.

use std::borrow::Cow;

use insula_model::{Error, Result};
use serde_json::{Value, value::RawValue};

use crate::json::{is_given, members, shown};

/// Insula's own field of a request, and the option in it.
pub(super) const OWN: &str = "insula";
const RETRIEVAL: &str = "insula.retrieval";
/// How many corpora, and how many vector stores, one request may name.
const NAMES_MAX: usize = 16;

/// What becomes of a citation that names a passage in which its quote does not stand, while it stands in another one that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WrongCitation {
    /// It names that other one.
    #[default]
    Repair,
    /// It is taken out, as one whose quote stands nowhere always is.
    Drop,
}

/// What a caller wants of its documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetrievalAsk {
    /// What to search for; where absent, what the user said last.
    pub query: Option<String>,
    /// At most so many passages.
    pub limit: Option<u32>,
    /// Insula's own filter: fields of documents with what they must be.
    pub filter: Option<Value>,
    /// Reference corpora to search beside the tenant's documents; where absent, those that concern the tenant.
    pub corpora: Option<CorporaAsk>,
    /// Vector stores to search in; where empty, all documents.
    pub vector_store_ids: Vec<String>,
    /// What becomes of misattributed citations.
    pub citations: WrongCitation,
    /// Whether the model may call the caller's tools although it reads text from documents.
    pub allows_tool_calls: bool,
    /// Whether nothing is searched: the rest says how to go on from an answer that was made of documents.
    pub skips_search: bool,
    /// OpenAI's tool, where it is asked for with that.
    pub tool: Option<FileSearch>,
}

/// Reference corpora that a caller wants to have searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorporaAsk {
    /// All that its tenant may read.
    All,
    /// These, by name or id.
    Named(Vec<String>),
}

/// OpenAI's tool `file_search`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileSearch {
    /// Where it stands in the request.
    pub at: String,
    /// Its `filters`, in OpenAI's form.
    pub filters: Option<Value>,
    /// The least score of a passage, from 0 to 1.
    pub score_min: Option<f64>,
    /// Whether the answer shall show what was found.
    pub shows_texts: bool,
}

/// Reads the field `insula`.
///
/// # Errors
/// `Invalid`, naming what is wrong.
pub(super) fn read_own(value: &RawValue) -> Result<Option<RetrievalAsk>> {
    if !is_given(value) {
        return Ok(None);
    }
    let mut ask = None;
    for (name, value) in members(value.get(), "`insula`").map_err(|error| error.at(OWN))?.0 {
        match name.as_ref() {
            "retrieval" => ask = read_retrieval(value)?,
            name => return Err(unknown(OWN, name, "retrieval")),
        }
    }
    Ok(ask)
}

fn read_retrieval(value: &RawValue) -> Result<Option<RetrievalAsk>> {
    match value.get() {
        "null" | "false" => return Ok(None),
        "true" => return Ok(Some(RetrievalAsk::default())),
        _ => {}
    }
    let fields =
        members(value.get(), "`insula.retrieval`, unless it is true or false,").map_err(|error| error.at(RETRIEVAL))?;
    let mut ask = RetrievalAsk::default();
    for (name, value) in fields.0 {
        let at = format!("{RETRIEVAL}.{}", shown(&name));
        match name.as_ref() {
            "query" if is_given(value) => ask.query = Some(read(value, &at, "must be a string")?),
            "limit" if is_given(value) => ask.limit = Some(read(value, &at, "must be a whole number from 1 to 50")?),
            "filter" if is_given(value) => ask.filter = Some(read(value, &at, "must be an object of fields")?),
            "corpora" if value.get() == "\"all\"" => ask.corpora = Some(CorporaAsk::All),
            "corpora" if is_given(value) => ask.corpora = Some(CorporaAsk::Named(names(value, &at)?)),
            "vector_store_ids" if is_given(value) => ask.vector_store_ids = names(value, &at)?,
            "citations" if is_given(value) => {
                ask.citations = choice(value, &at, [("repair", WrongCitation::Repair), ("drop", WrongCitation::Drop)])?
            }
            "tool_calls" if is_given(value) => {
                ask.allows_tool_calls = choice(value, &at, [("refuse", false), ("allow", true)])?
            }
            "search" if is_given(value) => ask.skips_search = !read::<bool>(value, &at, "must be true or false")?,
            "query" | "limit" | "filter" | "corpora" | "vector_store_ids" | "citations" | "tool_calls" | "search" => {}
            name => {
                let known = "query, limit, filter, corpora, vector_store_ids, citations, tool_calls, search";
                return Err(unknown(RETRIEVAL, name, known));
            }
        }
    }
    Ok(Some(ask))
}

impl RetrievalAsk {
    /// Adds what OpenAI's tool asks for, which stands `at` in the request. What both say, the tool says for itself.
    ///
    /// # Errors
    /// `Invalid`, naming what is wrong.
    pub(super) fn add_tool(&mut self, tool: &[(Cow<'_, str>, &RawValue)], at: String) -> Result<()> {
        if self.tool.is_some() {
            return Err(Error::invalid(format!("`{at}` is a second `file_search`; one search is made for a request")).at(at));
        }
        let mut search = FileSearch { at: at.clone(), ..FileSearch::default() };
        for (name, value) in tool {
            let at = format!("{at}.{}", shown(name));
            match name.as_ref() {
                "type" => {}
                "vector_store_ids" if is_given(value) => self.vector_store_ids = names(value, &at)?,
                "max_num_results" if is_given(value) => {
                    self.limit = Some(read(value, &at, "must be a whole number from 1 to 50")?)
                }
                "filters" if is_given(value) => search.filters = Some(read(value, &at, "must be a filter")?),
                "ranking_options" if is_given(value) => search.score_min = score_min(value, &at)?,
                "vector_store_ids" | "max_num_results" | "filters" | "ranking_options" => {}
                name => {
                    let known = "type, vector_store_ids, max_num_results, filters, ranking_options";
                    return Err(unknown(&search.at, name, known));
                }
            }
        }
        self.tool = Some(search);
        Ok(())
    }
}

/// The threshold in `ranking_options`. Which ranker it names makes no difference, for there is one.
fn score_min(value: &RawValue, at: &str) -> Result<Option<f64>> {
    let mut least = None;
    for (name, value) in members(value.get(), &format!("`{at}`")).map_err(|error| error.at(at))?.0 {
        if name == "score_threshold" && is_given(value) {
            let at = format!("{at}.score_threshold");
            let score: f64 = read(value, &at, "must be a number from 0 to 1")?;
            if !(0.0..=1.0).contains(&score) {
                return Err(Error::invalid(format!("`{at}` must be a number from 0 to 1")).at(at));
            }
            least = Some(score).filter(|score| *score > 0.0);
        }
    }
    Ok(least)
}

fn read<'a, T: serde::Deserialize<'a>>(value: &'a RawValue, at: &str, why: &str) -> Result<T> {
    serde_json::from_str(value.get()).map_err(|_| Error::invalid(format!("`{at}` {why}")).at(at))
}

fn names(value: &RawValue, at: &str) -> Result<Vec<String>> {
    let names: Vec<String> = read(value, at, "must be a list of strings")?;
    if names.len() > NAMES_MAX {
        return Err(Error::invalid(format!("`{at}` names at most {NAMES_MAX}")).at(at));
    }
    Ok(names)
}

fn choice<T>(value: &RawValue, at: &str, of: [(&str, T); 2]) -> Result<T> {
    let [one, other] = of.each_ref().map(|(word, _)| *word);
    let said: Option<String> = serde_json::from_str(value.get()).ok();
    let chosen = of.into_iter().find(|(word, _)| said.as_deref() == Some(word));
    chosen.map(|(_, chosen)| chosen).ok_or_else(|| Error::invalid(format!("`{at}` must be \"{one}\" or \"{other}\"")).at(at))
}

fn unknown(within: &str, name: &str, known: &str) -> Error {
    let at = format!("{within}.{}", shown(name));
    Error::invalid(format!("`{at}` is not known; there are: {known}")).at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(json: &str) -> Result<Option<RetrievalAsk>> {
        read_own(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn options_are_read() {
        assert_eq!(own("null").unwrap(), None);
        assert_eq!(own(r#"{"retrieval":false}"#).unwrap(), None);
        assert_eq!(own(r#"{"retrieval":true}"#).unwrap(), Some(RetrievalAsk::default()));
        let all = r#"{"retrieval":{"query":"q","limit":3,"filter":{"a":1},"corpora":["eu"],"vector_store_ids":["vs_1"],
            "citations":"drop","tool_calls":"allow","search":false}}"#;
        let ask = own(all).unwrap().unwrap();
        assert_eq!((ask.query.as_deref(), ask.limit, ask.citations), (Some("q"), Some(3), WrongCitation::Drop));
        assert!(
            ask.allows_tool_calls
                && ask.skips_search
                && ask.corpora == Some(CorporaAsk::Named(vec!["eu".to_owned()]))
                && ask.vector_store_ids == ["vs_1"]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, at) in [
            ("true", "insula"),
            (r#"{"retreival":true}"#, "insula.retreival"),
            (r#"{"retrieval":"yes"}"#, "insula.retrieval"),
            (r#"{"retrieval":{"qurey":"a"}}"#, "insula.retrieval.qurey"),
            (r#"{"retrieval":{"limit":-1}}"#, "insula.retrieval.limit"),
            (r#"{"retrieval":{"citations":"keep"}}"#, "insula.retrieval.citations"),
            (r#"{"retrieval":{"tool_calls":true}}"#, "insula.retrieval.tool_calls"),
            (r#"{"retrieval":{"search":"no"}}"#, "insula.retrieval.search"),
            (r#"{"retrieval":{"corpora":"eu"}}"#, "insula.retrieval.corpora"),
        ] {
            assert_eq!(own(json).unwrap_err().param(), Some(at), "{json}");
        }
    }
}
