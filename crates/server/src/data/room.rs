//! Room for request bodies: what all large bodies together may hold in memory, and of that a share for each tenant.

use std::{collections::HashMap, sync::Arc, time::Duration};

use insula_model::{Error, ErrorKind, Result, TenantId};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies up to this size pass freely: there can only be as many as connections.
const FREE_BYTES: u64 = 64 * 1024;
/// Room is counted in pieces of this size.
const PIECE_BYTES: u64 = 64 * 1024;
/// Of all the room one tenant has at most this part, so that none of them shuts it for the others; but one body always fits.
const SHARE: u64 = 4;
/// From so many tenants on it is looked now and then who has no body under way.
const LOOK_FROM: usize = 64;

/// What is left of it. Clones are the same room.
#[derive(Clone)]
pub(crate) struct BodyRoom(Arc<Rooms>);

struct Rooms {
    all: Arc<Semaphore>,
    share_pieces: usize,
    shares: Mutex<Shares>,
}

#[derive(Default)]
struct Shares {
    of: HashMap<TenantId, Arc<Semaphore>>,
    /// At how many of them those go that nobody uses.
    look_at: usize,
}

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct BodyPermit {
    _all: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
}

impl BodyRoom {
    /// Room for `bytes`, in which a body has at most `body_bytes_max`.
    pub(crate) fn new(bytes: u64, body_bytes_max: u64) -> Self {
        let pieces =
            |bytes: u64| usize::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let share_pieces = pieces((bytes / SHARE).max(body_bytes_max));
        let shares = Mutex::new(Shares { of: HashMap::new(), look_at: LOOK_FROM });
        Self(Arc::new(Rooms { all: Arc::new(Semaphore::new(pieces(bytes))), share_pieces, shares }))
    }

    /// Takes room for a tenant's body of at most `bytes` until the permit is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when there is none now.
    pub(crate) fn take(&self, tenant: TenantId, bytes: u64) -> Result<Option<BodyPermit>> {
        if bytes <= FREE_BYTES {
            return Ok(None);
        }
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX);
        let full = |message: &'static str| {
            let retry_after = Duration::from_secs(1);
            move |_| Error::new(ErrorKind::Unavailable { retry_after }, message)
        };
        // The tenant's own first: who has no share left takes nothing from the others.
        let share = self.0.share(tenant).try_acquire_many_owned(pieces);
        let share = share.map_err(full("your large bodies that are under way take all the room that you have; try again"))?;
        let all = Arc::clone(&self.0.all).try_acquire_many_owned(pieces);
        let all = all.map_err(full("this node has no room for another large body now; try again"))?;
        Ok(Some(BodyPermit { _all: all, _share: share }))
    }
}

impl Rooms {
    fn share(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut shares = self.shares.lock();
        if shares.of.len() >= shares.look_at {
            shares.of.retain(|_, share| Arc::strong_count(share) > 1 || share.available_permits() < self.share_pieces);
            shares.look_at = (2 * shares.of.len()).max(LOOK_FROM);
        }
        Arc::clone(shares.of.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(self.share_pieces))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn tenant(n: u8) -> TenantId {
        TenantId::from_bytes([n; 16])
    }

    #[test]
    fn one_tenant_leaves_room_for_others() {
        let room = BodyRoom::new(40 * MIB, MIB);
        let held: Vec<BodyPermit> = std::iter::from_fn(|| room.take(tenant(1), MIB).ok().flatten()).collect();
        assert_eq!(held.len(), 10, "a quarter");
        assert!(room.take(tenant(1), FREE_BYTES).unwrap().is_none(), "what is small passes");
        let other = room.take(tenant(2), MIB).unwrap();
        assert!(other.is_some());
        drop(held);
        assert!(room.take(tenant(1), 10 * MIB).unwrap().is_some(), "what was taken came back");
    }

    #[test]
    fn one_body_always_fits_and_all_together_are_bounded() {
        let room = BodyRoom::new(3 * MIB, 2 * MIB);
        let one = room.take(tenant(1), 2 * MIB).unwrap();
        assert!(matches!(room.take(tenant(2), 2 * MIB).unwrap_err().kind(), ErrorKind::Unavailable { .. }));
        let small = room.take(tenant(2), MIB).unwrap();
        assert!(one.is_some() && small.is_some());
    }

    #[test]
    fn shares_that_nobody_uses_go() {
        let room = BodyRoom::new(1024 * MIB, MIB);
        let held = room.take(tenant(0), MIB).unwrap();
        for n in 1..=200 {
            drop(room.take(tenant(n), MIB).unwrap());
            assert!(room.0.shares.lock().of.len() <= LOOK_FROM);
        }
        assert!(room.0.shares.lock().of.contains_key(&tenant(0)));
        drop(held);
    }
}
