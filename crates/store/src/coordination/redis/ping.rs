//! Whether Redis answers, for an operator who wants to know why. Writes nothing.

use std::io;

use insula_model::{Error, ErrorKind, Result};
use redis::{AsyncConnectionConfig, RedisError, aio::MultiplexedConnection};
use tokio::time;

use super::{
    RedisOptions, TIMEOUT,
    dial::{DIAL_MAX, Dial},
    link::Task,
};

/// Connects, logs in and asks once.
///
/// # Errors
/// `Invalid` when the URL is none; `Unavailable` when there is no answer, with the reason as its source.
pub async fn ping(options: &RedisOptions) -> Result<()> {
    let dial = Dial::new(options)?;
    let asking = async {
        let socket = dial.connect().await?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (mut connection, driver) = MultiplexedConnection::new_with_config(dial.login(), socket, config).await?;
        let _driver = Task::spawn(driver);
        redis::cmd("PING").exec_async(&mut connection).await
    };
    let answer = time::timeout(DIAL_MAX, asking).await.unwrap_or_else(|_| Err(timed_out()));
    let away = ErrorKind::Unavailable { retry_after: TIMEOUT };
    answer.map_err(|error| Error::new(away, "there is no answer").caused_by(error))
}

fn timed_out() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_answers_and_nobody_does_not() {
        let url = std::env::var("INSULA_TEST_REDIS_URL").expect(
            "this test needs Redis: run it with `cargo xtask test`, or set INSULA_TEST_REDIS_URL to the URL of a server that \
             holds nothing else",
        );
        ping(&RedisOptions::new(url, [7; 32])).await.unwrap();
        let away = ping(&RedisOptions::new("redis://:hunter2@127.0.0.1:9", [7; 32])).await.unwrap_err();
        assert!(matches!(away.kind(), ErrorKind::Unavailable { .. }) && !format!("{away:?}").contains("hunter2"), "{away:?}");
    }
}
