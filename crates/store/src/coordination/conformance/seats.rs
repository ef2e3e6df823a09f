//! Concurrency.

use insula_model::Subject;

use super::{Site, Who, cases};

cases!(all_or_none, the_platforms_seats_count_too, none_at_all, many_at_once);

async fn all_or_none(site: &mut Site, Who { tenant, key }: Who) {
    let at = &site.coordination;
    let first = at.seat(&[(tenant, 2), (key, 1)]).await.unwrap();
    assert_eq!(at.seat(&[(tenant, 2), (key, 1)]).await.unwrap_err(), 1);
    // The refused one left nothing behind: the tenant's second seat is still free.
    let second = at.seat(&[(tenant, 2)]).await.unwrap();
    assert_eq!(at.seat(&[(tenant, 2)]).await.unwrap_err(), 0);
    drop(first);
    let third = site.seat_soon(&[(tenant, 2), (key, 1)]).await;
    drop((second, third));
    drop(site.seat_soon(&[(tenant, 1), (key, 1)]).await);
}

async fn the_platforms_seats_count_too(site: &mut Site, Who { tenant, .. }: Who) {
    let wanted = [(Subject::Platform, 2), (tenant, 2)];
    let (first, _second) = (site.coordination.seat(&wanted).await.unwrap(), site.coordination.seat(&wanted).await.unwrap());
    assert_eq!(site.coordination.seat(&wanted).await.unwrap_err(), 0);
    assert_eq!(site.coordination.seat(&[(tenant, 2)]).await.unwrap_err(), 0);
    assert_eq!(site.coordination.seat(&[(Subject::Platform, 3), (tenant, 2)]).await.unwrap_err(), 1);
    // What was refused by the tenant's limit gave the platform's seat back at once.
    drop(site.coordination.seat(&[(Subject::Platform, 3)]).await.unwrap());
    drop(first);
    drop(site.coordination.seat(&[(Subject::Platform, 2)]).await.unwrap());
}

async fn none_at_all(site: &mut Site, Who { tenant, key }: Who) {
    assert!(site.coordination.seat(&[]).await.is_ok());
    assert_eq!(site.coordination.seat(&[(tenant, 1), (key, 0)]).await.unwrap_err(), 1);
    drop(site.coordination.seat(&[(tenant, 1)]).await.unwrap());
}

async fn many_at_once(site: &mut Site, Who { tenant, .. }: Who) {
    let wanted = [(tenant, 3)];
    let tried: Vec<_> = (0..40).map(|_| site.coordination.seat(&wanted)).collect();
    let mut taken = Vec::new();
    for seat in tried {
        taken.extend(seat.await.ok());
    }
    assert_eq!(taken.len(), 3);
}
