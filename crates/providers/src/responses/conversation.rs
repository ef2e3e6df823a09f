//! What was said before, put in front of a request that goes on from it.

use bytes::Bytes;
use insula_model::{Error, Result};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Chain;
use crate::{
    ChatRequest,
    json::{members, push_string},
};

/// A request and its answer, as they are kept.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The request's own items: what [`ChatRequest::own_input`] answered.
    pub input: Bytes,
    /// The response as its caller got it.
    pub response: Bytes,
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    output: Vec<&'a RawValue>,
}

impl ChatRequest {
    /// The items that this request itself brings, as a JSON list: without what was said before.
    ///
    /// # Errors
    /// Our own fault: the body was checked when it came.
    pub fn own_input(&self) -> Result<Bytes> {
        if let Some(brought) = self.chain.as_ref().and_then(|chain| chain.brought.clone()) {
            return Ok(brought);
        }
        let mut out = vec![b'['];
        for (_, input) in self.fields()?.iter().filter(|(name, _)| name == "input") {
            push_items(&mut out, input)?;
        }
        out.push(b']');
        Ok(out.into())
    }

    /// The same request with what was said before in front, oldest first: bounded and checked as if the caller had sent it all.
    ///
    /// # Errors
    /// `Invalid` where the whole is more than a request may be; `TooLarge` above `bytes_max`.
    pub fn after(&self, before: &[Exchange], bytes_max: usize) -> Result<Self> {
        let kept = before.iter().map(|exchange| exchange.input.len() + exchange.response.len()).sum::<usize>();
        let mut out = Vec::with_capacity(kept + self.raw().len());
        for (name, value) in self.fields()? {
            out.push(if out.is_empty() { b'{' } else { b',' });
            push_string(&mut out, &name);
            out.push(b':');
            if name != "input" {
                out.extend_from_slice(value.get().as_bytes());
                continue;
            }
            out.push(b'[');
            for exchange in before {
                push_list(&mut out, &parsed(&exchange.input)?);
                push_list(&mut out, &parsed::<Answered<'_>>(&exchange.response)?.output);
            }
            push_items(&mut out, value)?;
            out.push(b']');
        }
        out.push(b'}');
        if out.len() > bytes_max {
            let why =
                format!("the conversation with all that was said before is larger than {bytes_max} bytes; begin a new one");
            return Err(Error::new(insula_model::ErrorKind::TooLarge, why).at("previous_response_id"));
        }
        let whole = Self::parse_responses(out.into())?;
        let brought = Some(self.own_input()?);
        Ok(Self { chain: self.chain.clone().map(|chain| Chain { brought, ..chain }), ..whole })
    }

    fn fields(&self) -> Result<Vec<(std::borrow::Cow<'_, str>, &RawValue)>> {
        let text = std::str::from_utf8(self.raw()).map_err(Error::internal)?;
        Ok(members(text, "the body")?.0)
    }
}

/// The kept items of a request, each with an id that is made of `id` where it has none.
///
/// # Errors
/// When what was kept is not what [`ChatRequest::own_input`] answered.
pub fn input_items(kept: &[u8], id: &str) -> Result<Vec<(String, Box<RawValue>)>> {
    let items: Vec<serde_json::Map<String, serde_json::Value>> = parsed(kept)?;
    let named = |(place, mut item): (usize, serde_json::Map<String, serde_json::Value>)| {
        item.entry("type").or_insert_with(|| "message".into());
        // Who sent a bare text gets it back as the part that it is.
        if let Some(text) = item.get("content").and_then(|content| content.as_str()).map(str::to_owned) {
            let kind = if item.get("role").is_some_and(|role| role == "assistant") { "output_text" } else { "input_text" };
            item.insert("content".to_owned(), serde_json::json!([{"type": kind, "text": text}]));
        }
        let given = item.get("id").and_then(|id| id.as_str()).filter(|id| !id.is_empty()).map(str::to_owned);
        let id = given.unwrap_or_else(|| format!("item_{id}i{place}"));
        item.insert("id".to_owned(), id.clone().into());
        Ok((id, to_raw_value(&item).map_err(Error::internal)?))
    };
    items.into_iter().enumerate().map(named).collect()
}

fn parsed<'a, T: Deserialize<'a>>(kept: &'a [u8]) -> Result<T> {
    serde_json::from_slice(kept).map_err(Error::internal)
}

/// The items of `input`: a text is one message of the user.
fn push_items(out: &mut Vec<u8>, input: &RawValue) -> Result<()> {
    if input.get().starts_with('"') {
        push_comma(out);
        out.extend_from_slice(br#"{"type":"message","role":"user","content":"#);
        out.extend_from_slice(input.get().as_bytes());
        out.push(b'}');
        return Ok(());
    }
    push_list(out, &parsed(input.get().as_bytes())?);
    Ok(())
}

fn push_list(out: &mut Vec<u8>, items: &Vec<&RawValue>) {
    for item in items {
        push_comma(out);
        out.extend_from_slice(item.get().as_bytes());
    }
}

fn push_comma(out: &mut Vec<u8>) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
}
