//! Who is meant: the platform, a tenant, one of its keys, or an end user of its product.

use clap::Args;

use super::{client::escape, exit::Failure};

/// A tenant or one of its keys.
#[derive(Debug, Clone, Args)]
pub struct OfTenant {
    /// The tenant's slug or id.
    pub tenant: String,
    /// One of its keys, by id, instead of the tenant as a whole.
    #[arg(long, value_name = "KEY_ID")]
    pub key: Option<String>,
}

impl OfTenant {
    /// Its path below `/api/v1`.
    pub fn path(&self) -> String {
        let tenant = format!("/api/v1/tenants/{}", escape(&self.tenant));
        match &self.key {
            Some(key) => format!("{tenant}/keys/{}", escape(key)),
            None => tenant,
        }
    }
}

/// The platform, a tenant, one of its keys, or an end user of its product.
#[derive(Debug, Clone, Args)]
pub struct Anyone {
    /// The tenant's slug or id; not with --platform.
    #[arg(required_unless_present = "platform", conflicts_with = "platform")]
    pub tenant: Option<String>,
    /// One of its keys, by id, instead of the tenant as a whole.
    #[arg(long, value_name = "KEY_ID", conflicts_with = "platform")]
    pub key: Option<String>,
    /// An end user of its product, by the product's own name for it, instead of the tenant as a whole.
    #[arg(long, value_name = "ID", conflicts_with_all = ["platform", "key"])]
    pub end_user: Option<String>,
    /// All tenants together, instead of one.
    #[arg(long)]
    pub platform: bool,
}

impl Anyone {
    /// Its path below `/api/v1`.
    pub fn path(&self) -> Result<String, Failure> {
        match &self.tenant {
            Some(tenant) => {
                let path = OfTenant { tenant: tenant.clone(), key: self.key.clone() }.path();
                Ok(self.end_user.as_ref().map_or_else(|| path.clone(), |user| format!("{path}/end-users/{}", escape(user))))
            }
            None if self.platform => Ok("/api/v1/platform".to_owned()),
            None => Err(Failure::usage("name a tenant, or pass --platform")),
        }
    }
}
