//! What changes an answer on its way to its caller.

use std::{fmt, sync::Arc};

use insula_model::chat::{Event, Reply};

/// Takes the events of one answer, and says what goes on in their place.
pub trait Edit: fmt::Debug + Send + Sync {
    /// Adds what goes on in the place of this event: nothing, itself or others.
    fn take(&mut self, event: Event, into: &mut Vec<Event>);
}

/// Makes an [`Edit`] for each attempt at an answer. An answer that is edited is always written anew, also where caller and provider
/// speak the same form.
#[derive(Clone)]
pub struct Editor(Arc<dyn Fn() -> Box<dyn Edit> + Send + Sync>);

impl Editor {
    /// One that makes its edits like this.
    pub fn new(make: impl Fn() -> Box<dyn Edit> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// For one answer.
    pub fn edit(&self) -> Box<dyn Edit> {
        (self.0)()
    }

    /// A whole answer, edited.
    pub(crate) fn edited(&self, reply: &Reply) -> Reply {
        let (mut edit, mut events) = (self.edit(), Vec::new());
        for event in reply.events() {
            edit.take(event, &mut events);
        }
        Reply::of(events)
    }
}

impl fmt::Debug for Editor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editor").finish_non_exhaustive()
    }
}
