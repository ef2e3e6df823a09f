//! Gemini's dialect: the model and what is wanted of it stand in the path.
//!
//! `request` reads a chat, `chat` answers it in the words of `openai::chat`, so that both dialects say the same; `embeddings` are theirs
//! as well. Source of the formats: Google's Gemini API reference, and what its Python SDK insists on.

mod chat;
mod embeddings;
mod request;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::world::Call;

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'p> {
    model: &'p str,
    method: Method,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Generate,
    Stream,
    Embed,
}

impl<'p> Target<'p> {
    /// Reads `/v1beta/models/{model}:{method}`.
    pub(crate) fn of(path: &'p str) -> Option<Target<'p>> {
        let (model, method) = path.strip_prefix("/v1beta/models/")?.split_once(':')?;
        let method = match method {
            "generateContent" => Method::Generate,
            "streamGenerateContent" => Method::Stream,
            "batchEmbedContents" => Method::Embed,
            _ => return None,
        };
        Some(Target { model, method })
    }

    /// Drafts the answer.
    pub(crate) fn answer(&self, call: &Call, body: &[u8]) -> Result<Answer, ApiError> {
        match self.method {
            Method::Generate => chat::answer(call, self.model, body, false),
            Method::Stream => chat::answer(call, self.model, body, true),
            Method::Embed => embeddings::answer(call, self.model, body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let target = Target::of("/v1beta/models/gemini-2.5-flash:streamGenerateContent").unwrap();
        assert_eq!(target, Target { model: "gemini-2.5-flash", method: Method::Stream });
        for other in ["/v1beta/models/x", "/v1beta/models/x:countTokens", "/v1/models/x:generateContent"] {
            assert_eq!(Target::of(other), None, "{other}");
        }
    }
}
