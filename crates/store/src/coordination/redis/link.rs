//! The connection that all calls share, and what happens when it is lost.
//!
//! One task makes connections, tries each with a probe, and offers it to callers. A caller whose call fails or takes too long
//! withdraws it for all: from then on everybody is told at once that Redis is away, until the task has made another.

use std::{sync::Arc, time::Duration};

use insula_model::{Error, Result};
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value, aio::MultiplexedConnection};
use tokio::{sync::watch, task::JoinHandle, time};

use super::{
    dial::{DIAL_MAX, Dial},
    scripts::Scripts,
};

/// How long Redis is left alone after it failed.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// How many calls may queue up to be written.
const QUEUE_MAX: usize = 1_024;

/// Redis gave no answer that could be used; the reason is logged where it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away;

/// The shared connection. Calls may be dropped at any moment: answers are told apart by their order on the wire, and an answer
/// that nobody waits for is still read.
pub(super) struct Link {
    lines: watch::Sender<Option<Line>>,
    scripts: Arc<Scripts>,
    timeout: Duration,
    /// What holds while Redis is away, for the log.
    without: &'static str,
}

/// What is asked.
enum Call<'a> {
    One(&'a Cmd),
    All(&'a Pipeline),
}

impl Call<'_> {
    async fn on(&self, connection: &mut MultiplexedConnection) -> Result<Value, RedisError> {
        match self {
            Self::One(command) => command.query_async(connection).await,
            Self::All(commands) => commands.query_async(connection).await,
        }
    }
}

/// A connection on offer.
#[derive(Clone)]
pub(super) struct Line {
    id: u64,
    connection: MultiplexedConnection,
}

/// A task that ends with its owner.
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    /// Connects and keeps connecting. Redis may be away now; a login that it refuses is an error.
    pub(super) async fn open(
        dial: Arc<Dial>,
        scripts: Arc<Scripts>,
        probe: String,
        timeout: Duration,
        without: &'static str,
    ) -> Result<(Arc<Self>, Task)> {
        let link = Arc::new(Self { lines: watch::Sender::new(None), scripts, timeout, without });
        let maker = Maker { link: link.clone(), dial, probe, made: 0 };
        let (first, maker) = maker.first().await?;
        Ok((link, Task::spawn(maker.keep(first))))
    }

    /// One command, one round trip.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Away> {
        self.send(Call::One(command)).await
    }

    /// Several commands in one round trip.
    pub(super) async fn ask_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Away> {
        match self.send(Call::All(commands)).await? {
            Value::Array(answers) => Ok(answers),
            _ => Ok(Vec::new()),
        }
    }

    /// Which connection is on offer, to be told when there is another.
    pub(super) fn lines(&self) -> watch::Receiver<Option<Line>> {
        self.lines.subscribe()
    }

    async fn send(&self, call: Call<'_>) -> Result<Value, Away> {
        let Some(line) = self.lines.borrow().clone() else { return Err(Away) };
        let mut connection = line.connection.clone();
        let answer = async {
            match call.on(&mut connection).await {
                // Somebody made the server forget its scripts.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    tell(&self.scripts, &mut connection).await?;
                    call.on(&mut connection).await
                }
                answer => answer,
            }
        };
        match time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => self.withdraw(&line, &error.to_string()),
            Err(_) => self.withdraw(&line, "no answer in time"),
        }
        Err(Away)
    }

    /// Takes a connection off the offer; one that is no longer on it changes nothing.
    fn withdraw(&self, line: &Line, reason: &str) {
        let withdrawn = self.lines.send_if_modified(|offered| {
            let same = offered.as_ref().is_some_and(|offered| offered.id == line.id);
            if same {
                *offered = None;
            }
            same
        });
        if withdrawn {
            tracing::warn!(reason, "Redis is away: {}", self.without);
        }
    }
}

/// Makes the connections.
struct Maker {
    link: Arc<Link>,
    dial: Arc<Dial>,
    probe: String,
    made: u64,
}

impl Maker {
    async fn first(mut self) -> Result<(Option<(Line, Task)>, Self)> {
        match self.make().await {
            Ok(line) => {
                self.link.lines.send_replace(Some(line.0.clone()));
                Ok((Some(line), self))
            }
            Err(error) if is_refused_login(&error) => {
                Err(Error::invalid("Redis refuses the user or password of its URL").caused_by(error))
            }
            Err(error) => {
                tracing::warn!(reason = %error, "Redis is away: {}", self.link.without);
                Ok((None, self))
            }
        }
    }

    /// Offers one connection after another.
    async fn keep(mut self, mut line: Option<(Line, Task)>) {
        let mut offers = self.link.lines.subscribe();
        loop {
            if let Some((line, mut driver)) = line.take() {
                tokio::select! {
                    () = driver.ended() => self.link.withdraw(&line, "the connection was closed"),
                    _ = offers.wait_for(Option::is_none) => {}
                }
                // Dropping the driver here fails whoever still waits on this connection.
            }
            time::sleep(LEFT_ALONE).await;
            match self.make().await {
                Ok(made) => {
                    self.link.lines.send_replace(Some(made.0.clone()));
                    tracing::info!("Redis is back");
                    line = Some(made);
                }
                Err(error) => tracing::debug!(reason = %error, "Redis is still away"),
            }
        }
    }

    /// A connection that has shown that it takes writes.
    async fn make(&mut self) -> Result<(Line, Task), RedisError> {
        let making = async {
            let socket = self.dial.connect().await?;
            let config = AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(QUEUE_MAX);
            let (mut connection, driver) = MultiplexedConnection::new_with_config(self.dial.login(), socket, config).await?;
            let driver = Task::spawn(driver);
            // A server that cannot write just now (a replica, out of memory, loading) is of no use.
            redis::cmd("SET").arg(&self.probe).arg(1).arg("PX").arg(1_000).exec_async(&mut connection).await?;
            tell(&self.link.scripts, &mut connection).await?;
            Ok::<_, RedisError>((connection, driver))
        };
        let (connection, driver) = match time::timeout(DIAL_MAX, making).await {
            Ok(made) => made?,
            Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        };
        self.made += 1;
        Ok((Line { id: self.made, connection }, driver))
    }
}

/// Makes the scripts known to the server.
async fn tell(scripts: &Scripts, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let mut loads = redis::pipe();
    for load in scripts.loads() {
        loads.add_command(load).ignore();
    }
    loads.exec_async(connection).await
}

fn is_refused_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM"))
}
