//! Links from what stands on a statement to the attempts behind it.

use form_urlencoded::Serializer;
use insula_engine::{
    directory::ManagedTenant,
    statement::{Line, Month},
};

use crate::wire::Moment;

/// Where a month's statement is.
pub(super) fn statement(tenant: &ManagedTenant, month: Month) -> String {
    format!("/api/v1/tenants/{}/statements/{month}", tenant.scope.tenant())
}

/// Links of one statement.
pub(super) struct Links {
    attempts: String,
    month: Month,
}

impl Links {
    pub(super) fn of(tenant: &ManagedTenant, month: Month) -> Self {
        Self { attempts: statement(tenant, month) + "/attempts", month }
    }

    /// To the attempts for which all these parameters hold.
    pub(super) fn to(&self, parameters: &[(&str, &str)]) -> String {
        let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("{}?{query}", self.attempts)
    }

    /// To the attempts of a line.
    pub(super) fn to_line(&self, line: &Line) -> String {
        let key = &line.key;
        let mut parameters = vec![
            ("model", key.model.as_str()),
            ("operation", key.operation.name()),
            ("cause", key.cause.name()),
            ("plan", key.plan.as_deref().unwrap_or_default()),
        ];
        if !key.is_sold {
            parameters.push(("price_row", &key.price_row));
        }
        let (from, to) = (String::from(Moment(line.span.start)), String::from(Moment(line.span.end)));
        if line.span != self.month.span() {
            parameters.extend([("from", from.as_str()), ("to", to.as_str())]);
        }
        self.to(&parameters)
    }
}
