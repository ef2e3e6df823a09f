//! Where a tenant's vectors are, in an engine that knows collections.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which collection a tenant's vectors are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VectorCollection {
    /// One that tenants share; whose each vector is stands beside it, and is asked for with every question.
    #[default]
    Shared,
    /// One of its own.
    Own,
}

impl VectorCollection {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            VectorCollection::Shared => "shared",
            VectorCollection::Own => "own",
        }
    }
}

/// Where a tenant's vectors are to be. About an absent value nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorRules {
    /// Which collection they are in, where the vector engine knows collections. Changing it moves them while they are searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<VectorCollection>,
}
