//! The stage: documents are searched once, before the cache is asked and before anything is reserved.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use insula_model::{Error, ErrorKind, Result, VectorStoreId};
use insula_providers::{CorporaAsk, RetrievalAsk};
use serde_json::Value;

use super::{Grounds, grounds::Terms, instructions::instructions};
use crate::{
    Call, Engine,
    knowledge::{self, Ask, CorporaChoice, Filter, Hit, Looked, SCORE_MAX, stores, turns},
    trace::Trace,
    work::{Chat, Work},
};

/// Passages before an answer, where nobody says how many.
const LIMIT: u32 = 8;
/// Bytes of all passages together; those that answer least well are left out.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Characters of a question that nobody wrote as one: what the user said last is cut there.
const SAID_CHARS_MAX: usize = 4_000;
/// On whose behalf is searched where the request names nobody. No document names this one, so that only those are found which all may see:
/// who forgets to say for whom shows nothing that is not for all.
const NOBODY: &str = "";
/// What is asked, in the caller's body.
const AT: &str = "insula.retrieval";

/// The work with what its documents say; all other work as it is.
///
/// # Errors
/// `Invalid` or `NotFound`, naming what is wrong with what is asked; `Unavailable` where the documents cannot be searched now.
pub(crate) async fn resolve(engine: &Arc<Engine>, call: &Call, work: Arc<Work>, trace: &mut Trace) -> Result<Arc<Work>> {
    let Work::Chat(chat) = &*work else { return Ok(work) };
    let Some(ask) = &chat.retrieval else { return Ok(carried(chat, trace).map_or_else(|| work.clone(), Arc::new)) };
    let begun = engine.clock.elapsed();
    let resolved = grounded(engine, call, chat, ask).await;
    let (outcome, reason) = match &resolved {
        Ok(chat) => ("ok", chat.grounds.as_ref().map(|grounds| Cow::Owned(grounds.summary()))),
        Err(error) => ("refused", Some(Cow::Borrowed(error.kind().name()))),
    };
    trace.note(engine, "retrieval", begun, outcome, reason);
    let chat = resolved?;
    // From here on nothing of the answer is kept on the trace: it may say what the documents say.
    trace.retrieval = chat.grounds.as_ref().map(|grounds| grounds.record());
    Ok(Arc::new(Work::Chat(Box::new(chat))))
}

/// A chat that searches nothing, but goes on from what was answered from documents: it may say that again, and goes with them too.
fn carried(chat: &Chat, trace: &mut Trace) -> Option<Work> {
    if chat.before.is_empty() {
        return None;
    }
    let grounds = Arc::new(Grounds::carried(chat.before.clone()));
    trace.retrieval = Some(grounds.record());
    Some(Work::Chat(Box::new(Chat { grounds: Some(grounds), ..chat.clone() })))
}

async fn grounded(engine: &Arc<Engine>, call: &Call, chat: &Chat, ask: &RetrievalAsk) -> Result<Chat> {
    let query = question(chat, ask)?;
    let reader = call.end_user.as_ref().map(|user| user.name.clone());
    // Read before the search: what is kept under it is found by nobody once the documents have changed.
    let epoch = epoch(engine, call).await?;
    let hits = search(engine, call, ask, query.clone(), reader.clone()).await?;
    let profile = match hits.is_empty() {
        true => None,
        false => knowledge::profile(engine, &call.credential.scope).await.map_err(unreachable)?.map(|profile| profile.text),
    };
    let wants_json = chat.wants_json();
    let terms = Terms {
        query,
        reader,
        epoch,
        profile,
        citations: ask.citations,
        refuses_calls: !ask.allows_tool_calls,
        reads_marks: !wants_json,
        is_tool: ask.tool.is_some(),
        shows_texts: ask.tool.as_ref().is_some_and(|tool| tool.shows_texts),
    };
    let grounds = Arc::new(Grounds::new(hits, chat.before.clone(), terms));
    let request = if grounds.hits().is_empty() {
        chat.request.clone()
    } else {
        let text = instructions(&grounds, &*engine.random, !wants_json);
        chat.instructed(&text, grounds.refuses_calls)?
    };
    Ok(Chat { request, grounds: Some(grounds), before: chat.before.clone() })
}

/// What is searched for.
fn question(chat: &Chat, ask: &RetrievalAsk) -> Result<String> {
    if let Some(query) = &ask.query {
        return Ok(query.clone());
    }
    let said = chat.last_said().ok_or_else(|| {
        let at = format!("{AT}.query");
        Error::invalid(format!("no text of the user's is there to search for; say what to search for in `{at}`")).at(at)
    })?;
    Ok(said.chars().take(SAID_CHARS_MAX).collect())
}

