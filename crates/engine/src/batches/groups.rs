//! Which lines go together: embeddings that ask the same model with the same parameters, as many as a call may have.
//!
//! What goes together is decided by the file and by settings, whatever of it is done already: whoever goes on after a crash finds the
//! same calls again, and so the answers that were kept. Lines of one kind go together in the order of the file; a call waits only for lines of
//! its kind, and for no more kinds than [`KINDS_MAX`]. A file is streamed: whatever stands in a line beside its input, those that wait take no
//! more than [`WAITING_BYTES_MAX`] together, and a line above [`WAITING_LINE_BYTES_MAX`] does not wait.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use insula_model::{Operation, Result};
use insula_providers::Likeness;

use super::{
    lines::{Line, Lines},
    run::Running,
    together,
};
use crate::{
    Engine,
    directory::TenantEntry,
    route::{self, Stated},
    work::Work,
};

/// Kinds of lines that are gathered at once; a further one closes the oldest.
const KINDS_MAX: usize = 16;
/// Bytes of a line that waits for others of its kind; a longer one goes alone, and at once.
const WAITING_LINE_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of all lines of a batch that wait; for a further one the oldest kinds are closed.
const WAITING_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of prose that make a token, on average; as the pace counts.
const BYTES_PER_TOKEN: u64 = 4;

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
            shelf: Shelf { open: VecDeque::new() },
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
        let line_bytes = line.text.as_ref().map_or(0, |text| text.len() as u64);
        // Before anything of it is read or copied.
        let joining = self.joining.as_mut().filter(|_| line_bytes <= WAITING_LINE_BYTES_MAX);
        let joining = joining.and_then(|joining| Some((joining, together::request(&line)?)));
        match joining {
            Some((Joining { engine, tenant, shelf }, request)) => {
                let Line { number, text } = line;
                // A copy: what waits must not keep the piece of the file that it was read with.
                let line = Line { number, text: text.map(|text| Bytes::copy_from_slice(&text)) };
                let size = Size { inputs: request.input.messages, bytes: request.input.bytes, line_bytes };
                let likeness = request.likeness();
                let work = || Work::Embeddings(Box::new(request));
                self.ready.extend(shelf.add(line, likeness, size, || room(engine, tenant, &work(), Stated::default())));
            }
            // What is wrong with it is said to it alone.
            None => self.ready.push_back(vec![line]),
        }
    }
}

/// How many inputs a call like this may have, and bytes of them, where the platform chose its model.
pub(crate) fn embedding_room(engine: &Engine, tenant: &TenantEntry, work: &Work) -> (u64, u64) {
    let room = room(engine, tenant, work, Stated { is_platforms: true, ..Stated::default() });
    (room.inputs, room.bytes)
}

/// How much a call like this may have, whichever provider serves it in the end.
fn room(engine: &Engine, tenant: &TenantEntry, work: &Work, stated: Stated) -> Size {
    let settings = &engine.settings.batches;
    let (inputs, bytes) = (settings.embedding_inputs_max, settings.embedding_input_bytes_max);
    let mut room = Size { inputs, bytes, line_bytes: WAITING_BYTES_MAX };
    // Where nothing serves it each line is told so.
    let Ok((_, routes)) = route::meant(engine, tenant, work, stated) else { return Size { inputs: 1, ..room } };
    for route in routes {
        room.inputs = room.inputs.min(route.provider.wire().embedding_inputs_max());
        // A second of the provider's pace: others of the tenant wait behind one call, not behind many lines.
        if let Some(tokens) = route.card.pace.or(route.provider.pace()).tokens_per_minute {
            room.bytes = room.bytes.min(u64::from(tokens.get()) * BYTES_PER_TOKEN / 60);
        }
    }
    room
}

/// How much lines are, or may be together.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    inputs: u64,
    /// Of input.
    bytes: u64,
    /// Of the lines as they stand in the file.
    line_bytes: u64,
}

impl Size {
    fn plus(self, other: Size) -> Size {
        Size {
            inputs: self.inputs + other.inputs,
            bytes: self.bytes + other.bytes,
            line_bytes: self.line_bytes + other.line_bytes,
        }
    }

    fn fits(self, room: Size) -> bool {
        self.inputs <= room.inputs && self.bytes <= room.bytes && self.line_bytes <= room.line_bytes
    }
}

/// Groups that are being gathered, the oldest first.
struct Shelf<K, L> {
    open: VecDeque<Group<K, L>>,
}

