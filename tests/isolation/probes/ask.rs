//! One thing that is asked with the name of what may be another's, and what must come of it.

use http::Method;
use insula_tests::{Caller, Reply};
use serde_json::Value;

use super::planted::Planted;

/// What must come of it where what is named is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// As of something that never was.
    NotFound,
    /// As for everybody with such a credential.
    Forbidden,
    /// Something of one's own, and nothing else.
    Own,
    /// Nothing at all: one's own has nothing of what is asked for.
    Nothing,
    /// Whatever one's own has, or that it makes no sense.
    Either,
}

/// What comes of the same where all of it is one's own: the control that a probe would find what another may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// The canary, or an id.
    Finds,
    /// A change.
    Changes,
    /// No more than where it is another's.
    Nothing,
}

/// A request, ready to be sent.
pub struct Ask {
    caller: Caller,
    method: Method,
    path: String,
    body: Option<Value>,
    pub foreign: Foreign,
    pub own: Own,
}

impl Ask {
    pub fn get(caller: &Caller, path: impl Into<String>, foreign: Foreign, own: Own) -> Ask {
        Ask { caller: caller.clone(), method: Method::GET, path: path.into(), body: None, foreign, own }
    }

    pub fn post(caller: &Caller, path: impl Into<String>, body: Value, foreign: Foreign, own: Own) -> Ask {
        Ask { method: Method::POST, body: Some(body), ..Ask::get(caller, path, foreign, own) }
    }

    pub fn delete(caller: &Caller, path: impl Into<String>, foreign: Foreign) -> Ask {
        Ask { method: Method::DELETE, ..Ask::get(caller, path, foreign, Own::Changes) }
    }

    /// A change in place, by `PUT`.
    pub fn put(caller: &Caller, path: impl Into<String>, body: Value, foreign: Foreign) -> Ask {
        Ask { method: Method::PUT, body: Some(body), ..Ask::get(caller, path, foreign, Own::Changes) }
    }

    /// Of which nothing is said where it is one's own.
    pub fn whoever(self) -> Ask {
        Ask { own: Own::Nothing, ..self }
    }

    /// Sends it.
    pub async fn send(&self) -> Reply {
        let call = self.caller.call(self.method.clone(), &self.path);
        match &self.body {
            Some(body) => call.json(body).send().await,
            None => call.send().await,
        }
    }

    /// What it asks, for whoever reads that it went wrong; two that are the same ask the same.
    pub fn says(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.body.clone().unwrap_or_default())
    }
}

/// What an answer holds of somebody: words of theirs, or ids that the question did not name.
pub fn holds(ask: &Ask, reply: &Reply, of: &Planted) -> Option<String> {
    let mut text = reply.text();
    if let Ok(mut page) = serde_json::from_str::<Value>(&text)
        && page["object"] == "vector_store.search_results.page"
    {
        // The question, word for word.
        page.as_object_mut().unwrap().remove("search_query");
        text = page.to_string();
    }
    if text.contains(&of.canary) {
        return Some(of.canary.clone());
    }
    let (said, is_error) = (ask.says(), reply.status >= 400);
    let is_told = |id: &&&str| text.contains(**id) && !(is_error && said.contains(**id));
    of.ids().iter().find(is_told).map(|id| (*id).to_owned())
}

/// What is wrong with an answer to somebody else.
pub fn wrong_for_another(ask: &Ask, reply: &Reply, of: &Planted) -> Option<String> {
    if let Some(held) = holds(ask, reply, of) {
        return Some(format!("{held} is told: {}: {}", ask.says(), reply.text()));
    }
    let is_right = match ask.foreign {
        Foreign::NotFound => reply.status == 404,
        Foreign::Forbidden => reply.status == 403,
        Foreign::Own => reply.status == 200 && found(reply) > 0,
        Foreign::Nothing => reply.status == 200 && found(reply) == 0,
        Foreign::Either => matches!(reply.status, 200 | 400 | 404),
    };
    (!is_right).then(|| format!("not {:?}: {}: {} {}", ask.foreign, ask.says(), reply.status, reply.text()))
}

/// What is wrong with an answer to whoever owns all of it.
pub fn wrong_for_its_own(ask: &Ask, reply: &Reply, of: &Planted) -> Option<String> {
    let is_right = match ask.own {
        Own::Finds => reply.status == 200 && holds(ask, reply, of).is_some(),
        Own::Changes => matches!(reply.status, 200..=204),
        Own::Nothing => true,
    };
    (!is_right).then(|| format!("not {:?}: {}: {} {}", ask.own, ask.says(), reply.status, reply.text()))
}

/// How much an answer found: rows of a list or a search, or sources of an answer.
fn found(reply: &Reply) -> usize {
    let answer = reply.json();
    let rows = answer.get("data").or_else(|| answer.pointer("/insula/retrieval/sources"));
    rows.and_then(Value::as_array).unwrap_or_else(|| panic!("nothing is listed in {answer}")).len()
}
