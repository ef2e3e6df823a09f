//! How much room there is, counted so that the END of every open attempt always has its place.
//!
//! Room is counted in *slots*: how many writes of a given size fit, the waste at the end of each file included. Two sizes
//! matter. Everything but an END must leave one END slot for each open attempt. A BEGIN must even leave one attempt slot
//! for each, so that on a full disk new work is refused while the traces of old work still fit.

/// The most that an END and a trace without its content take together, record headers included.
pub(super) const END_SLOT_BYTES: u64 = 1 << 10;

/// What is set aside for each attempt when it begins: its END and an ordinary trace.
pub(super) const ATTEMPT_SLOT_BYTES: u64 = END_SLOT_BYTES + (4 << 10);

/// The room in the file being written and in those prepared behind it, bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room<'a> {
    /// What is left of the file being written.
    pub(super) active: u64,
    /// What each prepared file takes.
    pub(super) ready: &'a [u64],
}

/// Where a write goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind the last record.
    Active,
    /// At the front of the next prepared file.
    Next,
}

impl Room<'_> {
    /// Where `bytes` go, all in one file; `None` if they fit nowhere.
    pub(super) fn place(&self, bytes: u64) -> Option<Place> {
        if bytes <= self.active {
            Some(Place::Active)
        } else if self.ready.first().is_some_and(|next| bytes <= *next) {
            Some(Place::Next)
        } else {
            None
        }
    }

    /// Where `bytes` go if `slots` slots of `slot_bytes` must be left behind them.
    pub(super) fn place_leaving(&self, bytes: u64, slots: u64, slot_bytes: u64) -> Option<Place> {
        let place = self.place(bytes)?;
        let after = match place {
            Place::Active => Room { active: self.active - bytes, ready: self.ready },
            Place::Next => Room { active: self.ready[0] - bytes, ready: &self.ready[1..] },
        };
        (after.slots(slot_bytes) >= slots).then_some(place)
    }

    /// How many writes of `slot_bytes` fit.
    pub(super) fn slots(&self, slot_bytes: u64) -> u64 {
        self.active / slot_bytes + self.ready.iter().map(|bytes| bytes / slot_bytes).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Begin(u64),
        End(u64),
        Trace(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (50..400u64).prop_map(Step::Begin),
            (50..=END_SLOT_BYTES).prop_map(Step::End),
            (50..9_000u64).prop_map(Step::Trace),
        ]
    }

    proptest! {
        /// No file is ever added, as on a full disk: whatever was admitted, every END finds its place.
        #[test]
        fn ends_always_fit(steps in proptest::collection::vec(step(), 0..400), files in 1usize..4) {
            let (mut active, mut ready, mut open) = (20_000, vec![20_000; files], 0u64);
            let mut write = |bytes: u64, leave: Option<(u64, u64)>| {
                let room = Room { active, ready: &ready };
                let place = match leave { Some((slots, size)) => room.place_leaving(bytes, slots, size), None => room.place(bytes) };
                match place {
                    Some(Place::Active) => active -= bytes,
                    Some(Place::Next) => active = ready.remove(0) - bytes,
                    None => {}
                }
                place.is_some()
            };
            for step in steps {
                match step {
                    Step::Begin(bytes) => open += u64::from(write(bytes, Some((open + 1, ATTEMPT_SLOT_BYTES)))),
                    Step::Trace(bytes) => { write(bytes, Some((open, END_SLOT_BYTES))); }
                    Step::End(bytes) if open > 0 => { prop_assert!(write(bytes, None)); open -= 1; }
                    Step::End(_) => {}
                }
            }
            while open > 0 { prop_assert!(write(END_SLOT_BYTES, None)); open -= 1; }
        }
    }
}
