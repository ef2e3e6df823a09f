//! A tenant's scope comes from a verified credential or from a named job, never from elsewhere; a grant for a corpus from the directory.

use super::Violation;
use crate::workspace::Source;

/// Every file in which a scope is minted, with its reason.
const MINTERS: &[&str] = &[
    // A key or token was verified for this very request.
    "crates/engine/src/directory/authenticate.rs",
    // An operator acts on a tenant's metadata.
    "crates/engine/src/directory/authorise.rs",
    // A batch goes on in its caller's name.
    "crates/engine/src/directory/jobs.rs",
    // An operator fills a reference corpus.
    "crates/engine/src/directory/corpora.rs",
];

/// Every file in which a tenant's grant for a corpus is.
const GRANTERS: &[&str] = &[
    // It was found among those that are in force.
    "crates/engine/src/directory/corpora.rs",
];

/// What is minted, and where alone.
const MINTS: [(&str, &[&str]); 2] =
    [(concat!("TenantScope::", "mint("), MINTERS), (concat!("CorpusGrant::", "mint("), GRANTERS)];

/// Finds calls in files that are not on the list, and entries of the list that mint nothing any more.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|s| s.is_rust() && !is_test(&s.path)) {
        for (mint, files) in MINTS {
            let listed = files.contains(&source.path.as_str());
            let is_code = |line: &str| !line.trim_start().starts_with("//");
            let calls = source.shipped_lines().filter(|(_, line)| line.contains(mint) && is_code(line));
            let calls: Vec<usize> = calls.map(|(number, _)| number).collect();
            if listed && calls.is_empty() {
                violations.push(Violation::at(
                    source,
                    1,
                    "mints no scope any more; take it off the list in xtask/src/tidy/scope.rs",
                ));
            }
            if !listed {
                let advice =
                    "a scope is minted here; take one from the credential, or list this file in xtask/src/tidy/scope.rs";
                violations.extend(calls.into_iter().map(|line| Violation::at(source, line, advice)));
            }
        }
    }
    violations
}

/// Tests mint scopes to stand in for a credential.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("tests.rs") || path.contains("/tests/") || path.contains("/conformance/")
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn an_unlisted_caller_is_found_and_its_tests_are_not() {
        for (mint, _) in MINTS {
            let call = format!("let scope = {mint}tenant, ScopeSource::Credential);\n");
            let found = check(&[sample("crates/server/src/routes/chat.rs", &format!("fn f() {{\n    {call}}}\n"))]);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].line, 2);
            let in_test = format!("#[cfg(test)]\nmod tests {{\n    {call}}}\n");
            assert!(check(&[sample("crates/server/src/routes/chat.rs", &in_test)]).is_empty());
        }
        let grant = format!("let grant = {}&scope, id);\n", MINTS[1].0);
        let found = check(&[sample("crates/engine/src/directory/jobs.rs", &format!("TenantScope::{}\n{grant}", "mint(x)"))]);
        assert_eq!(found.len(), 1, "who may mint scopes may not mint grants");
    }
}
