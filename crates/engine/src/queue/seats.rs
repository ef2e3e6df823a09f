//! The seats of a lane or of the node, and who may take one.
//!
//! A tenant holds at most its share, however idle the rest is: an answer under way cannot be taken back when others come. And one that
//! holds more than what its weight gives it never takes the last tenth, so that whoever comes next finds a seat at once.

use std::collections::{HashMap, hash_map::Entry};

use insula_model::TenantId;

use super::ask::Kept;

/// One in so many seats is left to those below their fair share.
const LAST_PART: u32 = 10;

/// Seats, and who holds or awaits them.
pub(super) struct Seats {
    seats: u32,
    share_max_percent: u32,
    held: u32,
    /// The weight of all who are present.
    weight: u64,
    present: HashMap<TenantId, Presence>,
}

/// A tenant that holds seats or waits for some.
#[derive(Default)]
struct Presence {
    held: u32,
    waiting: u32,
    weight: u32,
}

impl Seats {
    /// So many seats, of which one tenant holds at most `share_max_percent`.
    pub fn new(seats: u32, share_max_percent: u32) -> Self {
        Self { seats, share_max_percent, held: 0, weight: 0, present: HashMap::new() }
    }

    /// Changes how many there are. Those that are held beyond it stay held.
    pub fn resize(&mut self, seats: u32) {
        self.seats = seats.max(1);
    }

    /// How many are held.
    pub fn held(&self) -> u32 {
        self.held
    }

    /// How many are held or awaited, of those that there are.
    pub fn load(&self) -> f64 {
        let waiting: u32 = self.present.values().map(|presence| presence.waiting).sum();
        f64::from(self.held + waiting) / f64::from(self.seats.max(1))
    }

    /// Whether none is free.
    pub fn is_full(&self) -> bool {
        self.held >= self.seats
    }

    /// Whether so many are held that one tenant alone could hold no more.
    pub fn is_pressed(&self) -> bool {
        self.held >= self.common_max()
    }

    /// Whether nobody holds or awaits one.
    pub fn is_idle(&self) -> bool {
        self.present.is_empty()
    }

    /// Whether a tenant holds or awaits one.
    pub fn is_present(&self, tenant: TenantId) -> bool {
        self.present.contains_key(&tenant)
    }

    /// How many requests of a tenant wait.
    pub fn waiting(&self, tenant: TenantId) -> u32 {
        self.present.get(&tenant).map_or(0, |presence| presence.waiting)
    }

    /// What part of everything a weight gives its tenant beside those who are present; `tenant` is counted once.
    pub fn part(&self, tenant: TenantId, weight: u32) -> f64 {
        f64::from(weight) / self.weight_with(tenant, weight) as f64
    }

    /// Whether `tenant` may take a seat now.
    ///
    /// # Errors
    /// What stands in its way.
    pub fn may_take(&self, tenant: TenantId, weight: u32) -> Result<(), Kept> {
        if self.is_full() {
            return Err(Kept::Seats);
        }
        let held = self.present.get(&tenant).map_or(0, |presence| presence.held);
        let (seats, all) = (u64::from(self.seats), self.weight_with(tenant, weight));
        let is_below_fair = u64::from(held) * all < seats * u64::from(weight);
        let last = self.seats.div_ceil(LAST_PART);
        let takes_of_the_last = self.seats - self.held <= last && !is_below_fair;
        if takes_of_the_last || held >= self.share_max(tenant, weight, all, last) { Err(Kept::Share) } else { Ok(()) }
    }

    /// The most that a tenant may hold: the common share, or what its weight gives it beside others where an operator gave it more
    /// weight than they have on average. Not the last tenth, so that a great weight shuts nobody out.
    fn share_max(&self, tenant: TenantId, weight: u32, all: u64, last: u32) -> u32 {
        let others = self.present.len() as u64 - u64::from(self.present.contains_key(&tenant));
        let by_weight = if others > 0 && u64::from(weight) * (others + 1) > all {
            (u64::from(self.seats) * u64::from(weight)).div_ceil(all).min(u64::from(self.seats - last))
        } else {
            0
        };
        self.common_max().max(u32::try_from(by_weight).unwrap_or(u32::MAX))
    }

