//! What was run, how long it took and how it ended.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Collects the steps.
#[derive(Default)]
pub struct Report {
    steps: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    /// What it has to say, or why it failed.
    outcome: Result<String, String>,
}

impl Report {
    /// Runs a step. A failure is kept for the end, so that one run tells all.
    pub fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<String>) {
        eprintln!("\n=== {name}");
        let started = Instant::now();
        let outcome = run().map_err(|error| format!("{error:#}"));
        if let Err(reason) = &outcome {
            eprintln!("=== {name} failed: {reason}");
        }
        self.steps.push(Step { name, took: started.elapsed(), outcome });
    }

    /// Prints the summary; an error when a step failed.
    pub fn finish(self) -> Result<()> {
        eprintln!("\n=== summary");
        for step in &self.steps {
            let (mark, detail) = match &step.outcome {
                Ok(detail) => ("ok    ", detail.as_str()),
                Err(reason) => ("FAILED", reason.lines().next().unwrap_or_default()),
            };
            eprintln!("{mark}  {:<14} {:>6.1} s  {detail}", step.name, step.took.as_secs_f64());
        }
        let failed = self.steps.iter().filter(|step| step.outcome.is_err()).count();
        if failed > 0 {
            bail!("{failed} of {} steps failed", self.steps.len());
        }
        Ok(())
    }
}
