//! Every test runs, and a lint is only ever expected to fire, with a reason.

use super::Violation;
use crate::workspace::Source;

// Put together here, so that this file does not find itself.
const IGNORE: &str = concat!("#[", "ignore");
const ALLOW: &[&str] = &[concat!("#[", "allow("), concat!("#![", "allow(")];
const UNFINISHED: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!(")];

/// Finds ignored tests, silenced lints and unfinished code.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|s| s.is_rust()) {
        for (number, line) in source.lines() {
            let line = line.trim_start();
            if line.starts_with(IGNORE) {
                violations.push(Violation::at(source, number, "an ignored test proves nothing; mend it or remove it"));
            }
            if ALLOW.iter().any(|allow| line.starts_with(allow)) {
                violations.push(Violation::at(
                    source,
                    number,
                    "write `expect(lint, reason = \"...\")`: it says why and goes away with its cause",
                ));
            }
            if UNFINISHED.iter().any(|word| line.contains(word)) {
                violations.push(Violation::at(source, number, "unfinished"));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_kind_is_found() {
        let text = format!("    {IGNORE}]\n{}dead_code)]\nfn f() {{ {}) }}\n", ALLOW[0], UNFINISHED[0]);
        let lines: Vec<usize> = check(&[sample("crates/model/src/x.rs", &text)]).iter().map(|v| v.line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }
}
