//! Putting what was found into a request, behind the caller's own instructions and before all else that is said.

use bytes::Bytes;
use insula_model::{
    Error, Result,
    chat::{Part, Role},
};
use serde_json::value::RawValue;

use super::detach::{check_calls, push};
use crate::{
    ChatRequest, Dialect,
    json::{is_given, members, push_string},
};

/// Roles of instructions.
const INSTRUCTING: [&str; 2] = ["system", "developer"];

impl ChatRequest {
    /// What the user said last, where that can be read and has a text.
    pub fn last_said(&self) -> Option<String> {
        let request = self.dialect.read(std::str::from_utf8(self.sent()).ok()?).ok()?;
        let last = request.messages.into_iter().rev().find(|message| message.role == Role::User)?;
        let texts = last.parts.into_iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        });
        let said = texts.collect::<Vec<_>>().join("\n");
        (!said.trim().is_empty()).then_some(said)
    }

    /// Whether the answer is to be JSON: marks of citations have no place in it.
    pub fn wants_json(&self) -> bool {
        let text = std::str::from_utf8(self.sent()).unwrap_or_default();
        let fields = members(text, "the body").map(|fields| fields.0).unwrap_or_default();
        let asks = |value: &RawValue| value.get().contains("json_object") || value.get().contains("json_schema");
        fields.iter().any(|(name, value)| match name.as_ref() {
            "response_format" | "text" | "output_config" | "output_format" => asks(value),
            _ => false,
        })
    }

    /// The same request with instructions put behind the caller's own, bounded and checked as if the caller had sent it so.
    /// Where `without_calls`, the model shall call none of the caller's tools.
    ///
    /// # Errors
    /// `Invalid` where the whole is more than a request may be.
    pub fn instructed(&self, instructions: &str, without_calls: bool) -> Result<Self> {
        self.with(Some(instructions), without_calls)
    }

    /// The same request, in which the model shall call none of the caller's tools.
    ///
    /// # Errors
    /// `Invalid`, naming the field that demands a call or lets the provider make some.
    pub fn without_calls(&self) -> Result<Self> {
        let text = std::str::from_utf8(self.sent()).map_err(Error::internal)?;
        let fields = members(text, "the body")?.0;
        let has_tools = fields.iter().any(|(name, value)| (name == "tools" || name == "functions") && is_given(value));
        check_calls(&fields, has_tools)?;
        if has_tools { self.with(None, true) } else { Ok(self.clone()) }
    }

    fn with(&self, instructions: Option<&str>, without_calls: bool) -> Result<Self> {
        let text = std::str::from_utf8(self.sent()).map_err(Error::internal)?;
        let fields = members(text, "the body")?.0;
        let has = |wanted: &str| fields.iter().any(|(name, value)| name == wanted && is_given(value));
        let (own, none) = match self.dialect {
            Dialect::Messages => ("system", r#"{"type":"none"}"#),
            Dialect::Responses => ("input", r#""none""#),
            Dialect::ChatCompletions => ("messages", r#""none""#),
        };
        let refused = [("tools", "tool_choice", none), ("functions", "function_call", r#""none""#)];
        let refused = refused.into_iter().filter(|(tools, ..)| without_calls && has(tools));
        let refused: Vec<(&str, &str)> = refused.map(|(_, choice, none)| (choice, none)).collect();
        let room = instructions.map_or(0, |instructions| instructions.len() + instructions.len() / 8);
        let mut out = Vec::with_capacity(text.len() + room);
        for (name, value) in &fields {
            if refused.iter().any(|(choice, _)| choice == name) {
                continue;
            }
            match instructions.filter(|_| name == own) {
                None => push(&mut out, name, value.get()),
                Some(instructions) if is_given(value) => push(&mut out, name, &self.put(value, instructions)?),
                Some(_) => {}
            }
        }
        if let Some(instructions) = instructions.filter(|_| !has(own)) {
            push(&mut out, own, &quoted(instructions));
        }
        for (choice, none) in refused {
            push(&mut out, choice, none);
        }
        out.push(b'}');
        self.rewritten(out.into())
    }

    /// The field that holds instructions or all that is said, with these put in.
    fn put(&self, value: &RawValue, instructions: &str) -> Result<String> {
        let text = quoted(instructions);
        if self.dialect == Dialect::Messages {
            let block = format!(r#"{{"type":"text","text":{text}}}"#);
            let own = value.get();
            return Ok(match own.strip_suffix(']') {
                None => format!(r#"[{{"type":"text","text":{own}}},{block}]"#),
                Some(_) if items(value)?.is_empty() => format!("[{block}]"),
                Some(blocks) => format!("{blocks},{block}]"),
            });
        }
        let ours = match self.dialect {
            Dialect::Responses => format!(r#"{{"type":"message","role":"developer","content":{text}}}"#),
            _ => format!(r#"{{"role":"system","content":{text}}}"#),
        };
        if value.get().starts_with('"') {
            return Ok(format!(r#"[{ours},{{"type":"message","role":"user","content":{}}}]"#, value.get()));
        }
        let said = items(value)?;
        let leading = said.iter().take_while(|item| is_instruction(item)).count();
        let mut all: Vec<&str> = said.iter().map(|item| item.get()).collect();
        all.insert(leading, &ours);
        Ok(format!("[{}]", all.join(",")))
    }

    /// The request with another text for the provider; what its caller sent stays the same.
    fn rewritten(&self, sent: Bytes) -> Result<Self> {
        let again = match self.dialect {
            Dialect::ChatCompletions => Self::parse(sent),
            Dialect::Responses => Self::parse_responses(sent),
            Dialect::Messages => Self::parse_to_count(sent),
        }?;
        let (caller, retrieval, chain) = (Some(self.raw().clone()), self.retrieval.clone(), self.chain.clone());
        Ok(Self { caller, retrieval, chain, ..again })
    }
}

fn items(value: &RawValue) -> Result<Vec<&RawValue>> {
    serde_json::from_str(value.get()).map_err(Error::internal)
}

fn is_instruction(item: &RawValue) -> bool {
    let fields = members(item.get(), "a message").map(|fields| fields.0).unwrap_or_default();
    let role =
        fields.iter().find(|(name, _)| name == "role").and_then(|(_, role)| serde_json::from_str::<String>(role.get()).ok());
    role.is_some_and(|role| INSTRUCTING.contains(&role.as_str()))
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 2);
    push_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request: &ChatRequest) -> serde_json::Value {
        serde_json::from_slice(request.sent()).unwrap()
    }

    #[test]
    fn instructions_go_behind_the_callers_own() {
        let body = r#"{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}],"insula":{"retrieval":true}}"#;
        let request = ChatRequest::parse(body.into()).unwrap();
        let put = request.instructed("data \"1\"\n", true).unwrap();
        assert_eq!(sent(&put)["messages"][1], serde_json::json!({"role": "system", "content": "data \"1\"\n"}));
        assert_eq!(sent(&put)["messages"][2]["content"], "hi");
        assert_eq!(&**put.raw(), body.as_bytes(), "what the caller sent is kept");
        assert_eq!(put.retrieval, request.retrieval);
        assert!(put.input.bytes > request.input.bytes, "it is paid for");
        assert_eq!(request.last_said().as_deref(), Some("hi"));
    }

    #[test]
    fn each_dialect_has_a_place_for_them() {
        let body = r#"{"model":"m","input":"hi","instructions":"be brief","insula":{"retrieval":true}}"#;
        let put = ChatRequest::parse_responses(body.into()).unwrap().instructed("data", true).unwrap();
        assert_eq!(sent(&put)["input"][0]["role"], "developer");
        assert_eq!(sent(&put)["input"][1], serde_json::json!({"type": "message", "role": "user", "content": "hi"}));
        assert_eq!(put.own_input().unwrap(), r#"[{"type":"message","role":"user","content":"hi"}]"#);
        for (system, wanted) in [
            ("", serde_json::json!("data")),
            (
                r#","system":"be brief""#,
                serde_json::json!([{"type": "text", "text": "be brief"}, {"type": "text", "text": "data"}]),
            ),
            (r#","system":[]"#, serde_json::json!([{"type": "text", "text": "data"}])),
        ] {
            let body = format!(r#"{{"model":"m","max_tokens":5,"messages":[{{"role":"user","content":"hi"}}]{system}}}"#);
            let put = ChatRequest::parse_messages(body.into()).unwrap().instructed("data", true).unwrap();
            assert_eq!(sent(&put)["system"], wanted);
        }
    }

    #[test]
    fn tools_stay_and_are_not_called() {
        let body = |more: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        let tools = r#","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto""#;
        let request = ChatRequest::parse(body(tools).into()).unwrap();
        assert_eq!(sent(&request.instructed("d", true).unwrap())["tool_choice"], "none");
        assert_eq!(sent(&request.instructed("d", false).unwrap())["tool_choice"], "auto");
        let functions = ChatRequest::parse(body(r#","functions":[{"name":"f"}]"#).into()).unwrap();
        assert_eq!(sent(&functions.instructed("d", true).unwrap())["function_call"], "none");
        let plain = ChatRequest::parse(body("").into()).unwrap().instructed("d", true).unwrap();
        assert_eq!(sent(&plain).get("tool_choice"), None);
        let silent = request.without_calls().unwrap();
        assert_eq!((&sent(&silent)["tool_choice"], &sent(&silent)["messages"]), (&"none".into(), &sent(&request)["messages"]));
        let demanding = ChatRequest::parse(body(&tools.replace("auto", "required")).into()).unwrap();
        assert_eq!(demanding.without_calls().unwrap_err().param(), Some("tool_choice"));
    }

    #[test]
    fn what_acts_by_itself_is_named() {
        let body = |more: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{more}}}"#);
        for (field, value) in
            [("web_search_options", "{}"), ("plugins", "[{}]"), ("mcp_servers", "[{}]"), ("enable_search", "true")]
        {
            let more = format!(r#""{field}":{value}"#);
            assert_eq!(ChatRequest::parse(body(&more).into()).unwrap().without_calls().unwrap_err().param(), Some(field));
            let asking = body(&format!(r#"{more},"insula":{{"retrieval":true}}"#));
            assert_eq!(ChatRequest::parse(asking.into()).unwrap_err().param(), Some(field));
            let allowed = body(&format!(r#"{more},"insula":{{"retrieval":{{"tool_calls":"allow"}}}}"#));
            assert!(ChatRequest::parse(allowed.into()).is_ok());
        }
        for nothing in [r#""plugins":[]"#, r#""mcp_servers":null"#, r#""enable_search":false"#] {
            assert!(ChatRequest::parse(body(nothing).into()).unwrap().without_calls().is_ok(), "{nothing}");
        }
    }
}
