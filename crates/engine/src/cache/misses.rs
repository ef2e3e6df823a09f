//! Answers that are under way: the same request of the same tenant waits for the first one's.

use std::{collections::HashMap, sync::Arc};

use insula_store::AnswerKey;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Kept;

/// How the first ended.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// With an answer for all who wait.
    Answer(Arc<Kept>),
    /// With one that is for itself alone: each of the others asks for its own.
    NotShared,
    /// With none: one of the others takes its place.
    Failed,
}

type Tell = Arc<watch::Sender<Option<Told>>>;

/// Requests whose answers others wait for.
#[derive(Default)]
pub(super) struct Misses {
    under_way: Mutex<HashMap<AnswerKey, Tell>>,
}

/// The right to ask for the others. Dropped without a word it has failed.
pub(super) struct Lead {
    misses: Arc<Misses>,
    key: AnswerKey,
    tell: Tell,
}

/// Whose turn it is to ask.
pub(super) enum Entry {
    /// This one's.
    First(Lead),
    /// Another one has asked; this tells how that ended.
    Later(watch::Receiver<Option<Told>>),
    /// Another one has asked, and as many wait for it as may.
    Full,
}

impl Misses {
    pub fn enter(self: &Arc<Self>, key: AnswerKey, waiters_max: usize) -> Entry {
        let mut under_way = self.under_way.lock();
        match under_way.get(&key) {
            Some(tell) if tell.receiver_count() >= waiters_max => Entry::Full,
            Some(tell) => Entry::Later(tell.subscribe()),
            None => {
                let tell = Arc::new(watch::Sender::new(None));
                under_way.insert(key, tell.clone());
                Entry::First(Lead { misses: self.clone(), key, tell })
            }
        }
    }
}

impl Lead {
    /// Whether anybody waits.
    pub fn is_followed(&self) -> bool {
        self.tell.receiver_count() > 0
    }

    /// Tells those who wait how it ended.
    pub fn tell(self, told: Told) {
        self.end(told);
    }

    fn end(&self, told: Told) {
        // Off the list before those who wait look again: the next to look is the first.
        let mut under_way = self.misses.under_way.lock();
        if under_way.get(&self.key).is_some_and(|tell| Arc::ptr_eq(tell, &self.tell)) {
            under_way.remove(&self.key);
        }
        drop(under_way);
        self.tell.send_if_modified(|ended| {
            let is_first = ended.is_none();
            if is_first {
                *ended = Some(told);
            }
            is_first
        });
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.end(Told::Failed);
    }
}
