//! What runs inside Redis, one piece at a time.

use redis::Cmd;

/// Redis keeps the time, so that nodes whose clocks differ count the same.
const CLOCK: &str = "local now = redis.call('TIME')\n";

/// The scripts.
pub(super) struct Scripts {
    pub(super) charge: Script,
    pub(super) seat: Script,
    pub(super) renew: Script,
}

/// A script, called by its hash.
pub(super) struct Script {
    text: String,
    hash: String,
}

impl Default for Scripts {
    fn default() -> Self {
        Self::timed_by(CLOCK)
    }
}

impl Scripts {
    /// With the line that says what time it is: `now` is `{seconds, microseconds}`.
    pub(super) fn timed_by(clock: &str) -> Self {
        Self {
            charge: Script::new(clock, include_str!("scripts/charge.lua")),
            seat: Script::new(clock, include_str!("scripts/seat.lua")),
            renew: Script::new(clock, include_str!("scripts/renew.lua")),
        }
    }

    /// Commands that make all of them known to the server.
    pub(super) fn loads(&self) -> Vec<Cmd> {
        let load = |script: &Script| {
            let mut command = redis::cmd("SCRIPT");
            command.arg("LOAD").arg(&script.text);
            command
        };
        vec![load(&self.charge), load(&self.seat), load(&self.renew)]
    }
}

impl Script {
    fn new(clock: &str, body: &str) -> Self {
        let text = [clock, body].concat();
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    /// A call with these keys; arguments follow.
    pub(super) fn call<'k>(&self, keys: impl ExactSizeIterator<Item = &'k str>) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.hash).arg(keys.len());
        for key in keys {
            command.arg(key);
        }
        command
    }
}