struct Group<K, L> {
    kind: K,
    lines: Vec<L>,
    size: Size,
    room: Size,
}

impl<K: PartialEq, L> Shelf<K, L> {
    /// What waits, in bytes.
    fn line_bytes(&self) -> u64 {
        self.open.iter().map(|group| group.size.line_bytes).sum()
    }

    /// Adds a line of this size; what is whole by that. How much room there is is asked once for a group.
    fn add(&mut self, line: L, kind: K, size: Size, room: impl FnOnce() -> Size) -> Vec<Vec<L>> {
        let mut whole = Vec::new();
        while self.line_bytes() + size.line_bytes > WAITING_BYTES_MAX
            && let Some(oldest) = self.open.pop_front()
        {
            whole.push(oldest.lines);
        }
        let known = self.open.iter().position(|group| group.kind == kind);
        let fits = |at: &usize| self.open.get(*at).is_some_and(|group| group.size.plus(size).fits(group.room));
        let (place, closes) = match (known.filter(fits), known) {
            (Some(at), _) => (Some(at), None),
            (None, Some(at)) => (None, Some(at)),
            (None, None) => (None, (self.open.len() >= KINDS_MAX).then_some(0)),
        };
        whole.extend(closes.and_then(|at| self.open.remove(at)).map(|group| group.lines));
        let at = place.unwrap_or_else(|| {
            self.open.push_back(Group { kind, lines: Vec::new(), size: Size::default(), room: room() });
            self.open.len() - 1
        });
        if let Some(group) = self.open.get_mut(at) {
            group.lines.push(line);
            group.size = group.size.plus(size);
            // Nothing more would fit.
            if group.size.inputs >= group.room.inputs || group.size.bytes >= group.room.bytes {
                whole.extend(self.open.remove(at).map(|group| group.lines));
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Room for four lines of 25 bytes.
    const ROOM: Size = Size { inputs: 4, bytes: 100, line_bytes: WAITING_BYTES_MAX };

    /// What is whole after each of these lines: kind, inputs and bytes. Lines are told apart by their place.
    fn gathered(lines: &[(char, u64, u64)]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let (mut shelf, mut whole) = (Shelf { open: VecDeque::new() }, Vec::new());
        for (place, &(kind, inputs, bytes)) in lines.iter().enumerate() {
            whole.extend(shelf.add(place, kind, Size { inputs, bytes, line_bytes: bytes }, || ROOM));
        }
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
    #[test]
    fn lines_that_would_be_too_much_close_the_oldest() {
        let half = Size { inputs: 1, bytes: 1, line_bytes: WAITING_BYTES_MAX / 2 };
        let mut shelf = Shelf { open: VecDeque::new() };
        for (line, kind) in ['a', 'b'].into_iter().enumerate() {
            assert!(shelf.add(line, kind, half, || ROOM).is_empty());
        }
        assert_eq!(shelf.add(2, 'b', half, || ROOM), [vec![0]]);
        // Its own kind, where that is the oldest.
        assert_eq!(shelf.add(3, 'b', Size { line_bytes: 1, ..half }, || ROOM), [vec![1, 2]]);
        assert_eq!(shelf.line_bytes(), 1);
    }

    proptest! {
        #[test]
        fn never_more_waits_than_may_and_every_line_goes_once(
            lines in prop::collection::vec((0..20_u8, 1..3_u64, 1..40_u64, 1..=WAITING_BYTES_MAX / 3), 1..200)
        ) {
            let (mut shelf, mut gone) = (Shelf { open: VecDeque::new() }, Vec::new());
            for (place, &(kind, inputs, bytes, line_bytes)) in lines.iter().enumerate() {
                gone.extend(shelf.add(place, kind, Size { inputs, bytes, line_bytes }, || ROOM));
                let waits = |group: &Group<u8, usize>| group.lines.iter().map(|at| lines[*at].3).sum::<u64>();
                prop_assert!(shelf.open.iter().map(waits).sum::<u64>() <= WAITING_BYTES_MAX);
            }
            gone.extend(shelf.open.into_iter().map(|group| group.lines));
            for group in &gone {
                prop_assert!(group.is_sorted() && group.iter().all(|at| lines[*at].0 == lines[group[0]].0));
            }
            let mut all = gone.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lines.len()).collect::<Vec<_>>());
        }
    }
}
