//! One command on its way: sent, sent again where its answer was lost, given up after a bound.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation};
use tokio::time::timeout;

use super::failure::{Failure, SILENT, judge};
use super::{Core, Live};
use crate::clock::{self, Monotonic};
use crate::store::{Error, Result};

/// First pause before a command is sent again; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
    Script(&'a ScriptInvocation<'a>),
}

impl Request<'_> {
    async fn send<T: FromRedisValue>(self, live: &Live) -> RedisResult<T> {
        let mut connection: MultiplexedConnection = live.connection.clone();
        match self {
            Self::One(command) => command.query_async(&mut connection).await,
            Self::Many(pipeline) => pipeline.query_async(&mut connection).await,
            Self::Script(invocation) => invocation.invoke_async(&mut connection).await,
        }
    }
}

/// A command on its way.
pub(super) struct Call<'a> {
    core: &'a Core,
    /// When it is given up: time for one answer that is lost and one more.
    deadline: Monotonic,
    /// Whether it matters that it may have run without an answer.
    is_commit: bool,
    /// Whether that may be so: then it is sent again for as long as there is time.
    is_uncertain: bool,
    pause: Duration,
    reason: &'static str,
}

impl<'a> Call<'a> {
    /// One that reads or may be run twice: given up when there is no connection for a while.
    pub(super) fn ask(core: &'a Core) -> Self {
        Self::new(core, false)
    }

    /// One of a commit.
    pub(super) fn commit(core: &'a Core) -> Self {
        Self::new(core, true)
    }

    fn new(core: &'a Core, is_commit: bool) -> Self {
        let now = clock::monotonic();
        Self {
            core,
            deadline: now + core.options.reply_max * 2,
            is_commit,
            is_uncertain: false,
            pause: PAUSE_MIN,
            reason: "Redis does not answer",
        }
    }

    /// The answer, and the connection that it came on.
    ///
    /// # Errors
    /// `Unavailable`: it did not run, or is no commit. `Unresolved`: it may have run.
    pub(super) async fn answer<T: FromRedisValue>(
        &mut self,
        request: Request<'_>,
    ) -> Result<(T, Arc<Live>)> {
        let core = self.core;
        let permit = timeout(core.options.reply_max, core.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            self.reason = "too many commands wait for Redis";
            return Err(self.give_up());
        };
        loop {
            let live = self.live().await?;
            match self.send(request, &live).await {
                Ok(value) => return Ok((value, live)),
                Err(error) => self.failed(&live, error).await?,
            }
        }
    }

    /// As [`Call::answer`], until the answer stands for something durable.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn durable_answer<T: FromRedisValue>(
        &mut self,
        request: Request<'_>,
    ) -> Result<T> {
        loop {
            let (value, live) = self.answer(request).await?;
            match self.wait(&live).await {
                Ok(true) => return Ok(value),
                // It ran, but may be forgotten again: ask for it once more, which runs it or finds it.
                Ok(false) => {
                    self.is_uncertain = true;
                    self.refused("Redis does not confirm that commits are durable")
                        .await?;
                }
                Err(error) => {
                    self.is_uncertain = true;
                    self.failed(&live, error).await?;
                }
            }
        }
    }

    async fn live(&mut self) -> Result<Arc<Live>> {
        let until = self.is_uncertain.then_some(self.deadline);
        match self.core.live(until).await {
            Ok(live) => Ok(live),
            Err(reason) => {
                self.reason = reason;
                Err(self.give_up())
            }
        }
    }

    async fn send<T: FromRedisValue>(
        &self,
        request: Request<'_>,
        live: &Live,
    ) -> std::result::Result<T, RedisError> {
        let wait = self.left().min(self.core.options.reply_max);
        timeout(wait, request.send(live))
            .await
            .unwrap_or_else(|_| Err(silent()))
    }

    async fn wait(&self, live: &Live) -> RedisResult<bool> {
        let reply_max = self.core.options.reply_max;
        timeout(self.left(), live.wait(reply_max))
            .await
            .unwrap_or_else(|_| Err(silent()))
    }

    /// Decides after a failure: `Ok` to try again.
    async fn failed(&mut self, live: &Live, error: RedisError) -> Result<()> {
        match judge(&error) {
            Failure::Lost(reason) => {
                self.is_uncertain = self.is_commit;
                self.reason = reason;
                self.core.broke(live.number, reason);
                self.rest().await
            }
            Failure::Misplaced(reason) => {
                self.reason = reason;
                self.core.broke(live.number, reason);
                self.rest().await
            }
            Failure::Refused(reason) => {
                self.core.feels(Err(reason));
                self.refused(reason).await
            }
            // What was sent before may have run all the same.
            Failure::Fault if self.is_uncertain => {
                tracing::error!(%error, "Redis does not say what it made of a command");
                Err(Error::Unresolved)
            }
            Failure::Fault => Err(Error::Backend(Box::new(error))),
        }
    }

    /// What did not run is refused; what may have run is asked for again.
    async fn refused(&mut self, reason: &'static str) -> Result<()> {
        self.reason = reason;
        if self.is_uncertain {
            self.rest().await
        } else {
            Err(self.give_up())
        }
    }

    async fn rest(&mut self) -> Result<()> {
        if self.left() <= self.pause {
            return Err(self.give_up());
        }
        clock::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::monotonic())
    }

    fn give_up(&self) -> Error {
        if self.is_uncertain {
            Error::Unresolved
        } else {
            Error::Unavailable(self.reason)
        }
    }
}

fn silent() -> RedisError {
    debug_assert!(matches!(SILENT, Failure::Lost(_)));
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
