//! `[webhooks]`.

use std::num::{NonZeroU32, NonZeroU64};

use insula_gate::AddressRange;

use super::{layers::Fault, section::section};

section! {
    /// How products are told what happens.
    Webhooks {
        /// Webhooks of one tenant, and of the platform.
        per_owner_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(31);
        /// How long one sending may take, from the name to the end of the answer, milliseconds.
        timeout_ms_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(14_999);
        /// How often a delivery is sent before it is given up. Ten times are about three days.
        attempts_max: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
        /// The pause before a delivery is sent a second time, milliseconds. The pauses after it are 60, 360, 1,440 times as long, and so on to 17,280.
        retry_first_ms: NonZeroU64 = NonZeroU64::MIN.saturating_add(4_999);
        /// Bytes of a receiver's answer that are read, and thrown away.
        answer_bytes_max: usize = 16 * 1024;
        /// Deliveries that wait for one webhook; what comes on top it is not told.
        pending_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(9_999);
        /// Deliveries of one webhook that its log keeps.
        log_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(9_999);
        /// How long events are kept, for the log and to be replayed, days.
        retention_days: NonZeroU64 = NonZeroU64::MIN.saturating_add(29);
        /// How long after the end of a month its statement is announced, so that late settlements are in it, seconds.
        statement_delay_seconds: u64 = 10 * 60;
        /// Ranges of addresses beyond the public internet in which the platform's own webhooks may lie, such as `["10.0.0.0/8"]`.
        allow_private: Vec<AddressRange> = Vec::new();
        /// The same for tenants' webhooks: whatever lies there can be reached by every tenant, also without TLS.
        tenants_allow_private: Vec<AddressRange> = Vec::new();
    }
}

/// The longest that events are kept, in days.
const RETENTION_DAYS_MAX: u64 = 400;

impl Webhooks {
    /// What cannot be.
    pub(super) fn fault(&self) -> Option<Fault> {
        let days = self.retention_days.get();
        (days > RETENTION_DAYS_MAX).then(|| Fault {
            key: "webhooks.retention_days".into(),
            says: format!("is {days}, at most {RETENTION_DAYS_MAX}"),
            fix: "keep events for a shorter time; the ledger keeps what was spent for good".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Loaded, Origin, Sources};

    fn from_env(text: &str) -> Result<Loaded, super::super::Problems> {
        let env = [("INSULA_WEBHOOKS_ALLOW_PRIVATE".to_owned(), text.to_owned())].into();
        Loaded::from(&Sources { env, ..Sources::default() })
    }

    #[test]
    fn ranges_are_named_behind_commas() {
        let loaded = from_env("127.0.0.0/8, fd00::/8").unwrap();
        assert_eq!(loaded.config, from_env(r#"["127.0.0.0/8", "fd00::/8"]"#).unwrap().config);
        let ranges: Vec<_> = loaded.config.webhooks.allow_private.iter().map(ToString::to_string).collect();
        assert_eq!(ranges, ["127.0.0.0/8", "fd00::/8"]);
        assert_eq!(loaded.origin("webhooks.allow_private"), &Origin::Env("INSULA_WEBHOOKS_ALLOW_PRIVATE".into()));
        let refused = from_env("127.0.0.0/8, loopback").unwrap_err().to_string();
        assert!(refused.contains("written such as 10.0.0.0/8") && refused.contains("list of address ranges"), "{refused}");
    }

    #[test]
    fn ranges_of_the_file_have_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("insula.toml");
        std::fs::write(&file, "[webhooks]\nallow_private = [\"10.0.0.0/8\"]\nretention_days = 401\n").unwrap();
        let refused = Loaded::from(&Sources { file: Some(file.clone()), ..Sources::default() }).unwrap_err().to_string();
        assert!(refused.contains("insula.toml:3:1: webhooks.retention_days is 401, at most 400"), "{refused}");
        std::fs::write(&file, "[webhooks]\nallow_private = [\"10.0.0.0/8\"]\n").unwrap();
        let loaded = Loaded::from(&Sources { file: Some(file), ..Sources::default() }).unwrap();
        assert!(matches!(loaded.origin("webhooks.allow_private"), Origin::File(_, Some(place)) if place.line == 2));
    }
}
