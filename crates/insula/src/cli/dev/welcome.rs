//! What a development server says once it serves: `Ready`, and commands that work when they are copied.

use std::path::Path;

use super::env_file::DevEnv;
use crate::cli::{exit::Failure, output::Output};

/// Providers that people have keys for, by the variable that usually holds the key.
const VENDORS: &[(&str, &str, &str)] = &[
    ("OPENAI_API_KEY", "openai", "https://api.openai.com/v1"),
    ("DEEPSEEK_API_KEY", "deepseek", "https://api.deepseek.com/v1"),
];

/// Prints it.
pub fn print(data_dir: &Path, env: &DevEnv, out: Output) -> Result<(), Failure> {
    let file = quoted(&sourceable(&DevEnv::path(data_dir)));
    let program = program();
    let at = if data_dir == Path::new("data") {
        String::new()
    } else {
        format!(" --data-dir {}", quoted(&data_dir.display().to_string()))
    };
    out.line(&format!("Ready  {}", env.url))?;
    out.line(&format!(
        "
Tenants acme and globex, models sim-small, sim-large, sim-embed and sim-moderation. Addresses and keys are in {file}

Next, in another terminal: the tour that proves what is promised
  {program} quickstart{at}

Or a streamed chat as acme
  . {file} && curl -sN $INSULA_URL/v1/chat/completions -H \"Authorization: Bearer $INSULA_ACME_KEY\" \\
    -H 'Content-Type: application/json' \\
    -d '{{\"model\":\"sim-small\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'

Or what it cost
  {program} usage acme{at}"
    ))?;
    for (variable, name, base_url) in VENDORS {
        if std::env::var_os(variable).is_some() {
            out.line(&format!(
                "
{variable} is set. To reach {name} beside the simulator, write this to insula.toml and run `{program} dev --config insula.toml`
  [[providers]]
  name = \"{name}\"
  base_url = \"{base_url}\"
  api_key_env = \"{variable}\""
            ))?;
        }
    }
    Ok(())
}

/// How to call this program again from here: by cargo in the clone that built it, else as it was called.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "insula".to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    let exe = std::env::current_exe().unwrap_or_default();
    match exe.strip_prefix(here.join("target")).ok().and_then(Path::to_str) {
        Some("release/insula") => "cargo run --release --".to_owned(),
        Some("debug/insula") => "cargo run --".to_owned(),
        _ => quoted(&called),
    }
}

/// A path that `.` takes for a file and does not look up in PATH.
fn sourceable(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('/') { text } else { format!("./{text}") }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(quoted("data/dev.env"), "data/dev.env");
        assert_eq!(quoted("my data/o'clock"), r"'my data/o'\''clock'");
        assert_eq!(sourceable(Path::new("dev.env")), "./dev.env");
    }
}
