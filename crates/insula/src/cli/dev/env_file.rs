//! `DIR/dev.env`: addresses and keys of a development server, for shells, SDKs and tests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::private_file;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DevEnv {
    /// `INSULA_URL`.
    pub url: String,
    /// `INSULA_OPERATOR_KEY`.
    pub operator_key: String,
    /// `INSULA_ACME_KEY`.
    pub acme_key: String,
    /// `INSULA_GLOBEX_KEY`.
    pub globex_key: String,
    /// `INSULA_SIMULATOR_URL`.
    pub simulator_url: String,
}

impl DevEnv {
    /// Where the file is.
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("dev.env")
    }

    /// Reads the file; empty values where there is none, or none that can be read.
    pub fn read(data_dir: &Path) -> Self {
        std::fs::read_to_string(Self::path(data_dir)).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Writes the file for the owner only.
    pub fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        private_file::replace(&Self::path(data_dir), &self.render())
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        let mut values: BTreeMap<&str, &str> = lines.map(|(name, value)| (name.trim(), value.trim())).collect();
        let mut take = |name| values.remove(name).unwrap_or_default().to_owned();
        Self {
            url: take("INSULA_URL"),
            operator_key: take("INSULA_OPERATOR_KEY"),
            acme_key: take("INSULA_ACME_KEY"),
            globex_key: take("INSULA_GLOBEX_KEY"),
            simulator_url: take("INSULA_SIMULATOR_URL"),
        }
    }

    fn render(&self) -> String {
        format!(
            "# Written by `insula dev`. Use it with: set -a; . ./dev.env; set +a\n\
             INSULA_URL={}\nINSULA_OPERATOR_KEY={}\nINSULA_ACME_KEY={}\nINSULA_GLOBEX_KEY={}\nINSULA_SIMULATOR_URL={}\n",
            self.url, self.operator_key, self.acme_key, self.globex_key, self.simulator_url
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let env = DevEnv {
            url: "http://127.0.0.1:8420".into(),
            operator_key: "ins_op_a".into(),
            acme_key: "ins_live_b".into(),
            globex_key: "ins_live_c".into(),
            simulator_url: "http://127.0.0.1:1".into(),
        };
        assert_eq!(DevEnv::parse(&env.render()), env);
        assert_eq!(DevEnv::parse("garbage\nINSULA_URL\n"), DevEnv::default());
    }
}
