//! Budgets of the platform, a tenant, a key or an end user: read and replace.

use std::collections::HashSet;

use insula_model::{Budget, BudgetOrigin, BudgetTerms, Error, Result, Subject};

use crate::{
    Engine,
    accounts::BudgetView,
    directory::{Caller, ManagedEndUser, ManagedKey, ManagedTenant, OperatedTenant, Operator},
    end_users,
};

/// Shares of one budget at which somebody wants to know.
pub const ALERTS_MAX: usize = 10;

/// Whether a caller sees a tenant's budgets of money in percent alone: they count what the providers charge, which is nothing for a
/// tenant that is charged by the prices of its plan.
pub fn hides_amounts(engine: &Engine, tenant: &ManagedTenant) -> bool {
    matches!(tenant.by, Caller::TenantAdmin(_)) && engine.directory.sells_to(&tenant.entry.record)
}

/// The platform's budgets with what is used.
pub async fn of_platform(engine: &Engine, _by: &Operator) -> Result<Vec<BudgetView>> {
    engine.accounts.view(&Subject::Platform).await
}

/// A tenant's budgets with what is used.
pub async fn of_tenant(engine: &Engine, tenant: &ManagedTenant) -> Result<Vec<BudgetView>> {
    engine.accounts.view(&Subject::Tenant(tenant.scope.tenant())).await
}

/// A key's budgets with what is used.
pub async fn of_key(engine: &Engine, key: &ManagedKey) -> Result<Vec<BudgetView>> {
    engine.accounts.view(&subject(key)).await
}

/// An end user's budgets with what is used.
pub async fn of_end_user(engine: &Engine, user: &ManagedEndUser) -> Result<Vec<BudgetView>> {
    let tenant = user.tenant.scope.tenant();
    engine.accounts.view(&Subject::EndUser(tenant, engine.end_users.named(tenant, user.name.as_str()).id)).await
}

/// Replaces the platform's budgets.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] naming the field; also of the two below.
pub async fn replace_of_platform(engine: &Engine, by: &Operator, new: Vec<BudgetTerms>) -> Result<Vec<BudgetView>> {
    check(&new)?;
    let _turn = engine.directory.platform_turn().await;
    tracing::info!(by = %by.key(), count = new.len(), "the platform's budgets replaced");
    replace(engine, Subject::Platform, new).await
}

/// Replaces a tenant's own budgets: its operator's right alone. What it inherits stands beside them, where they leave room.
pub async fn replace_of_tenant(engine: &Engine, tenant: &OperatedTenant, new: Vec<BudgetTerms>) -> Result<Vec<BudgetView>> {
    check(&new)?;
    let id = tenant.scope.tenant();
    let _turn = engine.directory.turn(id).await?;
    tracing::info!(tenant = %id, by = %tenant.by.key(), count = new.len(), "budgets replaced");
    replace(engine, Subject::Tenant(id), new).await
}

/// Replaces a key's budgets.
pub async fn replace_of_key(engine: &Engine, key: &ManagedKey, new: Vec<BudgetTerms>) -> Result<Vec<BudgetView>> {
    check(&new)?;
    check_units(engine, &key.tenant, &new)?;
    let tenant = key.tenant.scope.tenant();
    let _turn = engine.directory.turn(tenant).await?;
    tracing::info!(%tenant, key = %key.entry.record.id, by = %key.tenant.by.key(), count = new.len(), "budgets replaced");
    replace(engine, subject(key), new).await
}

/// Replaces an end user's budgets. Nothing has to be known of it before.
pub async fn replace_of_end_user(engine: &Engine, user: &ManagedEndUser, new: Vec<BudgetTerms>) -> Result<Vec<BudgetView>> {
    check(&new)?;
    check_units(engine, &user.tenant, &new)?;
    let (scope, by) = (user.tenant.scope, user.tenant.by.key());
    let (tenant, named) = (scope.tenant(), engine.end_users.named(scope.tenant(), user.name.as_str()));
    let subject = Subject::EndUser(tenant, named.id);
    let _turn = engine.directory.turn(tenant).await?;
    tracing::info!(%tenant, end_user = %named.id, %by, count = new.len(), "budgets replaced");
    end_users::keep(engine, &[(scope, named)]).await?;
    replace(engine, subject, new).await
}

