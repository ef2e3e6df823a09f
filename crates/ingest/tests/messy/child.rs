//! The ways in which a reader can die, and what is said of each.

use std::time::{Duration, Instant};

use insula_ingest::{Source, Unreadable, child::Reader};

use crate::{
    office::{docx, p},
    reader,
};

const SOURCE: Source<'_> = Source { name: "a.txt", media_type: None, bytes: b"words" };

fn shell(script: &str) -> Reader {
    Reader { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()], ..reader() }
}

#[test]
fn a_reader_that_hangs_is_stopped() {
    for script in ["exec sleep 1000", "exec >&-; exec sleep 1000", "while :; do :; done"] {
        let mut reader = shell(script);
        reader.limits.wall_ms_max = 300;
        let begun = Instant::now();
        let answer = reader.read(&SOURCE);
        assert!(matches!(answer, Err(Unreadable::TimedOut { .. })), "{script}: {answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{script}");
    }
}

#[test]
fn a_reader_that_dies_says_how() {
    let how = |script: &str| match shell(script).read(&SOURCE) {
        Err(Unreadable::Crashed { how }) => how,
        other => panic!("{script}: {other:?}"),
    };
    assert_eq!(how("exit 3"), "exit code 3");
    assert_eq!(how("kill -SEGV $$"), "signal 11");
    assert_eq!(how("echo 'thread has overflowed its stack' >&2; kill -ABRT $$"), "its parts are nested too deep");
    assert_eq!(how("printf 'reading\\001nonsense'"), "its answer makes no sense");
    let missing = Reader { program: "/nonexistent".into(), ..reader() };
    assert!(matches!(missing.read(&SOURCE), Err(Unreadable::NotStarted { .. })));
}

#[test]
fn a_reader_that_talks_without_end_is_stopped() {
    let mut reader = shell("exec yes");
    reader.limits.answer_bytes_max = 100_000;
    assert_eq!(reader.read(&SOURCE), Err(Unreadable::Bomb { bound: "answer_bytes_max".into() }));
}

#[test]
fn memory_and_processor_time_are_bounded_by_the_kernel() {
    let text = format!("<root>{}</root>", "<a>word word word</a>".repeat(400_000));
    let mut small = reader();
    small.bounds.expansion_ratio_max = usize::MAX;
    let document = docx(&p(&text), &[]);
    let source = Source { name: "a.docx", media_type: None, bytes: &document };
    small.limits.memory_bytes_max = 80 * 1024 * 1024;
    assert!(
        matches!(small.read(&source), Err(Unreadable::OutOfMemory { .. })),
        "{:?}",
        small.read(&source).map(|r| r.text.len())
    );
    let page = format!("<html><body>{}", "<div><a>words</a></div><nav>x</nav>".repeat(60_000)).repeat(4);
    let mut slow = reader();
    slow.limits.cpu_seconds_max = 1;
    let source = Source { name: "a.html", media_type: None, bytes: page.as_bytes() };
    let answer = slow.read(&source);
    assert!(matches!(answer, Err(Unreadable::TimedOut { .. }) | Ok(_)), "{:?}", answer.err());
}

#[test]
fn secrets_of_the_parent_are_not_the_childs() {
    let answer = shell("test -z \"$CARGO_MANIFEST_DIR$HOME\" && exit 42; exit 1").read(&SOURCE);
    assert_eq!(answer, Err(Unreadable::Crashed { how: "exit code 42".into() }));
}

#[test]
fn what_is_too_large_is_not_even_sent() {
    let mut reader = Reader { program: "/nonexistent".into(), ..reader() };
    reader.bounds.source_bytes_max = 4;
    assert_eq!(reader.read(&SOURCE), Err(Unreadable::TooLarge { bytes: 5, max: 4 }));
}

#[test]
fn a_child_reads_what_this_process_would_read() {
    let source = Source { name: "a.md", media_type: Some("text/markdown"), bytes: "# Größe\n\nText<!-- x -->".as_bytes() };
    let reader = reader();
    assert_eq!(reader.read(&source), insula_ingest::read(&source, &reader.bounds));
}
