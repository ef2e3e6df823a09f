//! What plans and segments have in common: defaults, checked where they come in.

use std::collections::HashSet;

use insula_model::{Defaults, Error, Result, Slug};

use super::{budgets, cache, limits, routing};

/// Models in one list.
pub const MODELS_MAX: usize = 1_000;
/// Characters of a model's name.
const MODEL_CHARS_MAX: usize = 256;

/// The name that a path gives a plan or segment that is to be made.
pub(super) fn new_name(path: &str) -> Result<Slug> {
    Slug::try_from(path.to_owned()).map_err(|error| error.at("name"))
}

/// The name that a path gives a plan or segment; what is no name is nobody's.
pub(super) fn name(path: &str) -> Result<Slug> {
    Slug::try_from(path.to_owned()).map_err(|_| Error::not_found())
}

/// Refuses defaults that could not be set for a single tenant either, naming the field.
pub(super) fn check(defaults: &Defaults) -> Result<()> {
    limits::check(&defaults.limits).map_err(|error| error.within("limits"))?;
    budgets::check(&defaults.budgets).map_err(|error| error.within("budgets"))?;
    routing::check(&defaults.routing).map_err(|error| error.within("routing"))?;
    cache::check(&defaults.cache).map_err(|error| error.within("cache"))?;
    check_models(defaults.models.as_deref())
}

/// Refuses a list of models with what can be no model's name, or with a name twice.
pub(super) fn check_models(models: Option<&[String]>) -> Result<()> {
    let models = models.unwrap_or_default();
    if models.len() > MODELS_MAX {
        return Err(Error::invalid(format!("at most {MODELS_MAX} models")).at("models"));
    }
    let mut seen = HashSet::new();
    for (i, model) in models.iter().enumerate() {
        check_model(model).map_err(|error| error.at(format!("models[{i}]")))?;
        if !seen.insert(model) {
            return Err(Error::invalid("this model is in the list already").at(format!("models[{i}]")));
        }
    }
    Ok(())
}

/// Refuses what can be no model's name. Whether the platform has the model is not asked: price files change.
pub(super) fn check_model(model: &str) -> Result<()> {
    let is_plain = !model.chars().any(|c| c.is_control() || c.is_whitespace());
    if is_plain && (1..=MODEL_CHARS_MAX).contains(&model.chars().count()) {
        return Ok(());
    }
    Err(Error::invalid(format!("a model's name has 1 to {MODEL_CHARS_MAX} characters and no spaces")))
}

#[cfg(test)]
mod tests {
    use insula_model::{BudgetMode, BudgetTerms, Cap, Limits, Window};

    use super::*;

    fn param(defaults: &Defaults) -> Option<String> {
        check(defaults).unwrap_err().param().map(str::to_owned)
    }

    #[test]
    fn what_is_wrong_is_named_within_the_whole() {
        let day = BudgetTerms { window: Window::Day, cap: Cap::Tokens(1), mode: BudgetMode::Hard, alert_at: vec![] };
        let limits = Limits { concurrency: Some(0), ..Limits::default() };
        let models = |models: &[&str]| Defaults {
            models: Some(models.iter().map(|model| (*model).to_owned()).collect()),
            ..Defaults::default()
        };
        assert!(check(&Defaults { budgets: vec![day.clone()], ..models(&["a", "sim/b"]) }).is_ok());
        assert!(check(&models(&[])).is_ok(), "none at all is a list too");
        assert_eq!(param(&Defaults { limits, ..Defaults::default() }).as_deref(), Some("limits.concurrency"));
        let twice = Defaults { budgets: vec![day.clone(), day], ..Defaults::default() };
        assert_eq!(param(&twice).as_deref(), Some("budgets[1].window"));
        for wrong in [["a", ""], ["a", "a"], ["a", "b c"]] {
            assert_eq!(param(&models(&wrong)).as_deref(), Some("models[1]"));
        }
    }
}