    /// The common share, rounded up.
    fn common_max(&self) -> u32 {
        let share = (u64::from(self.seats) * u64::from(self.share_max_percent)).div_ceil(100).max(1);
        u32::try_from(share).unwrap_or(u32::MAX)
    }

    fn weight_with(&self, tenant: TenantId, weight: u32) -> u64 {
        let known = self.present.get(&tenant).map_or(0, |presence| presence.weight);
        self.weight - u64::from(known) + u64::from(weight)
    }

    /// Gives `tenant` a seat.
    pub fn take(&mut self, tenant: TenantId, weight: u32) {
        self.held += 1;
        self.presence(tenant, weight).held += 1;
    }

    /// A seat is free again.
    pub fn give_back(&mut self, tenant: TenantId) {
        self.held -= 1;
        self.change(tenant, |presence| presence.held -= 1);
    }

    /// One more request of `tenant` waits.
    pub fn join(&mut self, tenant: TenantId, weight: u32) {
        self.presence(tenant, weight).waiting += 1;
    }

    /// One request less of `tenant` waits.
    pub fn leave(&mut self, tenant: TenantId) {
        self.change(tenant, |presence| presence.waiting -= 1);
    }

    /// A tenant's presence with the weight that it has now.
    fn presence(&mut self, tenant: TenantId, weight: u32) -> &mut Presence {
        let presence = self.present.entry(tenant).or_default();
        self.weight = self.weight - u64::from(presence.weight) + u64::from(weight);
        presence.weight = weight;
        presence
    }

    fn change(&mut self, tenant: TenantId, change: impl FnOnce(&mut Presence)) {
        let Entry::Occupied(mut entry) = self.present.entry(tenant) else { return };
        change(entry.get_mut());
        if entry.get().held == 0 && entry.get().waiting == 0 {
            self.weight -= u64::from(entry.remove().weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId::from_bytes([1; 16]);
    const B: TenantId = TenantId::from_bytes([2; 16]);
    const C: TenantId = TenantId::from_bytes([3; 16]);

    /// Takes as many seats as there are for it.
    fn take_all(seats: &mut Seats, tenant: TenantId, weight: u32) -> u32 {
        let mut taken = 0;
        while seats.may_take(tenant, weight).is_ok() {
            seats.take(tenant, weight);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_tenant_alone_has_its_share_and_no_more() {
        for (all, percent, share) in [(16, 50, 8), (15, 50, 8), (1, 50, 1), (10, 1, 1), (8, 100, 8)] {
            assert_eq!(take_all(&mut Seats::new(all, percent), A, 1), share, "{percent}% of {all}");
        }
    }

    #[test]
    fn the_last_tenth_is_for_those_below_their_fair_share() {
        let mut seats = Seats::new(20, 80);
        seats.take(B, 1);
        assert_eq!(take_all(&mut seats, A, 1), 16, "its share of 80%");
        // Three are free. The newcomer is entitled to a third of all.
        assert_eq!(take_all(&mut seats, C, 1), 3);
        assert_eq!(seats.may_take(B, 1), Err(Kept::Seats));
        seats.give_back(C);
        assert_eq!(seats.may_take(A, 1), Err(Kept::Share));
        assert_eq!(seats.may_take(B, 1), Ok(()));
    }

    #[test]
    fn more_weight_than_the_others_have_is_worth_more_than_the_common_share() {
        let mut seats = Seats::new(16, 50);
        seats.take(B, 1);
        seats.take(C, 2);
        assert_eq!(take_all(&mut seats, A, 4), 10, "four sevenths of 16");
        let mut seats = Seats::new(16, 50);
        seats.take(B, 1);
        assert_eq!(take_all(&mut seats, A, 1_000), 14, "the last tenth is not in it");
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let mut seats = Seats::new(4, 50);
        seats.join(A, 7);
        seats.take(A, 3);
        seats.leave(A);
        assert!(!seats.is_idle());
        seats.give_back(A);
        assert!(seats.is_idle());
        assert_eq!((seats.held, seats.weight), (0, 0));
    }
}
