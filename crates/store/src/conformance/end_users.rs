//! End users: their names, and what was used for them.

use insula_model::{Clock, EndUserId, Subject, TenantScope, Timestamp};

use super::{
    samples::{row, settle},
    world::{Engine, World, at, usd},
};
use crate::{EndUserRow, GroupBy, LedgerRow, UsageQuery};

fn user(n: u8) -> EndUserId {
    EndUserId::from_bytes([n; 16])
}

/// The name that a row holds; how it is sealed is not the store's matter.
fn kept(n: u8) -> EndUserRow {
    EndUserRow { id: user(n), sealed_name: vec![n] }
}

/// An attempt for an end user, with one label where there is one.
fn attempt(world: &World, scope: &TenantScope, end_user: Option<u8>, tag: Option<(&str, &str)>, cost: &str) -> LedgerRow {
    let mut row = row(world, scope, world.ids().request([0; 4]), at("2026-03-31T12:00:00Z"), usd(cost));
    row.begin.attribution.end_user = end_user.map(user);
    row.begin.attribution.tags = tag.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    row
}

async fn grouped(world: &World, tenant: Option<TenantScope>, group_by: GroupBy) -> Vec<(Option<String>, String, u64)> {
    let query = UsageQuery { tenant, from: at("2026-03-01T00:00:00Z"), to: at("2026-05-01T00:00:00Z"), group_by };
    let rows = world.store.control().usage(&query).await.unwrap();
    rows.into_iter().map(|row| (row.group, row.cost.to_string(), row.requests)).collect()
}

#[tokio::test]
async fn names_are_kept_once_and_go_with_their_tenant() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, owner) = (world.store.control(), world.owner);
        let all = [kept(1), kept(2), kept(3)];
        control.keep_end_users(owner.tenant(), &all[..2]).await.unwrap();
        let again = EndUserRow { sealed_name: vec![9], ..kept(2) };
        control.keep_end_users(owner.tenant(), &[again, kept(3)]).await.unwrap();

        assert_eq!(control.end_users(&owner, None, 2).await.unwrap(), all[..2]);
        assert_eq!(control.end_users(&owner, Some(user(2)), 2).await.unwrap(), all[2..]);
        assert_eq!(control.end_user(&owner, user(1)).await.unwrap(), Some(kept(1)));
        assert_eq!(control.end_user(&owner, user(4)).await.unwrap(), None);
        assert!(control.end_users(&world.stranger, None, 9).await.unwrap().is_empty());
        assert_eq!(control.end_user(&world.stranger, user(1)).await.unwrap(), None);

        settle(&world, &[attempt(&world, &owner, Some(1), None, "1.00"), attempt(&world, &owner, None, None, "1.00")]).await;
        let (from, noon) = (Timestamp::default(), at("2026-03-31T12:00:00Z"));
        assert_eq!(control.end_users_between(&owner, from, world.clock.now()).await.unwrap(), all[..1]);
        assert!(control.end_users_between(&owner, from, noon).await.unwrap().is_empty());
        assert!(control.end_users_between(&world.stranger, from, world.clock.now()).await.unwrap().is_empty());

        world.store.erase_tenant(&owner, world.clock.now()).await.unwrap();
        // What comes late finds nobody.
        control.keep_end_users(owner.tenant(), &all).await.unwrap();
        assert!(control.end_users(&owner, None, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn usage_by_end_user_and_by_label() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (owner, stranger) = (world.owner, world.stranger);
        let both = [
            attempt(&world, &owner, Some(1), Some(("team", "search")), "1.00"),
            attempt(&world, &owner, Some(1), Some(("team", "")), "2.00"),
            attempt(&world, &owner, Some(2), None, "4.00"),
            attempt(&world, &owner, None, Some(("feature", "faq")), "8.00"),
            attempt(&world, &stranger, Some(3), Some(("team", "search")), "16.00"),
        ];
        settle(&world, &both).await;

        let group = |name: Option<&str>, cost: &str, requests| (name.map(str::to_owned), cost.to_owned(), requests);
        let [one, two, three] = [1, 2, 3].map(|n| user(n).to_string());
        let of_owner = [group(None, "8.00", 1), group(Some(&one), "3.00", 2), group(Some(&two), "4.00", 1)];
        assert_eq!(grouped(&world, Some(owner), GroupBy::EndUser).await, of_owner);
        let of_stranger = [group(Some(&three), "16.00", 1)];
        assert_eq!(grouped(&world, Some(stranger), GroupBy::EndUser).await, of_stranger);
        assert_eq!(grouped(&world, None, GroupBy::EndUser).await, [&of_owner[..], &of_stranger].concat());

        let team = || GroupBy::Tag("team".to_owned());
        let of_owner = [group(None, "12.00", 2), group(Some(""), "2.00", 1), group(Some("search"), "1.00", 1)];
        assert_eq!(grouped(&world, Some(owner), team()).await, of_owner);
        let of_all = [group(None, "12.00", 2), group(Some(""), "2.00", 1), group(Some("search"), "17.00", 2)];
        assert_eq!(grouped(&world, None, team()).await, of_all);
        assert_eq!(grouped(&world, Some(owner), GroupBy::Tag("weather".to_owned())).await, [group(None, "15.00", 4)]);

        let spent = world.store.control().spend_since(&Subject::EndUser(owner.tenant(), user(1)), Timestamp::default()).await;
        assert_eq!(spent.unwrap()[0].money, usd("3.00"));
        assert!(world.store.control().verify_ledger().await.unwrap().mismatches.is_empty());
    }
}
