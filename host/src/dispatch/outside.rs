//! What a function is told from outside the host (by clocks, and by others that it sends requests to), and what it sends
//! there: noted where its invocation is recorded, given where it is replayed. Who asks and sends is the runtime's
//! business; here it is only kept.
//!
//! **Invariant.** What is noted is bounded: beyond [`NOTED_BYTES_MAX`] nothing more is, and whoever records is told so.

use std::collections::VecDeque;

use crate::ids::Instant;

/// Most bytes noted of one invocation, about: twice what a function that keeps values may take in or answer with.
pub(crate) const NOTED_BYTES_MAX: usize = 32 << 20;

/// How much later each look at a clock is that a replay has beyond those that were recorded, ns.
const LATER_NS: u64 = 1_000_000;

/// What was told, in the order in which it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    /// By the wall clock, ns since 1970.
    pub(crate) wall_ns: Vec<u64>,
    /// By the monotonic clock, ns.
    pub(crate) monotonic_ns: Vec<u64>,
    /// By others, in the order in which their answers began; behind them requests that got none.
    pub(crate) answers: Vec<Answer>,
}

impl Outside {
    /// About as many bytes as it holds.
    pub(crate) fn bytes(&self) -> usize {
        let answers = self.answers.iter().map(|answer| match &answer.reply {
            Some(Ok(reply)) => answer.uri.len() + reply.body.len(),
            _ => answer.uri.len(),
        });
        let looks = self.wall_ns.len() + self.monotonic_ns.len();
        looks * size_of::<u64>() + answers.sum::<usize>()
    }
}

/// What came of a request to elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) method: String,
    pub(crate) uri: String,
    /// The answer, or the error as `wasi:http` names it; none: neither came while the function ran.
    pub(crate) reply: Option<Result<Reply, String>>,
}

/// An answer from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// As much of it as the function took.
    pub(crate) body: Vec<u8>,
    /// Whether that is all.
    pub(crate) is_whole: bool,
}

/// A request to elsewhere: an effect that is not taken back where the invocation fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) uri: String,
    /// Its body; none where it has none, or was not finished.
    pub(crate) body: Option<Vec<u8>>,
}

/// A clock that functions look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    Wall,
    Monotonic,
}

/// What is noted, and what is left of what is given.
#[derive(Debug, Default)]
pub(super) struct Told {
    noted: Outside,
    sent: Vec<Sent>,
    /// Requests that were answered.
    answered: Vec<bool>,
    given: Option<Left>,
    bytes: usize,
}

/// What of a record has not been given yet.
#[derive(Debug)]
struct Left {
    at: Instant,
    wall_ns: VecDeque<u64>,
    monotonic_ns: VecDeque<u64>,
    answers: Vec<Option<Answer>>,
}

impl Told {
    /// For an invocation that is told the same once more, which ran at that instant.
    pub(super) fn again(at: Instant, outside: Outside) -> Self {
        let given = Left {
            at,
            wall_ns: outside.wall_ns.into(),
            monotonic_ns: outside.monotonic_ns.into(),
            answers: outside.answers.into_iter().map(Some).collect(),
        };
        Self {
            given: Some(given),
            ..Self::default()
        }
    }

    /// What a clock tells: what is given, or else what `read` says. A replay reads no clock: one that looks more often
    /// than was recorded is told a little more each time.
    pub(super) fn clock(&mut self, face: Face, read: impl FnOnce() -> u64) -> u64 {
        let noted = match face {
            Face::Wall => &mut self.noted.wall_ns,
            Face::Monotonic => &mut self.noted.monotonic_ns,
        };
        let now = match &mut self.given {
            None => read(),
            Some(left) => left.clock(face, noted.last().copied()),
        };
        self.bytes += size_of::<u64>();
        if self.bytes <= NOTED_BYTES_MAX {
            noted.push(now);
        }
        now
    }

    /// A request is sent; its number, which is nobody's where no more are noted.
    pub(super) fn send(&mut self, method: String, uri: String) -> usize {
        if !self.takes(size_of::<Sent>() + method.len() + uri.len()) {
            return usize::MAX;
        }
        self.answered.push(false);
        self.sent.push(Sent {
            method,
            uri,
            body: None,
        });
        self.sent.len() - 1
    }

    /// All of a request was sent, with this body.
    pub(super) fn sent_whole(&mut self, request: usize, body: Vec<u8>) {
        if self.takes(body.len())
            && let Some(sent) = self.sent.get_mut(request)
        {
            sent.body = (!body.is_empty()).then_some(body);
        }
    }

    /// A request was answered, or failed; the number of its answer.
    pub(super) fn answer(&mut self, request: usize, reply: Result<Reply, String>) -> usize {
        if let (Some(sent), Some(answered)) =
            (self.sent.get(request), self.answered.get_mut(request))
        {
            *answered = true;
            self.noted.answers.push(Answer {
                method: sent.method.clone(),
                uri: sent.uri.clone(),
                reply: Some(reply),
            });
        }
        self.noted.answers.len().saturating_sub(1)
    }