fn subject(key: &ManagedKey) -> Subject {
    Subject::Key(key.tenant.scope.tenant(), key.entry.record.id)
}

/// A budget that takes the place of one with the same window and unit keeps its id: it is the same budget, changed.
async fn replace(engine: &Engine, subject: Subject, new: Vec<BudgetTerms>) -> Result<Vec<BudgetView>> {
    let known = engine.accounts.budget_ids(&subject);
    let id_of = |new: &BudgetTerms| {
        let same = known.iter().find(|(window, in_usd, _)| (*window, *in_usd) == (new.window, new.cap.is_usd()));
        same.map_or_else(|| engine.ids.budget(), |(_, _, id)| *id)
    };
    let own = new.into_iter().map(|new| Budget {
        id: id_of(&new),
        subject,
        window: new.window,
        cap: new.cap,
        mode: new.mode,
        alert_at: new.alert_at,
        origin: BudgetOrigin::Own,
    });
    let own: Vec<_> = own.collect();
    let budgets = engine.store.control().replace_budgets(&subject, &own).await?;
    engine.directory.publish(|| engine.accounts.set_budgets(&subject, budgets)).await;
    engine.accounts.view(&subject).await
}

/// Who may not know what providers charge cannot find it out by a cap of its own either.
fn check_units(engine: &Engine, tenant: &ManagedTenant, new: &[BudgetTerms]) -> Result<()> {
    let in_usd = new.iter().position(|budget| budget.cap.is_usd());
    match in_usd.filter(|_| hides_amounts(engine, tenant)) {
        None => Ok(()),
        Some(i) => {
            let message = "budgets of money count what the providers charge, and your plan has prices of its own: cap tokens with \
                           `limit_tokens`, or ask your operator";
            Err(Error::invalid(message).at(format!("[{i}].limit_usd")))
        }
    }
}

/// One budget per window and unit, so there are six at most.
pub(super) fn check(new: &[BudgetTerms]) -> Result<()> {
    let mut seen = HashSet::new();
    for (i, budget) in new.iter().enumerate() {
        if !seen.insert((budget.window, budget.cap.is_usd())) {
            let unit = if budget.cap.is_usd() { "usd" } else { "tokens" };
            let message = format!("there is already a budget by {} in {unit}", budget.window.name());
            return Err(Error::invalid(message).at(format!("[{i}].window")));
        }
        if budget.alert_at.len() > ALERTS_MAX {
            return Err(Error::invalid(format!("at most {ALERTS_MAX} alerts a budget")).at(format!("[{i}].alert_at")));
        }
        if let Some(wrong) = budget.alert_at.iter().position(|share| !(*share > 0.0 && *share <= 1.0)) {
            let message = "an alert is a share of the cap: above 0 and at most 1";
            return Err(Error::invalid(message).at(format!("[{i}].alert_at[{wrong}]")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use insula_model::{BudgetMode, Cap, Money, Window};

    use super::*;

    fn budget(window: Window, cap: Cap, alert_at: Vec<f64>) -> BudgetTerms {
        BudgetTerms { window, cap, mode: BudgetMode::Hard, alert_at }
    }

    #[test]
    fn one_budget_per_window_and_unit() {
        let usd = Cap::Usd(Money::ZERO);
        assert!(check(&[budget(Window::Day, usd, vec![]), budget(Window::Day, Cap::Tokens(1), vec![0.5, 1.0])]).is_ok());
        let twice = check(&[budget(Window::Day, usd, vec![]), budget(Window::Day, usd, vec![])]).unwrap_err();
        assert_eq!(twice.param(), Some("[1].window"));
    }

    #[test]
    fn alerts_are_shares() {
        for wrong in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            let refused = check(&[budget(Window::Day, Cap::Tokens(1), vec![0.5, wrong])]).unwrap_err();
            assert_eq!(refused.param(), Some("[0].alert_at[1]"), "{wrong}");
        }
    }
}
