//! `insula migrate`.

use std::{convert::Infallible, fmt, str::FromStr};

use clap::Args;

use super::{
    exit::Failure,
    output::{Output, table},
    settings::Settings,
};
use crate::{config::SecretUrl, node::World, wire};

/// Whose variable says where the data is, to its owner.
const OWNER_VARIABLE: &str = "INSULA_OWNER_URL";
const KEYS_OWNER_VARIABLE: &str = "INSULA_KEYS_OWNER_URL";

/// Builds what several nodes share, or brings it up to this version. Run it before the first node of a version starts; what
/// is in place stays as it is.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The shared database, as the role that owns it. Others on this machine see the command line: better set the variable
    /// [env: INSULA_OWNER_URL].
    #[arg(long, value_name = "URL")]
    owner_url: Option<Unseen>,
    /// The key store's own database, where it has one, as its owner [env: INSULA_KEYS_OWNER_URL].
    #[arg(long, value_name = "URL")]
    keys_owner_url: Option<Unseen>,
    /// The role that the server logs in with, to grant it what it needs [default: that of the configured URL].
    #[arg(long, value_name = "ROLE")]
    login: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

/// Text that may hold a password: no help, error or log of the command line shows it.
#[derive(Clone)]
struct Unseen(String);

impl FromStr for Unseen {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unseen(..)")
    }
}

/// Runs it.
pub async fn run(args: MigrateArgs, out: Output) -> Result<(), Failure> {
    let config = args.settings.load()?.config;
    let env = |name: &str| std::env::var(name).ok();
    let owner = url("--owner-url", args.owner_url, OWNER_VARIABLE, env)?;
    let keys_owner = url("--keys-owner-url", args.keys_owner_url, KEYS_OWNER_VARIABLE, env)?;
    let Some(owner) = owner else {
        let advice = "it takes the address of the shared database, as the role that owns it";
        return Err(Failure::usage(format!("set {OWNER_VARIABLE}: {advice}")));
    };
    let steps = wire::migrate(&config, &owner, keys_owner.as_ref(), args.login.as_deref(), &World::default()).await?;
    if out.is_json() {
        return out.line(&serde_json::json!({ "data": steps }).to_string());
    }
    if steps.is_empty() {
        out.note("everything is in place");
        return Ok(());
    }
    out.line(&table(&["step", "object"], steps.into_iter().map(|step| [step.step.to_owned(), step.object])))
}

/// The flag's or else the variable's address. What is refused is not repeated.
fn url(
    flag: &str,
    given: Option<Unseen>,
    variable: &str,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<SecretUrl>, Failure> {
    let (from, text) = match given {
        Some(Unseen(text)) => (flag, text),
        None => match env(variable).filter(|text| !text.is_empty()) {
            Some(text) => (variable, text),
            None => return Ok(None),
        },
    };
    SecretUrl::try_from(text).map(Some).map_err(|says| Failure::usage(format!("{from}: {says}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_variables_and_nothing_is_repeated() {
        let env = |text: &'static str| move |_: &str| Some(text.to_owned()).filter(|_| !text.is_empty());
        let given = |text: &str| Some(Unseen(text.to_owned()));
        let shown = |found: Result<Option<SecretUrl>, Failure>| found.map(|url| url.map(|url| url.expose().to_owned()));
        assert_eq!(shown(url("--a", given("x://flag"), "A", env("x://env"))).unwrap().as_deref(), Some("x://flag"));
        assert_eq!(shown(url("--a", None, "A", env("x://env"))).unwrap().as_deref(), Some("x://env"));
        assert_eq!(shown(url("--a", None, "A", env(""))).unwrap(), None);
        let refused = url("--a", given("hunter2"), "A", env("")).unwrap_err().to_string();
        assert!(refused.starts_with("--a: ") && !refused.contains("hunter2"), "{refused}");
        let refused = url("--a", None, "A", env("hunter2")).unwrap_err().to_string();
        assert!(refused.starts_with("A: ") && !refused.contains("hunter2"), "{refused}");
        assert!(!format!("{:?}", given("hunter2")).contains("hunter2"));
    }
}
