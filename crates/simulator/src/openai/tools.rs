//! Whether an answer calls a tool, and with what.

use serde::Deserialize;
use serde_json::Value;

use super::request::{ChatRequest, ToolChoice, invalid};
use crate::errors::ApiError;

/// Said by the user, in any case: the way to make a free choice a call.
const TRIGGER: &str = "use the tool";
/// The same for a call of every tool at once.
const TRIGGER_ALL: &str = "use the tools";

#[derive(Debug, Deserialize)]
struct Tool {
    function: Function,
}

/// A function that the model may call.
#[derive(Debug, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The JSON schema of its arguments. Without one there are none.
    #[serde(default = "no_parameters")]
    pub(crate) parameters: Value,
}

fn no_parameters() -> Value {
    serde_json::json!({"type": "object"})
}

/// The functions that the answer calls: the named one, else the first, else all. After a tool's result the model has what it
/// wanted and answers in words. `regardless` of the choice that none may be called, the first is.
pub(crate) fn called(request: &ChatRequest<'_>, regardless: bool) -> Result<Vec<Function>, ApiError> {
    let Some(tools) = request.tools else { return Ok(Vec::new()) };
    let tools: Vec<Tool> = serde_json::from_str(tools.get()).map_err(|error| invalid("tools", &error))?;
    let mut functions = tools.into_iter().map(|tool| tool.function);

    if request.messages.last().is_some_and(|message| message.role == "tool") {
        return Ok(Vec::new());
    }
    let said = request.last_said().to_ascii_lowercase();
    let at_once = if said.contains(TRIGGER_ALL) && request.parallel_tool_calls != Some(false) { usize::MAX } else { 1 };
    match &request.tool_choice {
        Some(ToolChoice::Named { function }) => {
            let named = functions.find(|candidate| candidate.name == function.name);
            let missing = || ApiError::field("tool_choice", format!("Tool '{}' is not in 'tools'.", function.name));
            named.ok_or_else(missing).map(|function| vec![function])
        }
        Some(ToolChoice::Mode(mode)) if mode == "none" && !regardless => Ok(Vec::new()),
        Some(ToolChoice::Mode(mode)) if mode == "required" => Ok(functions.take(at_once).collect()),
        _ if regardless || said.contains(TRIGGER) => Ok(functions.take(at_once).collect()),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(messages: &str, tool_choice: &str) -> Result<String, ApiError> {
        let tools = r#"[{"type":"function","function":{"name":"first"}},{"type":"function","function":{"name":"second"}}]"#;
        let body = format!(r#"{{"model":"m","messages":{messages},"tools":{tools},"tool_choice":{tool_choice}}}"#);
        let request = ChatRequest::from_json(body.as_bytes())?;
        Ok(called(&request, false)?.into_iter().map(|function| function.name).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_choice_follows_the_request() {
        let plain = r#"[{"role":"user","content":"hello"}]"#;
        let asking = r#"[{"role":"user","content":"Please USE the Tool now"}]"#;
        let answered = r#"[{"role":"user","content":"use the tool"},{"role":"tool","content":"42","tool_call_id":"c"}]"#;
        let second = r#"{"type":"function","function":{"name":"second"}}"#;

        assert_eq!(choice(plain, r#""auto""#).unwrap(), "");
        assert_eq!(choice(plain, "null").unwrap(), "");
        assert_eq!(choice(asking, "null").unwrap(), "first");
        assert_eq!(choice(asking, r#""none""#).unwrap(), "");
        assert_eq!(choice(plain, r#""required""#).unwrap(), "first");
        assert_eq!(choice(plain, second).unwrap(), "second");
        assert_eq!(choice(answered, r#""required""#).unwrap(), "");
        assert!(choice(plain, r#"{"type":"function","function":{"name":"third"}}"#).is_err());
        let all = r#"[{"role":"user","content":"use the tools"}]"#;
        assert_eq!(choice(all, r#""required""#).unwrap(), "first second");
        assert_eq!(choice(all, r#""auto","parallel_tool_calls":false"#).unwrap(), "first");
    }
}
