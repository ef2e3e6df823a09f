//! What is sent: the type, the time, and what it is about. Money, ids and names, never content.

use insula_model::{BudgetMode, Cap, EventType, Subject, Timestamp, Window};
use serde::Serialize;

use crate::{accounts::BudgetView, directory::TenantEntry};

/// The form that Standard Webhooks suggests for every payload.
#[derive(Serialize)]
struct Payload<T> {
    r#type: EventType,
    timestamp: String,
    data: T,
}

fn written<T: Serialize>(kind: EventType, at: Timestamp, data: T) -> String {
    // Texts and numbers always serialise.
    serde_json::to_string(&Payload { r#type: kind, timestamp: at.to_string(), data }).unwrap_or_default()
}

/// Whose it is; absent fields where it is the platform's.
#[derive(Serialize)]
struct Of<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_slug: Option<&'a str>,
}

impl<'a> Of<'a> {
    fn tenant(tenant: Option<&'a TenantEntry>) -> Self {
        Self {
            tenant: tenant.map(|tenant| tenant.record.id.to_string()),
            tenant_slug: tenant.map(|tenant| tenant.record.slug.as_str()),
        }
    }
}

#[derive(Serialize)]
struct BudgetData<'a> {
    budget: String,
    level: &'static str,
    #[serde(flatten)]
    of: Of<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_user: Option<String>,
    mode: BudgetMode,
    window: Window,
    unit: &'static str,
    used: String,
    limit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    resets_at: String,
}

/// A budget's state; `share` is the one that was passed. In percent where `hides_amounts`: the tenant is told the same as its
/// operator.
pub(super) fn budget_payload(
    kind: EventType,
    at: Timestamp,
    view: &BudgetView,
    share: Option<f64>,
    tenant: Option<&TenantEntry>,
    hides_amounts: bool,
) -> String {
    let budget = &view.budget;
    let (unit, used, limit) = match budget.cap {
        Cap::Usd(_) if hides_amounts => ("percent", view.used_percent().to_string(), "100".to_owned()),
        Cap::Usd(limit) => ("usd", view.used.money.to_string(), limit.to_string()),
        Cap::Tokens(limit) => ("tokens", view.used.tokens.to_string(), limit.to_string()),
    };
    let (key, end_user) = match budget.subject {
        Subject::Platform | Subject::Tenant(_) => (None, None),
        Subject::Key(_, key) => (Some(key.to_string()), None),
        Subject::EndUser(_, end_user) => (None, Some(end_user.to_string())),
    };
    let data = BudgetData {
        budget: budget.id.to_string(),
        level: budget.level().name(),
        of: Of::tenant(tenant),
        key,
        end_user,
        mode: budget.mode,
        window: budget.window,
        unit,
        used,
        limit,
        share,
        resets_at: view.resets_at.to_string(),
    };
    written(kind, at, data)
}

#[derive(Serialize)]
struct StatementData<'a> {
    #[serde(flatten)]
    of: Of<'a>,
    month: &'a str,
    path: String,
}

/// Where the statement of the month that began at `month_start` can be read.
pub(super) fn statement_payload(at: Timestamp, month_start: Timestamp, tenant: &TenantEntry) -> String {
    let start = month_start.to_string();
    // A time in UTC begins with its year and month.
    let month = start.get(..7).unwrap_or_default();
    let path = format!("/api/v1/tenants/{}/statements/{month}", tenant.record.id);
    written(EventType::StatementReady, at, StatementData { of: Of::tenant(Some(tenant)), month, path })
}

#[derive(Serialize)]
struct TestData<'a> {
    #[serde(flatten)]
    of: Of<'a>,
    webhook: String,
}

/// That a webhook works.
pub(crate) fn test_payload(at: Timestamp, webhook: insula_model::WebhookId, tenant: Option<&TenantEntry>) -> String {
    written(EventType::WebhookTest, at, TestData { of: Of::tenant(tenant), webhook: webhook.to_string() })
}

#[cfg(test)]
mod tests {
    use insula_model::{Budget, BudgetId, Money};
    use serde_json::{Value, json};

    use super::*;
    use crate::accounts::Amounts;

    #[test]
    fn amounts_are_hidden_behind_percent() {
        let budget = Budget {
            id: BudgetId::from_bytes([1; 16]),
            subject: Subject::Platform,
            window: Window::Month,
            cap: Cap::Usd(Money::from_pico(3)),
            mode: BudgetMode::Hard,
            alert_at: vec![],
            origin: Default::default(),
        };
        let used = Amounts { money: Money::from_pico(2), tokens: 7 };
        let view = BudgetView { budget, used, reserved: Amounts::default(), resets_at: Timestamp::default() };
        let told = |view: &BudgetView, hides_amounts| {
            let payload = budget_payload(EventType::BudgetAlert, Timestamp::default(), view, None, None, hides_amounts);
            let payload: Value = serde_json::from_str(&payload).unwrap();
            ["unit", "used", "limit"].map(|field| payload["data"][field].clone())
        };
        assert_eq!(told(&view, false), [json!("usd"), json!("0.000000000002"), json!("0.000000000003")]);
        assert_eq!(told(&view, true), [json!("percent"), json!("66"), json!("100")]);
        let in_tokens = BudgetView { budget: Budget { cap: Cap::Tokens(9), ..view.budget.clone() }, ..view };
        assert_eq!(told(&in_tokens, true), [json!("tokens"), json!("7"), json!("9")]);
    }
}
