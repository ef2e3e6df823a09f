//! Reading a stream of events as a client does.

use anyhow::{Context, anyhow};
use axum::body::Body;
use http::Response;
use http_body_util::BodyExt;
use serde_json::Value;

/// What a stream brought.
#[derive(Debug, Default)]
pub struct Streamed {
    /// The data of each event that is JSON.
    pub events: Vec<Value>,
    /// Whether it ended with `[DONE]`.
    pub done: bool,
}

impl Streamed {
    /// Reads the whole stream.
    pub async fn read(response: Response<Body>) -> anyhow::Result<Self> {
        let mut body = response.into_body();
        let mut unread = Vec::new();
        let mut streamed = Streamed::default();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| anyhow!("the stream broke off"))?.into_data() else { continue };
            unread.extend_from_slice(&data);
            while let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = unread.drain(..end + 2).collect();
                streamed.take(&event)?;
            }
        }
        Ok(streamed)
    }

    fn take(&mut self, event: &[u8]) -> anyhow::Result<()> {
        let event = std::str::from_utf8(event).context("an event is no text")?;
        // Comments keep the connection alive and say nothing.
        for data in event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim) {
            if data == "[DONE]" {
                self.done = true;
            } else {
                self.events.push(serde_json::from_str(data).with_context(|| format!("an event is no JSON: {data}"))?);
            }
        }
        Ok(())
    }

    /// The text of all events together.
    pub fn content(&self) -> String {
        self.events.iter().filter_map(|event| event.pointer("/choices/0/delta/content")?.as_str()).collect()
    }

    /// The usage that the last event told.
    pub fn usage(&self) -> Option<&Value> {
        self.events.iter().rev().map(|event| &event["usage"]).find(|usage| usage.is_object())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_read() {
        let text = ": wait\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Sal\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"ve\"}}]}\n\n\
                    data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\ndata: [DONE]\n\n";
        let streamed = Streamed::read(Response::new(Body::from(text))).await.unwrap();
        assert_eq!(streamed.content(), "Salve");
        assert_eq!(streamed.usage().and_then(|usage| usage["total_tokens"].as_u64()), Some(3));
        assert!(streamed.done);
    }
}
