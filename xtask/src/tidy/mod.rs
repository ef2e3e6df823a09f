//! The rules of the house that a compiler does not know. Each rule is a function from sources to violations, in a file
//! of its own, with a test that shows it a violating sample.

mod addresses;
mod attributes;
mod changelog;
mod edges;
mod engines;
mod length;
mod scope;

use std::fmt;

use anyhow::{Result, bail};

use crate::{
    run,
    workspace::{self, Source},
};

/// Where a rule is broken, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    path: String,
    line: usize,
    advice: String,
}

impl Violation {
    /// A violation at a line of a source.
    fn at(source: &Source, line: usize, advice: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, advice: advice.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.advice)
    }
}

/// A rule sees all sources and answers with what breaks it.
type Rule = fn(&[Source]) -> Vec<Violation>;

const RULES: &[(&str, Rule)] = &[
    ("crates depend on each other as ARCHITECTURE.md says", edges::check),
    ("only the listed files mint a tenant's scope", scope::check),
    ("only the store names its engines", engines::check),
    ("files fit on a few pages", length::check),
    ("no test is ignored, no lint silenced without a reason", attributes::check),
    ("no address of a machine or a package mirror", addresses::check),
    ("the changelog tells users what changed", changelog::check),
];

/// Rules, formatting, lints. That the generated documents are up to date is a test of the program that writes them.
pub fn run() -> Result<()> {
    rules()?;
    run::check(run::cargo().args(["fmt", "--all", "--check"]))?;
    run::check(run::cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]))
}

/// The rules alone: a second, without building anything.
fn rules() -> Result<()> {
    let sources = workspace::sources()?;
    let mut broken = 0;
    for (rule, check) in RULES {
        let violations = check(&sources);
        if violations.is_empty() {
            continue;
        }
        eprintln!("rule broken: {rule}");
        for violation in &violations {
            eprintln!("  {violation}");
        }
        broken += violations.len();
    }
    if broken > 0 {
        bail!("tidy found {broken} places to mend");
    }
    Ok(())
}

/// A source for the rules' own tests.
#[cfg(test)]
fn sample(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        if let Err(error) = rules() {
            panic!("{error}");
        }
    }
}
