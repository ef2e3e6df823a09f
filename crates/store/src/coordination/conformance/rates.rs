//! Pace.

use std::time::Duration;

use super::{Site, Who, cases, requests, tokens};
use crate::coordination::RateState;

cases!(
    a_minute_at_once_then_evenly,
    all_or_none_and_the_longest_wait,
    more_than_a_minute_takes_a_whole_minute,
    a_changed_limit_keeps_what_is_used,
    subjects_and_kinds_are_apart,
    nothing_is_asked_and_nothing_taken,
);

async fn a_minute_at_once_then_evenly(site: &mut Site, Who { tenant, .. }: Who) {
    for left in (0..6).rev() {
        let decision = site.coordination.charge(&[requests(tenant, 6)]).await;
        assert!(decision.allowed);
        assert_eq!(decision.remaining[0].remaining, left);
    }
    let refused = site.coordination.charge(&[requests(tenant, 6)]).await;
    assert_eq!(refused.refused, Some((0, Duration::from_secs(10))));
    assert_eq!(refused.remaining[0], RateState { limit: 6, remaining: 0, reset: Duration::from_secs(60) });
    site.advance(Duration::from_millis(9_999)).await;
    assert!(!site.coordination.charge(&[requests(tenant, 6)]).await.allowed);
    site.advance(Duration::from_millis(1)).await;
    assert!(site.coordination.charge(&[requests(tenant, 6)]).await.allowed, "exactly when it was promised");
}

async fn all_or_none_and_the_longest_wait(site: &mut Site, Who { tenant, key }: Who) {
    let at = &site.coordination;
    assert!(at.charge(&[requests(tenant, 10), tokens(key, 100, 90)]).await.allowed);
    let refused = at.charge(&[requests(tenant, 10), tokens(tenant, 1_000, 500), tokens(key, 100, 40)]).await;
    assert_eq!(refused.refused, Some((2, Duration::from_secs(18))));
    let left: Vec<u32> = refused.remaining.iter().map(|state| state.remaining).collect();
    assert_eq!(left, [9, 1_000, 10], "nothing was charged, and what is left is told");
    // The same limiter twice in a call that is refused.
    assert!(!at.charge(&[tokens(tenant, 1_000, 700), tokens(tenant, 1_000, 700)]).await.allowed);
    assert_eq!(at.charge(&[tokens(tenant, 1_000, 0)]).await.remaining[0].remaining, 1_000);
    // And in one that is not.
    assert!(at.charge(&[tokens(tenant, 1_000, 300), tokens(tenant, 1_000, 300)]).await.allowed);
    assert_eq!(at.charge(&[tokens(tenant, 1_000, 0)]).await.remaining[0].remaining, 400);
}

async fn more_than_a_minute_takes_a_whole_minute(site: &mut Site, Who { tenant, .. }: Who) {
    assert!(site.coordination.charge(&[tokens(tenant, 100, 1)]).await.allowed);
    let refused = site.coordination.charge(&[tokens(tenant, 100, 5_000)]).await;
    assert_eq!(refused.refused, Some((0, Duration::from_millis(600))), "until the minute is whole again");
    site.advance(Duration::from_millis(600)).await;
    let decision = site.coordination.charge(&[tokens(tenant, 100, 5_000)]).await;
    assert!(decision.allowed);
    assert_eq!(decision.remaining[0].remaining, 0);
}

async fn a_changed_limit_keeps_what_is_used(site: &mut Site, Who { tenant, .. }: Who) {
    let at = &site.coordination;
    assert!(at.charge(&[tokens(tenant, 100, 50)]).await.allowed);
    assert_eq!(at.charge(&[tokens(tenant, 1_000, 0)]).await.remaining[0].remaining, 500);
    assert_eq!(at.charge(&[tokens(tenant, 10, 0)]).await.remaining[0].remaining, 5);
}

async fn subjects_and_kinds_are_apart(site: &mut Site, Who { tenant, key }: Who) {
    let at = &site.coordination;
    assert!(at.charge(&[requests(tenant, 1)]).await.allowed);
    assert!(at.charge(&[requests(key, 1)]).await.allowed);
    assert!(at.charge(&[tokens(tenant, 1, 1)]).await.allowed);
    assert!(!at.charge(&[requests(tenant, 1)]).await.allowed);
}

async fn nothing_is_asked_and_nothing_taken(site: &mut Site, Who { tenant, .. }: Who) {
    assert!(site.coordination.charge(&[]).await.allowed);
    assert!(site.coordination.charge(&[tokens(tenant, 1, 1)]).await.allowed);
    let asked = site.coordination.charge(&[tokens(tenant, 1, 0)]).await;
    assert!(asked.allowed, "asking is never refused");
    assert_eq!(asked.remaining[0], RateState { limit: 1, remaining: 0, reset: Duration::from_secs(60) });
    // A limit of nothing is one of one.
    assert_eq!(site.coordination.charge(&[tokens(tenant, 0, 1)]).await.refused, Some((0, Duration::from_secs(60))));
}
