//! How a plugin ended, read off what its partner was answered.

use std::fmt;
use std::time::Instant;

use super::family::{Hostile, Stop};
use crate::partner::people::{Answer, Partner};

/// The name that hostile plugins are uploaded under.
pub const NAME: &str = "hostile";

/// An end.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// None: the host failed or did not answer.
    stop: Option<Stop>,
    /// What was said of it.
    reason: String,
    /// How long past its deadline the answer came, ms; below 0: before it.
    pub overrun_ms: f64,
}

impl Verdict {
    /// Of an upload that was not taken; none: it was.
    pub fn of_upload(answer: Option<Answer>) -> Option<Self> {
        let of = |stop, reason| Self {
            stop,
            reason,
            overrun_ms: f64::NEG_INFINITY,
        };
        match answer {
            None => Some(of(None, "the upload was not answered".into())),
            Some(answer) if answer.status.is_success() => None,
            Some(answer) => Some(of(
                answer.status.is_client_error().then_some(Stop::Upload),
                format!("upload {}: {}", answer.status, answer.text),
            )),
        }
    }

    fn of_run(answer: Option<Answer>, overrun_ms: f64) -> Self {
        let Some(answer) = answer else {
            return Self {
                stop: None,
                reason: "the run was not answered".into(),
                overrun_ms,
            };
        };
        Self {
            stop: stop(&answer),
            reason: format!("run {}: {}", answer.status, shortened(&answer.text)),
            overrun_ms,
        }
    }

    /// Whether the host failed or did not answer.
    pub fn is_hosts(&self) -> bool {
        self.stop.is_none()
    }

    /// Whether the plugin had to end so.
    pub fn is_right(&self, plugin: &Hostile) -> bool {
        let is_end = self.stop.is_some_and(|stop| plugin.ends.contains(&stop));
        is_end && self.reason.to_lowercase().contains(plugin.names)
    }

    /// The worse of two ends: one that is not allowed, or the later one.
    pub fn worse(self, other: Option<Self>, ends: &[Stop]) -> Self {
        let is_wrong = |verdict: &Self| !verdict.stop.is_some_and(|stop| ends.contains(&stop));
        match other {
            Some(other)
                if is_wrong(&other) || other.overrun_ms > self.overrun_ms && !is_wrong(&self) =>
            {
                other
            }
            _ => self,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stop,
            reason,
            overrun_ms,
        } = self;
        match stop {
            Some(stop) => write!(f, "{stop:?}")?,
            None => write!(f, "HOST")?,
        }
        write!(f, " ({overrun_ms:.0} ms past the deadline): {reason}")
    }
}

/// A run to be started.
pub struct Run {
    partner: Partner,
    request: Vec<u8>,
}

impl Run {
    pub fn of(partner: Partner, request: Vec<u8>) -> Self {
        Self { partner, request }
    }

    /// Runs it; how it ended.
    pub async fn outcome(self, deadline_ms: f64) -> Verdict {
        let since = Instant::now();
        let answer = self.partner.run(NAME, self.request, None).await;
        let took_ms = since.elapsed().as_secs_f64() * 1e3;
        Verdict::of_run(answer, took_ms - deadline_ms)
    }
}

/// Which end an answer tells of.
fn stop(answer: &Answer) -> Option<Stop> {
    let outcome = answer.json["outcome"].as_str().unwrap_or_default();
    match outcome {
        "report" => Some(Stop::Report),
        "guest-error" => Some(Stop::Failed),
        "trapped" => Some(Stop::Trap),
        "deadline" => Some(Stop::Deadline),
        "fuel" => Some(Stop::Fuel),
        "limit" => Some(Stop::Limit),
        "invalid-report" => Some(Stop::NoReport),
        "" if answer.status.is_client_error() => Some(Stop::Request),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(400).collect()
}
