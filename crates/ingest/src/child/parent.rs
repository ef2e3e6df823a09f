//! The parent's side.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::{Answer, Confinement, Limits, MARK, Request};
use crate::{Bounds, Reading, Source, Unreadable};

/// What is kept of the child's last words.
const LAST_WORDS_BYTES_MAX: u64 = 4 * 1024;
/// What of it is told.
const LINE_CHARS_MAX: usize = 200;
/// How long a child that has answered may take to end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Reads documents in child processes, one each.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The program whose hidden command calls [`super::serve`].
    pub program: PathBuf,
    /// That command.
    pub arguments: Vec<OsString>,
    /// All of its environment: it gets nothing of ours. Some allocators take memory in advance, and must be told not to, so that
    /// `memory_bytes_max` bounds what is used.
    pub environment: Vec<(OsString, OsString)>,
    /// What a document may cost.
    pub bounds: Bounds,
    /// What the child may take.
    pub limits: Limits,
}

impl Reader {
    /// Reads a document. It blocks until there is an answer, at most `wall_ms_max`: call it where that is allowed.
    pub fn read(&self, source: &Source<'_>) -> Result<Reading, Unreadable> {
        self.ask(source)?.reading
    }

    /// What the kernel keeps from a child here, told by one that reads a word. It blocks as [`Reader::read`] does.
    ///
    /// # Errors
    /// Where no child can be started, or it does not answer.
    pub fn confinement(&self) -> Result<Confinement, Unreadable> {
        Ok(self.ask(&Source { name: "word.txt", media_type: None, bytes: b"word" })?.confined)
    }

    fn ask(&self, source: &Source<'_>) -> Result<Answer, Unreadable> {
        if source.bytes.len() > self.bounds.source_bytes_max {
            return Err(Unreadable::TooLarge { bytes: source.bytes.len(), max: self.bounds.source_bytes_max });
        }
        let head = self.head(source).map_err(|error| Unreadable::NotStarted { why: error.to_string() })?;
        let deadline = Instant::now() + Duration::from_millis(self.limits.wall_ms_max);
        let mut child = self.start().map_err(|error| Unreadable::NotStarted { why: error.to_string() })?;
        let answer = self.converse(&mut child, &head, source.bytes, deadline);
        // Whatever it is doing now, it is done. An error means that it has ended.
        let status = ended(&mut child, if answer.is_some() { FAREWELL } else { Duration::ZERO });
        match answer {
            Some(Talk::Answer(bytes, last_words)) => self.understood(&bytes, status, &last_words),
            Some(Talk::TooMuch) => Err(Unreadable::Bomb { bound: "answer_bytes_max".to_owned() }),
            None => Err(Unreadable::TimedOut { ms_max: self.limits.wall_ms_max }),
        }
    }

    fn head(&self, source: &Source<'_>) -> Result<Vec<u8>, postcard::Error> {
        let name = &source.name[source.name.floor_char_boundary(source.name.len().saturating_sub(1024))..];
        let media_type = source.media_type.map(|kind| kind[..kind.floor_char_boundary(256)].to_owned());
        let request = Request { name: name.to_owned(), media_type, bounds: self.bounds.clone(), limits: self.limits.clone() };
        let request = postcard::to_stdvec(&request)?;
        let length = u32::try_from(request.len()).unwrap_or(u32::MAX).to_le_bytes();
        Ok([length.as_slice(), &request].concat())
    }

    /// Without our environment: it holds secrets, and the child needs none.
    fn start(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// Hands the document over and takes the answer; nothing where time runs out first.
    fn converse(&self, child: &mut Child, head: &[u8], bytes: &[u8], deadline: Instant) -> Option<Talk> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let most = self.limits.answer_bytes_max as u64 + 1;
        let (told, answer) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                // A child that has died reads nothing; that is seen by its answer.
                let _ = stdin.map(|mut stdin| stdin.write_all(head).and_then(|()| stdin.write_all(bytes)));
            });
            let words = scope.spawn(move || taken(stderr, LAST_WORDS_BYTES_MAX));
            scope.spawn(move || told.send(taken(stdout, most)));
            let answer = match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    // Its end closes the pipes, so that the threads end too.
                    let _ = child.kill();
                    return None;
                }
            };
            if answer.len() as u64 >= most {
                let _ = child.kill();
                return Some(Talk::TooMuch);
            }
            if !answer.windows(MARK.len()).any(|window| window == MARK) {
                // It may still run with its output closed.
                let _ = ended(child, FAREWELL);
            }
            let _ = child.kill();
            Some(Talk::Answer(answer, words.join().unwrap_or_default()))
        })
    }

    fn understood(&self, bytes: &[u8], status: Option<ExitStatus>, last_words: &[u8]) -> Result<Answer, Unreadable> {
        let at = bytes.windows(MARK.len()).position(|window| window == MARK);
        match at.map(|at| postcard::from_bytes::<Answer>(&bytes[at + MARK.len()..])) {
            Some(Ok(answer)) if answer.reading.as_ref().ok().is_none_or(is_sound) => Ok(answer),
            Some(_) => Err(Unreadable::Crashed { how: "its answer makes no sense".to_owned() }),
            None => Err(self.death(status, &String::from_utf8_lossy(last_words))),
        }
    }

    /// How it died.
    fn death(&self, status: Option<ExitStatus>, last_words: &str) -> Unreadable {
        const XCPU: i32 = 24;
        const KILL: i32 = 9;
        let signal = status.and_then(|status| status.signal());
        let lacks_memory = ["memory allocation of", "out of memory", "OutOfMemory", "Cannot allocate memory"];
        if lacks_memory.iter().any(|words| last_words.contains(words)) {
            return Unreadable::OutOfMemory { bytes_max: self.limits.memory_bytes_max };
        }
        if signal == Some(XCPU) || (signal == Some(KILL) && last_words.is_empty()) {
            return Unreadable::TimedOut { ms_max: self.limits.cpu_seconds_max * 1000 };
        }
        let how = if last_words.contains("overflowed its stack") {
            "its parts are nested too deep".to_owned()
        } else {
            match (signal, status.and_then(|status| status.code())) {
                (Some(signal), _) => format!("signal {signal}"),
                (None, Some(code)) => format!("exit code {code}{}", first_line(last_words)),
                (None, None) => "without a trace".to_owned(),
            }
        };
        Unreadable::Crashed { how }
    }
}

/// What it said itself, as far as a line goes.
fn first_line(words: &str) -> String {
    let line = words.lines().next().unwrap_or_default().trim();
    if line.is_empty() { String::new() } else { format!(", {}", line.chars().take(LINE_CHARS_MAX).collect::<String>()) }
}

enum Talk {
    Answer(Vec<u8>, Vec<u8>),
    TooMuch,
}

fn taken(from: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is taken too.
    let _ = from.map(|from| from.take(most).read_to_end(&mut bytes));
    bytes
}

/// How it ended, within some time or by being killed.
fn ended(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    child.wait().ok()
}

/// Whether the spans are of the text: the child has read what a stranger wrote.
fn is_sound(reading: &Reading) -> bool {
    let mut before = 0;
    reading.blocks.iter().all(|block| {
        let sound = block.span.start >= before && reading.text.get(block.span.clone()).is_some();
        before = block.span.end;
        sound
    })
}
