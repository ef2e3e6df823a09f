//! What nodes share: databases, and where they count together.

use std::{error::Error as _, time::Duration};

use insula_model::Error;
use insula_store::{Examination, Holds};

use crate::{
    config::Config,
    finding::Finding,
    wire::{self, Looked},
};

/// How far clocks may be apart before an operator should know.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(1);

/// Looks at all of it; at nothing where the data is embedded.
pub async fn examine(config: &Config) -> Vec<Finding> {
    if !config.storage.is_shared() {
        return Vec::new();
    }
    let mut findings = match wire::examine(&config.storage).await {
        Ok(databases) => databases.into_iter().flat_map(database).collect(),
        Err(error) => vec![Finding::fail("shared storage", caused(&error), "mend the address in [storage]")],
    };
    findings.extend(wire::examine_vectors(config).await.map(vectors));
    findings.push(counting(wire::ping(&config.coordination).await));
    findings
}

fn database(Looked { holds, place, found }: Looked) -> Vec<Finding> {
    let check = if holds == Holds::Keys { "key store" } else { "shared storage" };
    let mut findings = match found {
        Ok(found) => contents(check, &place, found),
        Err(error) => {
            let fix = "look at the network, the address, the password and the database's log";
            vec![Finding::fail(check, format!("{place}: {}", caused(&error)), fix)]
        }
    };
    if holds == Holds::Everything {
        let says = "lies in the same database as the data, and so in its backups: until these expire, what was erased can be read from them";
        findings.push(Finding::warn(
            "key store",
            says,
            "give it a database with backups of its own; docs/configuration.md, [storage], names the key",
        ));
    }
    findings
}

fn contents(check: &'static str, place: &str, found: Examination) -> Vec<Finding> {
    let mut findings =
        vec![Finding::ok(check, format!("{place}: {} answers", found.version)), clocks(check, found.clock_ahead_us)];
    findings.push(match found.login {
        Ok(()) => Finding::ok(check, "the role that logs in can bypass nothing"),
        Err(error) => Finding::fail(check, error.message(), "have the database's administrator run what it says"),
    });
    findings.push(match found.steps {
        None => Finding::warn(check, "its steps are not examined as this role", "mend the role first"),
        Some(Ok(())) => Finding::ok(check, "every step of its schemas is taken"),
        Some(Err(error)) => Finding::fail(check, error.message(), "run `insula migrate` of the version that serves"),
    });
    if found.findings.is_empty() {
        findings.push(Finding::ok(check, "the catalogue keeps tenants apart"));
    }
    findings
        .extend(found.findings.into_iter().map(|one| Finding::fail(check, format!("{}: {}", one.object, one.says), one.fix)));
    findings.extend(found.notes.into_iter().map(|one| Finding::warn(check, format!("{}: {}", one.object, one.says), one.fix)));
    findings
}

/// Windows and expiries follow each node's clock; who is alive follows the database's.
fn clocks(check: &'static str, ahead_us: i64) -> Finding {
    let apart = Duration::from_micros(ahead_us.unsigned_abs());
    let side = if ahead_us < 0 { "behind" } else { "ahead of" };
    let says = format!("its clock is {} ms {side} this machine's", apart.as_millis());
    if apart <= CLOCKS_APART_MAX {
        return Finding::ok(check, says);
    }
    Finding::warn(check, says, "let both follow the same time servers: a budget's window begins by each node's clock")
}

fn vectors(found: insula_model::Result<String>) -> Finding {
    const CHECK: &str = "vectors";
    match found {
        Ok(version) => Finding::ok(CHECK, format!("the shared database searches them, with {version}")),
        Err(error) => Finding::fail(CHECK, caused(&error), "do what it says; until then no node starts with this engine"),
    }
}

fn counting(answer: Option<insula_model::Result<()>>) -> Finding {
    const CHECK: &str = "coordination";
    match answer {
        Some(Ok(())) => Finding::ok(CHECK, "answers: all nodes count pace and concurrency together"),
        Some(Err(error)) => Finding::warn(
            CHECK,
            format!("does not answer, and each node counts its share of the limits: {}", caused(&error)),
            "look at the network, the address and the password in [coordination]",
        ),
        None => Finding::warn(
            CHECK,
            "is not configured: each node counts pace and concurrency for itself, and several let through several times a limit",
            "where that matters, set the address in [coordination]",
        ),
    }
}

/// An error for an operator, with its causes. Errors of the store repeat no address.
fn caused(error: &Error) -> String {
    let mut says = error.message().to_owned();
    let mut source = error.source();
    while let Some(cause) = source {
        says.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    fn found(login: Result<(), Error>, steps: Option<Result<(), Error>>, clock_ahead_us: i64) -> Vec<State> {
        let found = Examination { version: "15".into(), clock_ahead_us, login, steps, findings: Vec::new(), notes: Vec::new() };
        let looked = Looked { holds: Holds::Data, place: "insula as app".into(), found: Ok(found) };
        database(looked).iter().map(|finding| finding.state).collect()
    }

    #[test]
    fn each_thing_that_is_wrong_is_told() {
        use State::{Fail, Ok as Fine, Warn};
        assert_eq!(found(Ok(()), Some(Ok(())), 1_000_000), [Fine, Fine, Fine, Fine, Fine]);
        assert_eq!(found(Ok(()), Some(Ok(())), -1_000_001), [Fine, Warn, Fine, Fine, Fine]);
        assert_eq!(found(Err(Error::invalid("a superuser")), None, 0), [Fine, Fine, Fail, Warn, Fine]);
        assert_eq!(found(Ok(()), Some(Err(Error::invalid("not up to date"))), 0), [Fine, Fine, Fine, Fail, Fine]);
    }

    #[test]
    fn a_key_store_beside_the_data_is_told_and_so_is_counting_alone() {
        let away = Looked { holds: Holds::Everything, place: "insula as app".into(), found: Err(Error::invalid("away")) };
        let findings = database(away);
        assert_eq!(
            findings.iter().map(|f| (f.check, f.state)).collect::<Vec<_>>(),
            [("shared storage", State::Fail), ("key store", State::Warn)]
        );
        assert_eq!(counting(None).state, State::Warn);
        assert_eq!(counting(Some(Err(Error::invalid("away")))).state, State::Warn);
        assert_eq!(counting(Some(Ok(()))).state, State::Ok);
    }
}
