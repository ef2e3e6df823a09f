//! Answers that nodes share: sealed by whoever keeps them, found by the hash of their key, gone by themselves.
//!
//! They have a connection of their own, because they are large: no count waits behind one of them, and one that takes too long
//! does not make Redis away for counting.

use std::{sync::Arc, time::Duration};

use insula_model::Result;
use redis::Value;

use super::{
    dial::Dial,
    link::{Link, Task},
    names::Names,
    scripts::Scripts,
};
use crate::AnswerKey;

/// What is said when Redis cannot be asked for answers.
const WITHOUT: &str = "answers that other nodes keep are not found until it is back";

/// Answers that nodes share.
pub(super) struct Answers {
    link: Arc<Link>,
    /// It ends with this.
    _maker: Task,
}

impl Answers {
    pub(super) async fn open(dial: Arc<Dial>, scripts: Arc<Scripts>, probe: String, timeout: Duration) -> Result<Self> {
        let (link, maker) = Link::open(dial, scripts, probe, timeout, WITHOUT).await?;
        Ok(Self { link, _maker: maker })
    }

    /// What is kept under a key; nothing while Redis is away.
    pub(super) async fn find(&self, names: &Names, key: &AnswerKey) -> Option<Vec<u8>> {
        match self.link.ask(redis::cmd("GET").arg(names.answer(key))).await {
            Ok(Value::BulkString(sealed)) => Some(sealed),
            _ => None,
        }
    }

    /// Keeps what is sealed for at most `ttl`. What cannot be kept is not.
    pub(super) async fn keep(&self, names: &Names, key: &AnswerKey, sealed: &[u8], ttl: Duration) {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        let _ = self.link.ask(redis::cmd("SET").arg(names.answer(key)).arg(sealed).arg("PX").arg(millis)).await;
    }
}
