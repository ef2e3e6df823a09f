//! `[log]`.

use super::{layers::Fault, section::section, value::choice};

choice! {
    /// How a line of the log looks.
    Format("human or json") {
        /// For people.
        Human,
        /// One JSON object a line.
        Json,
    }
}

section! {
    /// What is written to stderr.
    Log {
        /// `human` or `json`.
        format: Format = Format::Human;
        /// `error`, `warn`, `info`, `debug` or `trace`, or a filter by module such as `info,insula_store=debug`.
        level: String = "info".to_owned();
    }
}

impl Log {
    /// What cannot be about the level.
    pub(super) fn fault(&self) -> Option<Fault> {
        let error = crate::logging::filter(&self.level).err()?;
        Some(Fault {
            key: "log.level".into(),
            says: format!("is {:?}, which is no level", self.level),
            fix: format!("{error}"),
        })
    }
}
