//! Which model the name `auto` stands for: the tenant's matrix, by how demanding a request is.
//!
//! The caller may say it; else a request is complex when any of these holds. A mistake costs money or quality, never safety:
//! both models of the matrix are the tenant's own choice.
//!
//! - It is long: [`INPUT_TOKENS_MAX`] tokens or more of input, at four bytes a token.
//! - It allows a long answer: [`OUTPUT_TOKENS_MAX`] tokens or more.
//! - It goes on for long: [`TURNS_MAX`] messages or more.
//! - It offers tools, shows images, demands a schema or states an effort to think with.

use insula_model::{Complexity, Matrix};
use insula_providers::Capability;

use crate::work::Work;

/// The name that stands for a model of the matrix.
const AUTO: &str = "auto";
const INPUT_TOKENS_MAX: u64 = 2_000;
const OUTPUT_TOKENS_MAX: u64 = 2_000;
const TURNS_MAX: u64 = 8;

/// The model that is looked for, and how demanding the request is where that decided it.
pub(super) fn resolve<'a>(
    matrix: Option<&'a Matrix>,
    work: &'a Work,
    stated: Option<Complexity>,
) -> (&'a str, Option<Complexity>) {
    let Some(matrix) = matrix.filter(|_| work.model() == AUTO) else { return (work.model(), None) };
    let complexity = stated.unwrap_or_else(|| guess(work));
    match complexity {
        Complexity::Simple => (&matrix.simple, Some(complexity)),
        Complexity::Complex => (&matrix.complex, Some(complexity)),
    }
}

fn guess(work: &Work) -> Complexity {
    let Work::Chat(chat) = work else { return Complexity::Simple };
    let is_long = work.input_tokens_estimate() >= INPUT_TOKENS_MAX
        || chat.max_tokens.is_some_and(|tokens| tokens >= OUTPUT_TOKENS_MAX)
        || chat.input.messages >= TURNS_MAX;
    if is_long || !Capability::needed_by(chat).is_empty() { Complexity::Complex } else { Complexity::Simple }
}

#[cfg(test)]
mod tests {
    use insula_providers::ChatRequest;

    use super::*;

    fn resolved(model: &str, more: &str, stated: Option<Complexity>) -> String {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        let work = Work::chat(ChatRequest::parse(body.into()).unwrap());
        let matrix = Matrix { simple: "small".to_owned(), complex: "large".to_owned() };
        resolve(Some(&matrix), &work, stated).0.to_owned()
    }

    #[test]
    fn only_auto_is_resolved_and_the_caller_has_the_last_word() {
        assert_eq!(resolved("gpt", "", None), "gpt");
        assert_eq!(resolved(AUTO, "", None), "small");
        assert_eq!(resolved(AUTO, "", Some(Complexity::Complex)), "large");
        assert_eq!(resolved(AUTO, r#","max_tokens":2000"#, None), "large");
        assert_eq!(resolved(AUTO, r#","max_tokens":2000"#, Some(Complexity::Simple)), "small");
        assert_eq!(resolved(AUTO, r#","tools":[{"type":"function","function":{"name":"f"}}]"#, None), "large");
        assert_eq!(resolved(AUTO, &format!(r#","stop":"{}""#, "x".repeat(8_000)), None), "large");
    }
}
