//! The request that a task works for: its id, and its trace where there is one. Both go along with the task,
//! so that a log line and a span deep inside know whose they are without being told.
//!
//! **Invariant.** Work that goes on in a task of its own says so by [`carried`], or it belongs to no request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::trace::Trace;

/// Longest id that is taken from a client (characters): a UUID or a trace's id fits several times, and each log line
/// of the request has it.
pub const ID_CHARS_MAX: usize = 128;

/// Length of an id that the host makes (characters).
const OWN_CHARS: usize = 32;

/// What names a request, in its answer and in every log line about it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestId(Id);

#[derive(Debug, Clone)]
enum Id {
    /// Made here; in place, since nearly all are.
    Own([u8; OWN_CHARS]),
    /// A client's.
    Given(Bytes),
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RequestId {}

impl RequestId {
    /// An id that a client has given: 1 to 128 letters, digits and `-_.:+/=@~`, so that it fits any log unquoted.
    #[must_use]
    pub fn parse(given: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@~".contains(byte);
        let sound = (1..=ID_CHARS_MAX).contains(&given.len()) && given.iter().all(plain);
        sound.then(|| Self(Id::Given(Bytes::copy_from_slice(given))))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = match &self.0 {
            Id::Own(bytes) => &bytes[..],
            Id::Given(bytes) => bytes,
        };
        // It is ASCII by construction.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The id's bytes, to be kept elsewhere.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match &self.0 {
            Id::Own(bytes) => Bytes::copy_from_slice(bytes),
            Id::Given(bytes) => bytes.clone(),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes ids: 32 hexadecimal digits, half of them drawn at first, the others counting up from a number drawn
/// then. Unique, not secret.
#[derive(Debug)]
pub struct Ids {
    begins: [u8; OWN_CHARS / 2],
    next: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        let (begins, next) = uuid::Uuid::new_v4().as_u64_pair();
        Self {
            begins: digits(begins),
            next: AtomicU64::new(next),
        }
    }
}

impl Ids {
    /// The next id.
    pub fn make(&self) -> RequestId {
        let mut text = [0; OWN_CHARS];
        text[..OWN_CHARS / 2].copy_from_slice(&self.begins);
        text[OWN_CHARS / 2..].copy_from_slice(&digits(self.next.fetch_add(1, Ordering::Relaxed)));
        RequestId(Id::Own(text))
    }
}

/// A number in 16 hexadecimal digits.
fn digits(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    // Eight bytes are sixteen digits.
    let _ = hex::encode_to_slice(number.to_be_bytes(), &mut digits);
    digits
}

tokio::task_local! {
    static CURRENT: Scope;
}

/// What a task knows of the request it works for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The request's id.
    pub id: RequestId,
    /// Its trace, where it is sampled.
    pub trace: Option<Arc<Trace>>,
}

impl Scope {
    /// Does work for the request.
    pub fn run<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// The same for work that does not wait.
    pub fn run_now<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }
}

/// Looks at the request that the current task works for, if it works for one.
pub fn current<T>(look: impl FnOnce(&Scope) -> T) -> Option<T> {
    CURRENT.try_with(look).ok()
}

/// Work for the current request that goes on in a task of its own.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let scope = current(Scope::clone);
    async move {
        match scope {
            Some(scope) => scope.run(work).await,
            None => work.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> Option<String> {
        current(|scope| scope.id.to_string())
    }

    #[test]
    fn own_ids_differ_and_could_be_given_by_a_client() {
        let ids = Ids::default();
        let (one, two) = (ids.make(), ids.make());
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), OWN_CHARS);
        assert_eq!(RequestId::parse(one.as_str().as_bytes()), Some(one));
        assert_ne!(Ids::default().make(), Ids::default().make());
        assert_eq!(&digits(0x0123_4567_89ab_cdef), b"0123456789abcdef");
    }

    #[test]
    fn what_would_break_a_log_is_no_id() {
        let long = [b'x'; ID_CHARS_MAX];
        for sound in [&b"a"[..], b"7b2f-4c_.:+/=@~", &long] {
            assert!(RequestId::parse(sound).is_some(), "{sound:?}");
        }
        let longer = [b'x'; ID_CHARS_MAX + 1];
        for wrong in [
            &b""[..],
            b"a b",
            b"a\"b",
            b"a\nb",
            b"\x1b[31m",
            b"\xff",
            "é".as_bytes(),
            &longer,
        ] {
            assert!(RequestId::parse(wrong).is_none(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_task_knows_its_request_and_carries_it_on() {
        assert_eq!(id(), None);
        let scope = Scope {
            id: RequestId::parse(b"r-1").unwrap(),
            trace: None,
        };
        scope.run_now(|| assert_eq!(id().as_deref(), Some("r-1")));
        let inside = async {
            tokio::task::yield_now().await;
            let lost = tokio::spawn(async { id() }).await.unwrap();
            let kept = tokio::spawn(carried(async { id() })).await.unwrap();
            (id(), lost, kept)
        };
        let known = Some("r-1".to_owned());
        assert_eq!(scope.run(inside).await, (known.clone(), None, known));
        assert_eq!(tokio::spawn(carried(async { id() })).await.unwrap(), None);
    }
}
