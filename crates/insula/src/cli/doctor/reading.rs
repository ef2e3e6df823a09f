//! Who reads documents, and what the kernel keeps from it.

use insula_ingest::child::{Confinement, Files};

use crate::{config, finding::Finding, wire};

const CHECK: &str = "document reader";

/// Starts a reader as a server does, and asks it what it is kept from.
pub async fn examine(knowledge: &config::Knowledge) -> Finding {
    let reader = match wire::reader(knowledge) {
        Ok(reader) => reader,
        Err(error) => return not_started(&format!("{error:#}")),
    };
    match tokio::task::spawn_blocking(move || reader.confinement()).await {
        Ok(Ok(confined)) => told(confined),
        Ok(Err(unreadable)) => not_started(&unreadable.to_string()),
        Err(error) => not_started(&error.to_string()),
    }
}

fn told(confined: Confinement) -> Finding {
    let says = format!("documents are read by a process with {confined}");
    match confined {
        Confinement { few_calls: false, .. } => {
            Finding::warn(CHECK, says, "let the container or the kernel allow seccomp filters (`CONFIG_SECCOMP_FILTER`)")
        }
        Confinement { files: Files::Open, .. } => Finding::warn(
            CHECK,
            says,
            "use Linux 5.13 or newer with Landlock switched on (`lsm=landlock,...`), and let the container allow it",
        ),
        Confinement { .. } => Finding::ok(CHECK, says),
    }
}

fn not_started(why: &str) -> Finding {
    Finding::fail(
        CHECK,
        format!("no document can be read: {why}"),
        "let the server start processes of its own program, and raise `knowledge.reading_memory_bytes_max` or `knowledge.reading_ms_max` where it ran out of those",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn what_is_missing_is_a_warning() {
        let state = |files, few_calls| told(Confinement { files, few_calls }).state;
        assert_eq!(state(Files::ClosedWithTcp, true), State::Ok);
        assert_eq!(state(Files::Closed, true), State::Ok);
        assert_eq!(state(Files::Open, true), State::Warn);
        assert_eq!(state(Files::ClosedWithTcp, false), State::Warn);
    }
}
