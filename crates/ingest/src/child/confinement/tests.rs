//! What a confined process may do, tried for real: this test's program starts itself again, confines itself and tries.

use std::{
    env, fs,
    io::{self, ErrorKind, Read},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
    process::{Command, Stdio},
    thread,
};

use super::*;

/// Says which part a process plays, and where somebody listens.
const PART: &str = "INSULA_CONFINED_AS";
const PORT: &str = "INSULA_LISTENING_AT";
/// Who started it.
const PARENT: &str = "INSULA_STARTED_BY";
/// What stands before each line that is meant for the parent.
const TOLD: &str = "tried";

/// This program again, in this part, running this one test; what it told, line by line.
fn told_by(part: &str, test: &str) -> BTreeMap<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let run = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("child::confinement::tests::{test}")])
        .env(PART, part)
        .env(PORT, listener.local_addr().unwrap().port().to_string())
        .env(PARENT, std::process::id().to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{errors}");
    let told = said.lines().filter_map(|line| line.split_once(TOLD)?.1.trim().split_once(' '));
    told.map(|(what, how)| (what.to_owned(), how.to_owned())).collect()
}

fn tell<T>(what: &str, outcome: io::Result<T>) {
    match outcome {
        Ok(_) => println!("\n{TOLD} {what} done"),
        Err(error) => println!("\n{TOLD} {what} {:?}", error.kind()),
    }
}

/// Everything that a reader has no business to do, one after the other.
fn try_all() {
    let port: u16 = env::var(PORT).unwrap().parse().unwrap();
    let parent = rustix::process::Pid::from_raw(env::var(PARENT).unwrap().parse().unwrap()).unwrap();
    tell("open", fs::File::open("/proc/self/status"));
    tell("list", fs::read_dir("/"));
    tell("write", fs::write(env::temp_dir().join("insula-confined"), "x"));
    tell("remove", fs::remove_file("/nonexistent/insula-confined"));
    tell("connect", TcpStream::connect(("127.0.0.1", port)));
    tell("listen", TcpListener::bind("127.0.0.1:0"));
    tell("udp", UdpSocket::bind("127.0.0.1:0"));
    tell("unix", UnixStream::pair());
    tell("unix-listen", UnixListener::bind(env::temp_dir().join("insula-confined.socket")));
    tell("exec", Command::new("/bin/true").status());
    tell("signal", rustix::process::test_kill_process(parent).map_err(io::Error::from));
    tell("limit", raise_limit());
    tell("pipe", io::pipe());
    // And what it lives by.
    tell("memory", Ok(vec![1_u8; 64 * 1024 * 1024].iter().map(|byte| usize::from(*byte)).sum::<usize>()));
    tell("thread", thread::Builder::new().spawn(|| ()).map(|thread| thread.join().unwrap()));
    tell("read", io::stdin().read(&mut [0; 16]));
}

fn raise_limit() -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    Ok(setrlimit(Resource::Nofile, getrlimit(Resource::Nofile))?)
}

#[track_caller]
fn assert_lives(told: &BTreeMap<String, String>) {
    for what in ["memory", "thread", "read"] {
        assert_eq!(told.get(what).map(String::as_str), Some("done"), "{what}: {told:?}");
    }
}

/// Refused by one layer or the other: `NotFound` would say that somebody looked.
#[track_caller]
fn assert_refused(told: &BTreeMap<String, String>, tried: &[&str]) {
    for what in tried {
        assert_eq!(told.get(*what), Some(&format!("{:?}", ErrorKind::PermissionDenied)), "{what}: {told:?}");
    }
}

#[test]
fn seccomp_alone_leaves_few_calls() {
    if env::var(PART).is_ok() {
        leave_few_calls().unwrap();
        return try_all();
    }
    let told = told_by("seccomp", "seccomp_alone_leaves_few_calls");
    let calls = [
        "open",
        "list",
        "write",
        "remove",
        "connect",
        "listen",
        "udp",
        "unix",
        "unix-listen",
        "exec",
        "signal",
        "limit",
        "pipe",
    ];
    assert_refused(&told, &calls);
    assert_lives(&told);
}

#[test]
fn landlock_alone_takes_files_and_ports() {
    if env::var(PART).is_ok() {
        println!("\n{TOLD} confined {:?}", closed(&close_files().unwrap()));
        return try_all();
    }
    let told = told_by("landlock", "landlock_alone_takes_files_and_ports");
    assert_lives(&told);
    // A kernel without it refuses nothing here, and says so: the other layer is what is left.
    match told["confined"].as_str() {
        "Open" => println!("this kernel has no Landlock"),
        "Closed" => assert_refused(&told, &["open", "list", "write", "unix-listen", "exec"]),
        _ => assert_refused(&told, &["open", "list", "write", "unix-listen", "exec", "connect", "listen"]),
    }
}

#[test]
fn both_together_are_what_a_reader_has() {
    if env::var(PART).is_ok() {
        println!("\n{TOLD} confined {}", confine().few_calls);
        return try_all();
    }
    let told = told_by("both", "both_together_are_what_a_reader_has");
    assert_eq!(told["confined"], "true");
    assert_refused(&told, &["open", "write", "connect", "udp", "exec", "signal"]);
    assert_lives(&told);
}

#[test]
fn what_is_missing_is_said() {
    let whole = Confinement { files: Files::ClosedWithTcp, few_calls: true };
    assert!(whole.is_whole() && whole.to_string() == "no file and no TCP port (Landlock), few system calls (seccomp)");
    let bare = Confinement { files: Files::Open, few_calls: false };
    assert!(!bare.is_whole() && bare.to_string() == "no Landlock, no seccomp");
}
