//! One suite for whatever searches vectors.
//!
//! A case gets a [`Bed`]: a store with two tenants, some engine behind it. It compares what the engine answers with what a
//! [`Shelf`], which knows every vector that was published, finds by comparing all of them. A new engine joins by a variant of
//! [`Searched`].

mod bed;
mod cases;
mod shelf;

pub(crate) use bed::{Bed, EXACT_MAX, Searched};
pub(crate) use shelf::Shelf;

use super::qdrant::tests::Served;

/// Each case on each engine.
macro_rules! on_every_engine {
    ($($case:ident)+) => { $(
        #[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            for searched in Searched::ALL {
                let bed = Bed::made(searched).await;
                cases::$case(&bed).await;
                if let Some(qdrant) = &bed.qdrant {
                    qdrant.ended().await;
                }
            }
        }
    )+

        /// The same with a real Qdrant, where `INSULA_TEST_QDRANT_URL` names one; `cargo xtask test` says whether it does.
        mod on_a_real_qdrant { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                for searched in super::Searched::OF_QDRANT {
                    let Some(served) = super::Served::real() else { return };
                    let options = served.options();
                    let bed = super::Bed::asking(searched, served, options).await;
                    super::cases::$case(&bed).await;
                    bed.qdrant.unwrap().ended().await;
                }
            }
        )+ }
    };
}

on_every_engine! {
    the_nearest_come_first
    as_many_as_are_wanted_wherever_so_many_count
    filters_are_inside_the_search
    what_is_published_anew_or_removed_is_not_found
    another_tenant_sees_nothing
    an_erased_tenant_leaves_nothing
    another_space_takes_the_place_of_one
    many_vectors_are_found_by_an_index
}