async fn epoch(engine: &Engine, call: &Call) -> Result<u64> {
    let read = async { engine.store.tenant(&call.credential.scope).await?.knowledge().await?.corpus().await };
    Ok(read.await.map_err(unreachable)?.epoch)
}

/// The one search. Whatever it costs is reserved for by itself, before what the answer costs.
async fn search(
    engine: &Arc<Engine>,
    call: &Call,
    ask: &RetrievalAsk,
    query: String,
    reader: Option<String>,
) -> Result<Vec<Hit>> {
    let filter = filter(engine, call, ask).await?;
    let limit = Some(ask.limit.unwrap_or(LIMIT));
    let asked = Ask::new(query, limit, filter, Some(reader.unwrap_or_else(|| NOBODY.to_owned())));
    let asked = asked.map_err(|error| named(error, ask))?.within(corpora(ask));
    let asked = asked.with(call.credential.clone()).paid_for(call.end_user.clone());
    let turn = turns::take(engine, &call.credential.tenant, call.is_background).await?;
    let (engine, scope) = (Arc::clone(engine), call.credential.scope);
    let looked = turn.hold(async move { knowledge::look(&engine, &scope, &asked).await }).await;
    let Looked { mut hits, by_words_alone } = looked.map_err(|error| {
        let error = unreachable(error);
        if error.param() == Some("corpora") { error.within(AT) } else { error }
    })?;
    if by_words_alone {
        return Err(unsearchable());
    }
    let score_min = ask.tool.as_ref().and_then(|tool| tool.score_min).unwrap_or_default();
    // From 0 to 1, as a search of a vector store tells it: what is told is what the caller's bound is held against.
    hits.iter_mut().for_each(|hit| hit.score = (hit.score / SCORE_MAX).min(1.0));
    hits.retain(|hit| hit.score >= score_min);
    let mut bytes = 0;
    hits.retain(|hit| {
        bytes += hit.text.len();
        bytes <= TEXT_BYTES_MAX
    });
    Ok(hits)
}

/// Which reference corpora are searched beside the tenant's documents. None is in a vector store.
fn corpora(ask: &RetrievalAsk) -> CorporaChoice {
    match &ask.corpora {
        None if !ask.vector_store_ids.is_empty() => CorporaChoice::Named(Vec::new()),
        None => CorporaChoice::Profile,
        Some(CorporaAsk::All) => CorporaChoice::All,
        Some(CorporaAsk::Named(names)) => CorporaChoice::Named(names.clone()),
    }
}

/// Which documents count.
async fn filter(engine: &Engine, call: &Call, ask: &RetrievalAsk) -> Result<Filter> {
    let fields: BTreeMap<String, Value> = match &ask.filter {
        Some(Value::Object(fields)) => fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        Some(_) => return Err(Error::invalid(format!("`{AT}.filter` must be an object of fields")).at(format!("{AT}.filter"))),
        None => BTreeMap::new(),
    };
    let mut filter = Filter::parse(&fields).map_err(|error| error.within(AT))?;
    if let Some((filters, at)) = ask.tool.as_ref().and_then(|tool| Some((tool.filters.as_ref()?, &tool.at))) {
        filter = filter.and(Filter::tree(filters, &format!("{at}.filters"))?);
    }
    if ask.vector_store_ids.is_empty() {
        return Ok(filter);
    }
    let at = format!("{}.vector_store_ids", ask.tool.as_ref().map_or(AT, |tool| &tool.at));
    let ids = ask.vector_store_ids.iter().map(|id| id.parse().map_err(|_| stores::no_such_store()));
    let ids: Vec<VectorStoreId> = ids.collect::<Result<_>>().map_err(|error| error.at(at.clone()))?;
    let in_stores = stores::filter(engine, &call.credential.scope, &ids).await.map_err(|error| error.at(at))?;
    Ok(filter.and(in_stores))
}

/// What is wrong with a question, by the name that it has in the request.
fn named(error: Error, ask: &RetrievalAsk) -> Error {
    match (&ask.tool, error.param()) {
        (Some(tool), Some("limit")) => {
            let at = format!("{}.max_num_results", tool.at);
            error.at(at)
        }
        _ => error.within(AT),
    }
}

/// Where documents cannot be searched, the request is refused and not answered from less than was asked for.
fn unreachable(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::Unavailable { .. }
        | ErrorKind::BudgetExceeded(_)
        | ErrorKind::RateLimited { .. } => error,
        _ => unsearchable().caused_by(error),
    }
}

fn unsearchable() -> Error {
    let message = "the documents cannot be searched now; try again, or ask without `insula.retrieval` and `file_search`";
    Error::new(ErrorKind::Unavailable { retry_after: Duration::from_secs(1) }, message)
}
