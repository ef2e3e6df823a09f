//! `insula doctor`: looks at everything that a server needs and says how to mend what is wrong.

mod ledger;
mod machine;
mod outside;
mod reading;
mod shared;

use clap::Args;

use super::{exit::Failure, output::Output, settings::Settings};
use crate::finding::{Finding, State};

/// Examines the installation: configuration, data directory, machine, providers, ledger.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    settings: Settings,
}

/// Runs it; fails when a finding does.
pub async fn run(args: DoctorArgs, out: Output) -> Result<(), Failure> {
    let findings = match args.settings.load() {
        Ok(loaded) => {
            let config = loaded.config.clone();
            let mut findings = vec![Finding::ok("configuration", "can be read, and every value can be")];
            findings.extend(machine::unknown_variables());
            findings.extend(machine::storage(&config.storage));
            findings.push(machine::descriptors(&config.storage));
            findings.extend(machine::config_file(&loaded));
            findings.extend(shared::examine(&config).await);
            findings.extend(outside::prices(&config));
            findings.extend(outside::providers(&config).await);
            findings.push(reading::examine(&config.knowledge).await);
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
