//! Which lines go together: embeddings that ask the same model with the same parameters, as many as a call may have.
//!
//! What goes together is decided by the file and by settings, whatever of it is done already: whoever goes on after a crash finds the
//! same calls again, and so the answers that were kept. Lines of one kind go together in the order of the file; a call waits only for lines of
//! its kind, and for no more kinds than [`KINDS_MAX`].

use std::{collections::VecDeque, sync::Arc};

use insula_model::{Operation, Result};
use insula_providers::{EmbeddingsRequest, Likeness};

use super::{
    lines::{Line, Lines},
    run::Running,
    together,
};
use crate::{Engine, directory::TenantEntry, route, work::Work};

/// Kinds of lines that are gathered at once; a further one closes the oldest.
const KINDS_MAX: usize = 16;

/// A file's lines in the groups in which they are sent.
pub(super) struct Groups {
    lines: Lines,
    joining: Option<Joining>,
    ready: VecDeque<Vec<Line>>,
    is_over: bool,
}

/// What it takes to know which lines go together.
struct Joining {
    engine: Arc<Engine>,
    tenant: Arc<TenantEntry>,
    shelf: Shelf<Likeness, Line>,
}

impl Groups {
    /// Of these lines. All go alone but those of embeddings; those too where the tenant has an answer cache, which knows single lines.
    pub fn new(batch: &Running, lines: Lines) -> Self {
        let settings = &batch.engine.settings.batches;
        let credential = batch.credential().ok().filter(|credential| credential.tenant.cache.enabled != Some(true));
        let joins = batch.row.operation == Operation::Embeddings && settings.embedding_inputs_max > 1;
        let joining = credential.filter(|_| joins).map(|credential| Joining {
            engine: Arc::clone(&batch.engine),
            tenant: credential.tenant,
            shelf: Shelf { bytes_max: settings.embedding_input_bytes_max, open: VecDeque::new() },
        });
        Self { lines, joining, ready: VecDeque::new(), is_over: false }
    }

    /// The next group; `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Line>>> {
        loop {
            if let Some(group) = self.ready.pop_front() {
                return Ok(Some(group));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.lines.next().await? {
                Some(line) => self.add(line),
                None => {
                    self.is_over = true;
                    let open = self.joining.as_mut().map(|joining| std::mem::take(&mut joining.shelf.open));
                    self.ready.extend(open.into_iter().flatten().map(|group| group.lines));
                }
            }
        }
    }

    fn add(&mut self, line: Line) {
        let joining = self.joining.as_mut().and_then(|joining| Some((joining, together::request(&line)?)));
        match joining {
            Some((Joining { engine, tenant, shelf }, request)) => {
                let (inputs, bytes) = (request.input.messages, request.input.bytes);
                let likeness = request.likeness();
                let inputs_max = || inputs_max(engine, tenant, request);
                self.ready.extend(shelf.add(line, likeness, (inputs, bytes), inputs_max));
            }
            // What is wrong with it is said to it alone.
            None => self.ready.push_back(vec![line]),
        }
    }
}

/// How many inputs a call like this may have, whichever provider serves it in the end.
fn inputs_max(engine: &Engine, tenant: &TenantEntry, request: EmbeddingsRequest) -> u64 {
    let work = Work::Embeddings(Box::new(request));
    // Where nothing serves it each line is told so.
    let Ok((_, routes)) = route::meant(engine, tenant, &work, None) else { return 1 };
    let vendors = routes.iter().map(|route| route.provider.wire().embedding_inputs_max());
    vendors.chain([engine.settings.batches.embedding_inputs_max]).min().unwrap_or(1)
}

/// Groups that are being gathered.
struct Shelf<K, L> {
    bytes_max: u64,
    /// The oldest first.
    open: VecDeque<Group<K, L>>,
}

struct Group<K, L> {
    kind: K,
    lines: Vec<L>,
    inputs: u64,
    bytes: u64,
    inputs_max: u64,
}

impl<K: PartialEq, L> Shelf<K, L> {
    /// Adds a line of so many inputs and bytes; what is whole by that. `inputs_max` is asked once for a group.
    fn add(&mut self, line: L, kind: K, (inputs, bytes): (u64, u64), inputs_max: impl FnOnce() -> u64) -> Vec<Vec<L>> {
        let mut whole = Vec::new();
        let known = self.open.iter().position(|group| group.kind == kind);
        let full = |group: &Group<K, L>| group.inputs + inputs > group.inputs_max || group.bytes + bytes > self.bytes_max;
        let has_room = known.filter(|at| self.open.get(*at).is_some_and(|group| !full(group)));
        let closes = match (known, has_room) {
            (Some(at), None) => Some(at),
            (None, _) if self.open.len() >= KINDS_MAX => Some(0),
            _ => None,
        };
        whole.extend(closes.and_then(|at| self.open.remove(at)).map(|group| group.lines));
        let at = has_room.unwrap_or(self.open.len());
        if has_room.is_none() {
            self.open.push_back(Group { kind, lines: Vec::new(), inputs: 0, bytes: 0, inputs_max: inputs_max() });
        }
        if let Some(group) = self.open.get_mut(at) {
            group.lines.push(line);
            group.inputs += inputs;
            group.bytes += bytes;
            if group.inputs >= group.inputs_max || group.bytes >= self.bytes_max {
                whole.extend(self.open.remove(at).map(|group| group.lines));
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is whole after each of these lines: kind, inputs and bytes. Lines are told apart by their place.
    fn gathered(lines: &[(char, u64, u64)]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut shelf = Shelf { bytes_max: 100, open: VecDeque::new() };
        let add = |(place, (kind, inputs, bytes)): (usize, &(char, u64, u64))| shelf.add(place, *kind, (*inputs, *bytes), || 4);
        let whole = lines.iter().enumerate().flat_map(add).collect();
        (whole, shelf.open.into_iter().map(|group| group.lines).collect())
    }

    #[test]
    fn a_group_has_as_much_as_a_call_may_have() {
        let (whole, open) = gathered(&[('a', 1, 10); 10]);
        assert_eq!((whole, open), (vec![vec![0, 1, 2, 3], vec![4, 5, 6, 7]], vec![vec![8, 9]]));
        // What would be too much begins the next one.
        assert_eq!(gathered(&[('a', 3, 1), ('a', 2, 1), ('a', 1, 1)]), (vec![vec![0]], vec![vec![1, 2]]));
        assert_eq!(gathered(&[('a', 1, 60), ('a', 1, 50), ('a', 1, 50)]), (vec![vec![0], vec![1, 2]], vec![]));
        // A line that is too much by itself goes as it is.
        assert_eq!(gathered(&[('a', 9, 1), ('a', 1, 500)]), (vec![vec![0], vec![1]], vec![]));
    }

    #[test]
    fn kinds_do_not_mix() {
        let (whole, open) = gathered(&[('a', 1, 1), ('b', 1, 1), ('a', 2, 1), ('b', 2, 1), ('a', 1, 1), ('c', 4, 1)]);
        assert_eq!((whole, open), (vec![vec![0, 2, 4], vec![5]], vec![vec![1, 3]]));
    }

    #[test]
    fn so_many_kinds_are_gathered_at_once() {
        let kinds: Vec<(char, u64, u64)> = ('a'..='z').take(KINDS_MAX + 2).map(|kind| (kind, 1, 1)).collect();
        let (whole, open) = gathered(&kinds);
        assert_eq!((whole, open.len()), (vec![vec![0], vec![1]], KINDS_MAX));
    }
}
