//! Users learn from CHANGELOG.md what changed for them.

use super::Violation;
use crate::workspace::Source;

/// The file exists, has a section for what is not yet released, and that section says something.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let Some(source) = sources.iter().find(|s| s.path == "CHANGELOG.md") else {
        return vec![Violation { path: "CHANGELOG.md".into(), line: 1, advice: "is missing".into() }];
    };
    let Some((heading, _)) = source.lines().find(|(_, line)| line.starts_with("## ")) else {
        return vec![Violation::at(source, 1, "has no section; start one such as `## Unreleased`")];
    };
    let said =
        source.lines().skip(heading).take_while(|(_, line)| !line.starts_with("## ")).any(|(_, line)| line.starts_with("- "));
    if said { Vec::new() } else { vec![Violation::at(source, heading, "the newest section says nothing")] }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn a_missing_or_silent_changelog_is_found() {
        assert_eq!(check(&[]).len(), 1);
        let silent = "# Changelog\n\n## Unreleased\n\n## 0.1.0\n- Something\n";
        assert_eq!(check(&[sample("CHANGELOG.md", silent)])[0].line, 3);
        let told = silent.replace("Unreleased\n", "Unreleased\n- More\n");
        assert!(check(&[sample("CHANGELOG.md", &told)]).is_empty());
    }
}
