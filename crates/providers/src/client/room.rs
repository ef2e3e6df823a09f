//! Room for whole answers: what all large ones together may hold in memory, from when they are read until nobody has them any more.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use insula_model::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Answers up to this size need no room: there can only be as many as requests under way.
const FREE_BYTES_MAX: u64 = 1024 * 1024;
/// Room is counted in pieces of this size.
const PIECE_BYTES: u64 = 64 * 1024;
/// When to come back where there is none.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where answers find room: in all that there is, and in the share of one party, which takes no more however much is left.
///
/// ```
/// use insula_providers::Room;
///
/// let room = Room::new(64 << 20);
/// let (one, other) = (room.share(16 << 20), room.share(16 << 20));
/// assert!(!one.is_used() && !other.is_used());
/// ```
#[derive(Debug, Clone)]
pub struct Room {
    all: Arc<Semaphore>,
    share: Arc<Semaphore>,
}

/// Why an answer was let go of although its provider gave it, and may bill it. The private source of that error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there was no room for an answer")]
pub struct NoRoom;

impl NoRoom {
    /// Whether this is behind an error.
    pub fn is_behind(error: &Error) -> bool {
        error.private_source().is_some_and(|source| source.is::<Self>())
    }
}

/// What one answer has taken.
#[derive(Debug)]
pub(super) struct Taken {
    room: Room,
    pieces: u64,
    permits: Vec<OwnedSemaphorePermit>,
}

/// An answer with its room, which is free once the last copy of it is gone.
struct Roomed {
    body: Bytes,
    _permits: Vec<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Roomed {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Room {
    /// So much for all together, and for whoever has no share.
    pub fn new(bytes_max: u64) -> Self {
        let all = pieces(bytes_max);
        Self { all: all.clone(), share: all }
    }

    /// One party's share of it.
    pub fn share(&self, bytes_max: u64) -> Self {
        Self { all: self.all.clone(), share: pieces(bytes_max) }
    }

    /// Whether anybody else has this share, or an answer that took room of it.
    pub fn is_used(&self) -> bool {
        Arc::strong_count(&self.share) > 1
    }

    pub(super) fn nothing_taken(&self) -> Taken {
        Taken { room: self.clone(), pieces: 0, permits: Vec::new() }
    }
}

fn pieces(bytes: u64) -> Arc<Semaphore> {
    let pieces = usize::try_from(bytes / PIECE_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
    Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS)))
}

impl Taken {
    /// Takes what is missing for an answer that has become so long.
    ///
    /// # Errors
    /// `Unavailable` when there is no more.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        let missing = bytes.div_ceil(PIECE_BYTES).saturating_sub(self.pieces);
        if bytes <= FREE_BYTES_MAX || missing == 0 {
            return Ok(());
        }
        let own =
            "your other answers hold all the room that one tenant may have for large ones; read those, or ask for less at once";
        let share = take(&self.room.share, missing, own)?;
        // Who has no share takes of the whole once.
        let is_share = !Arc::ptr_eq(&self.room.share, &self.room.all);
        let all = if is_share {
            Some(take(&self.room.all, missing, "this node has no room for another large answer now; try again")?)
        } else {
            None
        };
        for permit in [Some(share), all].into_iter().flatten() {
            self.keep(permit);
        }
        self.pieces += missing;
        Ok(())
    }

    /// One permit for each budget, however often it grew.
    fn keep(&mut self, permit: OwnedSemaphorePermit) {
        match self.permits.iter_mut().find(|kept| Arc::ptr_eq(kept.semaphore(), permit.semaphore())) {
            Some(kept) => kept.merge(permit),
            None => self.permits.push(permit),
        }
    }

    /// The answer, which holds what was taken for as long as anybody has it.
    pub fn held_by(self, body: Bytes) -> Bytes {
        if self.permits.is_empty() { body } else { Bytes::from_owner(Roomed { body, _permits: self.permits }) }
    }
}

fn take(of: &Arc<Semaphore>, pieces: u64, message: &'static str) -> Result<OwnedSemaphorePermit> {
    let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
    let full = |_| Error::new(ErrorKind::Unavailable { retry_after: RETRY_AFTER }, message).caused_by(NoRoom);
    of.clone().try_acquire_many_owned(pieces).map_err(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn answer(room: &Room, bytes: u64) -> Result<Bytes> {
        let mut taken = room.nothing_taken();
        for read in (1..=bytes).step_by(10_000).chain([bytes]) {
            taken.grow(read)?;
        }
        Ok(taken.held_by(Bytes::from(vec![7; bytes as usize])))
    }

    fn left(room: &Room) -> u64 {
        room.share.available_permits() as u64 * PIECE_BYTES
    }

    #[test]
    fn an_answer_has_its_room_until_its_last_copy_is_gone() {
        let room = Room::new(8 * MIB);
        let body = answer(&room, 3 * MIB).unwrap();
        assert_eq!((body.len() as u64, left(&room)), (3 * MIB, 5 * MIB));
        let piece = body.slice(5..10);
        drop(body);
        assert_eq!((&*piece, left(&room)), (&[7; 5][..], 5 * MIB));
        drop(piece);
        assert_eq!(left(&room), 8 * MIB);
        // What is small takes none.
        let small = answer(&room, FREE_BYTES_MAX).unwrap();
        assert_eq!((small.len() as u64, left(&room)), (FREE_BYTES_MAX, 8 * MIB));
    }

    #[test]
    fn who_finds_none_leaves_none_taken() {
        let room = Room::new(4 * MIB);
        let (one, other) = (room.share(3 * MIB), room.share(3 * MIB));
        let held = answer(&one, 2 * MIB).unwrap();
        let refused = answer(&one, 2 * MIB).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Unavailable { retry_after: RETRY_AFTER });
        assert!(refused.message().contains("one tenant") && NoRoom::is_behind(&refused), "{refused}");
        // What the other may have is not there.
        let refused = answer(&other, 3 * MIB).unwrap_err();
        assert!(refused.message().contains("this node"), "{refused}");
        assert_eq!((left(&one), left(&other), left(&room)), (MIB, 3 * MIB, 2 * MIB));
        let too = answer(&other, 2 * MIB).unwrap();
        assert_eq!(left(&room), 0);
        drop((held, too));
        assert_eq!((left(&one), left(&other), left(&room)), (3 * MIB, 3 * MIB, 4 * MIB));
        assert!(!one.is_used());
    }
}
