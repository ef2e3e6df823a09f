//! Which model judges where a moderation names none.

use insula_model::{Error, ErrorKind, Operation, Result};

use crate::{Engine, directory::TenantEntry};

/// What OpenAI means by a moderation without a model.
const MEANT: &str = "omni-moderation-latest";

/// The model that is meant: [`MEANT`] where the tenant may call something of that name, else the only one that does moderations for it.
///
/// # Errors
/// `ModelNotFound` where there is none, `Invalid` where there are several; both say what to do.
pub(crate) fn unnamed_moderation(engine: &Engine, tenant: &TenantEntry) -> Result<String> {
    let now = engine.clock.now();
    tenant.looking(|viewer| {
        if engine.providers.candidates(MEANT, Operation::Moderations, now, viewer).is_ok() {
            return Ok(MEANT.to_owned());
        }
        match engine.providers.names(Operation::Moderations, now, viewer)[..] {
            [] => {
                let what = "no model that you may call does moderations; an operator adds one with a [[models]] entry in the price file";
                Err(Error::new(ErrorKind::ModelNotFound, what).at("model"))
            }
            [only] => Ok(only.to_owned()),
            ref several => {
                let several = several.join("`, `");
                Err(Error::invalid(format!("`model` is missing, and several do moderations: name one of `{several}`")).at("model"))
            }
        }
    })
}
