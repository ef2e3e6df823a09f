//! The child's side.

use std::{
    io::{self, Read, Write},
    thread,
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit},
    thread::set_no_new_privs,
};

use super::{Answer, Limits, MARK, REQUEST_BYTES_MAX, Request, confinement::confine};
use crate::{Reading, Source, Unreadable, read};

/// Some parsers go deep.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Standard streams, and what the runtime opens for itself.
const FILES_MAX: u64 = 16;

/// Reads one document from `input` and writes its reading, or why there is none, to `output`. It lowers the limits of this process and
/// locks it up for good, so it is the only thing that a process does.
///
/// Fails where the streams do, or the request is none.
pub fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let request = request(&mut input)?;
    restrict(&request.limits)?;
    let confined = confine();
    let mut bytes = Vec::new();
    // One more than is read, so that the reader sees that it is too large.
    input.take(request.bounds.source_bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    let reading = deep(move || {
        let source = Source { name: &request.name, media_type: request.media_type.as_deref(), bytes: &bytes };
        read(&source, &request.bounds)
    })?;
    let answer = postcard::to_stdvec(&Answer { confined, reading }).map_err(io::Error::other)?;
    output.write_all(MARK)?;
    output.write_all(&answer)?;
    output.flush()
}

fn request(input: &mut impl Read) -> io::Result<Request> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > REQUEST_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a request to read a document"));
    }
    let mut request = vec![0; length];
    input.read_exact(&mut request)?;
    postcard::from_bytes(&request).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// No more memory, processor time, files or core dumps than it may have, no more rights than it has, and no longer a life than who waits
/// for it. The kernel holds it to that.
fn restrict(limits: &Limits) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(Pid::INIT) {
        return Err(io::Error::other("nobody waits for this document any more"));
    }
    set_no_new_privs(true)?;
    let to = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Core, to(0))?;
    setrlimit(Resource::Fsize, to(0))?;
    setrlimit(Resource::Nofile, to(FILES_MAX))?;
    setrlimit(Resource::Cpu, to(limits.cpu_seconds_max.max(1)))?;
    setrlimit(Resource::Data, to(limits.memory_bytes_max))?;
    Ok(())
}

fn deep(work: impl FnOnce() -> Result<Reading, Unreadable> + Send + 'static) -> io::Result<Result<Reading, Unreadable>> {
    let worker = thread::Builder::new().name("reader".into()).stack_size(STACK_BYTES).spawn(work)?;
    worker.join().map_err(|_| io::Error::other("the reader panicked"))
}
