//! The few answers without a listener that are read on at once.

use std::sync::Arc;

use insula_model::TenantId;

use crate::Engine;

/// One of the few drains that a tenant may have at once.
pub(super) struct DrainPlace {
    engine: Arc<Engine>,
    tenant: TenantId,
}

impl DrainPlace {
    /// Takes a place; beyond the tenant's only where it `is_needed`.
    pub fn take(engine: &Arc<Engine>, tenant: TenantId, is_needed: bool) -> Option<Self> {
        let mut drains = engine.drains.lock();
        let open = drains.entry(tenant).or_default();
        if *open >= engine.settings.drains_per_tenant_max && !is_needed {
            return None;
        }
        *open += 1;
        Some(Self { engine: engine.clone(), tenant })
    }
}

impl Drop for DrainPlace {
    fn drop(&mut self) {
        let mut drains = self.engine.drains.lock();
        if let Some(open) = drains.get_mut(&self.tenant) {
            *open -= 1;
            if *open == 0 {
                drains.remove(&self.tenant);
            }
        }
    }
}
