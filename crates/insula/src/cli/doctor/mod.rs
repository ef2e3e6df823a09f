//! `insula doctor`: looks at everything that a server needs and says how to mend what is wrong.

mod ledger;
mod machine;
mod outside;

use clap::Args;
use serde::Serialize;

use super::{exit::Failure, output::Output, settings::Settings};

/// Examines the installation: configuration, data directory, machine, providers, ledger.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    settings: Settings,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, state: State::Ok, says: says.into(), fix: None }
    }

    fn warn(check: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Warn, says: says.into(), fix: Some(fix.into()) }
    }

    fn fail(check: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, state: State::Fail, says: says.into(), fix: Some(fix.into()) }
    }
}

/// Runs it; fails when a finding does.
pub async fn run(args: DoctorArgs, out: Output) -> Result<(), Failure> {
    let findings = match args.settings.load() {
        Ok(loaded) => {
            let config = loaded.config;
            let mut findings = vec![Finding::ok("configuration", "can be read, and every value can be")];
            findings.extend(machine::unknown_variables());
            findings.extend(machine::storage(&config.storage));
            findings.push(machine::descriptors(&config.storage));
            findings.extend(outside::prices(&config));
            findings.extend(outside::providers(&config).await);
            findings.extend(ledger::examine(&config.storage).await);
            findings
        }
        // Without a configuration it is not known where to look further.
        Err(failure) => vec![Finding { check: "configuration", state: State::Fail, says: failure.to_string(), fix: None }],
    };
    print(&findings, out)?;
    let failed = findings.iter().filter(|finding| finding.state == State::Fail).count();
    match failed {
        0 => Ok(()),
        1 => Err(Failure::failed("1 check failed")),
        _ => Err(Failure::failed(format!("{failed} checks failed"))),
    }
}

fn print(findings: &[Finding], out: Output) -> Result<(), Failure> {
    if out.is_json() {
        return out.line(&serde_json::json!({ "data": findings }).to_string());
    }
    for Finding { check, state, says, fix } in findings {
        let mark = match state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        out.line(&format!("{mark:<5} {check:<16} {}", says.replace('\n', "\n                       ")))?;
        if let Some(fix) = fix {
            out.line(&format!("      {:<16} fix: {fix}", ""))?;
        }
    }
    Ok(())
}