    /// More of an answer's body came; none: it is at its end.
    pub(super) fn answer_goes_on(&mut self, answer: usize, piece: Option<&[u8]>) {
        let answer = self.noted.answers.get_mut(answer);
        let Some(Some(Ok(reply))) = answer.map(|answer| answer.reply.as_mut()) else {
            return;
        };
        match piece {
            None => reply.is_whole = true,
            Some(piece) => {
                self.bytes += piece.len();
                if self.bytes <= NOTED_BYTES_MAX {
                    reply.body.extend_from_slice(piece);
                }
            }
        }
    }

    /// What is given as the answer to such a request, and how many answers came before it.
    pub(super) fn given_answer(&mut self, method: &str, uri: &str) -> Option<(usize, Answer)> {
        let answers = &mut self.given.as_mut()?.answers;
        let is_it = |answer: &Option<Answer>| {
            let answer = answer.as_ref();
            answer.is_some_and(|answer| answer.method == method && answer.uri == uri)
        };
        let at = answers.iter().position(is_it)?;
        Some((at, answers[at].take()?))
    }

    /// Whether so many bytes more are noted.
    fn takes(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        !self.is_cut()
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.sent.clone()
    }

    /// Whether there was more than is noted.
    pub(super) fn is_cut(&self) -> bool {
        self.bytes > NOTED_BYTES_MAX
    }

    /// All that was noted; nothing of it is left here.
    pub(super) fn take(&mut self) -> Outside {
        let mut outside = std::mem::take(&mut self.noted);
        let unanswered = self.sent.iter().zip(&self.answered);
        let unanswered = unanswered.filter(|(_, answered)| !**answered);
        outside.answers.extend(unanswered.map(|(sent, _)| Answer {
            method: sent.method.clone(),
            uri: sent.uri.clone(),
            reply: None,
        }));
        outside
    }
}

impl Left {
    fn clock(&mut self, face: Face, last: Option<u64>) -> u64 {
        let (given, first) = match face {
            Face::Wall => (&mut self.wall_ns, self.at.0.saturating_mul(1_000_000)),
            Face::Monotonic => (&mut self.monotonic_ns, 0),
        };
        let beyond = || last.map_or(first, |last| last.saturating_add(LATER_NS));
        given.pop_front().unwrap_or_else(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Result<Reply, String> {
        Ok(Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            is_whole: false,
        })
    }

    #[test]
    fn what_was_told_is_told_again_in_its_order() {
        let mut told = Told::default();
        assert_eq!(told.clock(Face::Wall, || 5), 5);
        assert_eq!(told.clock(Face::Monotonic, || 7), 7);
        let (slow, fast, lost) = (
            told.send("GET".into(), "http://a/".into()),
            told.send("GET".into(), "http://b/".into()),
            told.send("GET".into(), "http://c/".into()),
        );
        let answer = told.answer(fast, reply(200));
        told.answer_goes_on(answer, Some(b"all"));
        told.answer_goes_on(answer, None);
        told.answer(slow, Err("DNS-error".into()));
        let outside = told.take();
        let uris: Vec<&str> = outside.answers.iter().map(|one| &*one.uri).collect();
        assert_eq!(uris, ["http://b/", "http://a/", "http://c/"]);
        assert_eq!((outside.answers[2].reply.as_ref(), lost), (None, 2));

        let mut again = Told::again(Instant(9), outside);
        let never = || unreachable!("a replay reads no clock");
        assert_eq!(again.clock(Face::Wall, never), 5);
        assert_eq!(again.clock(Face::Wall, never), 5 + LATER_NS);
        assert_eq!(again.clock(Face::Monotonic, never), 7);
        let (before, answer) = again.given_answer("GET", "http://a/").expect("given");
        assert_eq!((before, answer.reply), (1, Some(Err("DNS-error".into()))));
        assert_eq!(again.given_answer("GET", "http://a/"), None, "once");
        assert_eq!(again.given_answer("POST", "http://b/"), None);
        let (_, answer) = again.given_answer("GET", "http://b/").expect("given");
        let body = answer.reply.map(|reply| reply.map(|reply| reply.body));
        assert_eq!(body, Some(Ok(b"all".to_vec())));
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let mut told = Told::default();
        let request = told.send("GET".into(), "http://a/".into());
        let answer = told.answer(request, reply(200));
        let piece = vec![0; 1 << 20];
        for _ in 0..NOTED_BYTES_MAX >> 20 {
            assert!(!told.is_cut());
            told.answer_goes_on(answer, Some(&piece));
        }
        assert!(told.is_cut());
        let noted = told.take().answers.remove(0).reply.expect("a reply");
        assert!(noted.expect("no error").body.len() <= NOTED_BYTES_MAX);
        let more = told.send("GET".into(), "http://b/".into());
        told.sent_whole(more, piece);
        told.answer(more, reply(200));
        assert_eq!(told.sent().len(), 1);
    }
}
