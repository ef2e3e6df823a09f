//! Room for large answers: what all together may hold in memory on this node, and of that a share for each tenant.

use std::collections::HashMap;

use insula_model::TenantId;
use insula_providers::Room;
use parking_lot::Mutex;

/// Of all the room one tenant has at most this part.
const SHARE: u64 = 4;
/// From so many tenants on it is looked now and then who has no answer under way.
const LOOK_FROM: usize = 64;

/// Hands out the shares.
pub(crate) struct AnswerRooms {
    all: Room,
    share_bytes_max: u64,
    shares: Mutex<Shares>,
}

struct Shares {
    of: HashMap<TenantId, Room>,
    /// At how many of them those go that nobody uses.
    look_at: usize,
}

impl AnswerRooms {
    /// So many bytes for all.
    pub fn new(bytes_max: u64) -> Self {
        let shares = Mutex::new(Shares { of: HashMap::new(), look_at: LOOK_FROM });
        Self { all: Room::new(bytes_max), share_bytes_max: bytes_max / SHARE, shares }
    }

    /// A tenant's share.
    pub fn of(&self, tenant: TenantId) -> Room {
        let mut shares = self.shares.lock();
        if shares.of.len() >= shares.look_at {
            shares.of.retain(|_, room| room.is_used());
            shares.look_at = (2 * shares.of.len()).max(LOOK_FROM);
        }
        shares.of.entry(tenant).or_insert_with(|| self.all.share(self.share_bytes_max)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_that_are_used_stay_and_others_go() {
        let rooms = AnswerRooms::new(1 << 30);
        let tenant = |n: usize| TenantId::from_bytes([u8::try_from(n).unwrap(); 16]);
        let used: Vec<_> = (0..3).map(|n| rooms.of(tenant(n))).collect();
        for n in 3..200 {
            rooms.of(tenant(n));
            assert!(rooms.shares.lock().of.len() <= LOOK_FROM);
        }
        let shares = rooms.shares.lock();
        assert!((0..3).all(|n| shares.of[&tenant(n)].is_used()));
        drop((shares, used));
        assert!(!rooms.shares.lock().of[&tenant(0)].is_used());
    }
}
