//! A file that outgrows a few pages has two purposes.

use super::Violation;
use crate::workspace::Source;

/// The most lines of a Rust file, its closing test module not counted.
const LINES_MAX: usize = 400;

/// Finds files that are too long. Files of tests may grow.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let measured = |s: &&Source| {
        s.is_rust() && !s.path.starts_with("tests/") && !s.path.ends_with("tests.rs") && !s.path.contains("/tests/")
    };
    let mut violations = Vec::new();
    for source in sources.iter().filter(measured) {
        let lines = source.shipped_lines().count();
        if lines > LINES_MAX {
            violations.push(Violation::at(
                source,
                LINES_MAX,
                format!("{lines} lines, at most {LINES_MAX}: split it by purpose"),
            ));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "fn f() {}\n".repeat(LINES_MAX + 1);
        assert_eq!(check(&[sample("crates/model/src/long.rs", &long)]).len(), 1);
        let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(check(&[sample("crates/model/src/tested.rs", &tested)]).is_empty());
    }
}
