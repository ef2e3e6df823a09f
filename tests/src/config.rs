//! A configuration file for `insula serve` with a simulator as its provider, and others beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the file says beside the bare minimum.
#[derive(Debug, Clone, Default)]
pub struct ServeConfig {
    /// Whose API the simulator is taken to have; OpenAI's when absent.
    pub kind: Option<&'static str>,
    /// How long the provider may take to connect, to begin and to go on; as configured by default when absent.
    pub patience: Option<Duration>,
    /// More lines, by section: `("bounds", "header_wait_ms_max = 100")`.
    pub more: Vec<(&'static str, String)>,
    /// More lines about the provider: `concurrency_max = 4`.
    pub provider: Vec<String>,
    /// Whether the same simulator is two more providers as well: `claude` speaks Anthropic's form, `gemini` Google's.
    pub with_vendors: bool,
    /// Providers beside it, with the same models at the same prices.
    pub beside: Vec<Beside>,
    /// More entries of the price book.
    pub prices: String,
}

/// One more provider.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Its name.
    pub name: &'static str,
    /// Where it listens.
    pub url: String,
    /// More lines about it: `region = "eu"`.
    pub lines: Vec<String>,
}

/// The catalogue of `insula dev`, and a model that nobody gave a price.
const PRICES: &str = r#"
[[models]]
provider = "sim"
name = "sim-small"
operations = ["chat"]
context_tokens_max = 128000
output_tokens_max = 16384
[[models.prices]]
effective_from = 2020-01-01
input = "1.00"
output = "2.00"
source = "the tests"
checked = 2020-01-01

[[models]]
provider = "sim"
name = "sim-large"
operations = ["chat"]
context_tokens_max = 128000
output_tokens_max = 16384
[[models.prices]]
effective_from = 2020-01-01
input = "10.00"
output = "20.00"
source = "the tests"
checked = 2020-01-01

[[models]]
provider = "sim"
name = "sim-embed"
operations = ["embeddings"]
context_tokens_max = 8192
[[models.prices]]
effective_from = 2020-01-01
input = "0.10"
output = "0"
source = "the tests"
checked = 2020-01-01

[[models]]
provider = "sim"
name = "sim-moderation"
operations = ["moderations"]
[[models.prices]]
effective_from = 2020-01-01
input = "0"
output = "0"
source = "the tests"
checked = 2020-01-01

[[models]]
provider = "sim"
name = "sim-unpriced"
operations = ["chat"]
output_tokens_max = 16384
"#;

/// The models of the providers that speak other forms: `claude-sim`, `gemini-sim` and `gemini-sim-embed`.
const VENDORS_PRICES: &str = include_str!("../clients/prices.toml");

impl ServeConfig {
    /// Writes the file and its price book into `folder`; returns the file's path.
    pub fn write(&self, folder: &Path, data_dir: &Path, simulator_url: &str) -> PathBuf {
        let prices = folder.join("prices.toml");
        let mut book = PRICES.to_owned();
        for Beside { name, .. } in &self.beside {
            book.push_str(&PRICES.replace("\"sim\"", &format!("\"{name}\"")));
        }
        book.push_str(&self.prices);
        if self.with_vendors {
            book.push_str(VENDORS_PRICES);
        }
        fs::write(&prices, book).unwrap();
        let mut sections = vec![
            ("server", "listen = \"127.0.0.1:0\"".to_owned()),
            ("storage", format!("data_dir = {:?}", data_dir.to_str().unwrap())),
            ("prices", format!("file = {:?}", prices.to_str().unwrap())),
        ];
        sections.extend(self.more.iter().cloned());
        sections.sort_by_key(|(section, _)| *section);
        let mut text = String::new();
        for group in sections.chunk_by(|a, b| a.0 == b.0) {
            text.push_str(&format!("[{}]\n", group[0].0));
            group.iter().for_each(|(_, line)| text.push_str(&format!("{line}\n")));
        }
        text.push_str(&self.provider("sim", simulator_url, &self.provider));
        for Beside { name, url, lines } in &self.beside {
            text.push_str(&self.provider(name, url, lines));
        }
        let vendors = [("claude", "anthropic", "v1"), ("gemini", "gemini", "v1beta")];
        for (name, kind, version) in vendors.into_iter().filter(|_| self.with_vendors) {
            text.push_str(&format!(
                "[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"{simulator_url}/{version}\"\n\
                 attempt_header = \"x-insula-attempt\"\ntenant_credentials = true\n"
            ));
        }
        let path = folder.join("insula.toml");
        fs::write(&path, text).unwrap();
        path
    }

    fn provider(&self, name: &str, url: &str, lines: &[String]) -> String {
        let kind = self.kind.unwrap_or("openai");
        let version = if kind == "gemini" { "v1beta" } else { "v1" };
        let mut text = format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"{url}/{version}\"\n\
             attempt_header = \"x-insula-attempt\"\n"
        );
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        // Nobody pays a simulator, so an entry without a key may take tenants' all the same.
        if !lines.iter().any(|line| line.contains("tenant_credentials") || line.contains("api_key")) {
            text.push_str("tenant_credentials = true\n");
        }
        if let Some(patience) = self.patience {
            for key in ["connect_ms_max", "first_byte_ms_max", "idle_ms_max"] {
                text.push_str(&format!("{key} = {}\n", patience.as_millis()));
            }
        }
        text
    }
}
