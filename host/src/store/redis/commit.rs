//! Commits: each is one script, numbered so that it can be sent again until there is an answer.
//!
//! **Invariants.** The script does a number once, whatever it answered then; so a commit whose answer was lost
//! is sent again as it was. Every commit carries the lowest number that this process still waits for, and the script
//! refuses all below: a copy that arrives when nobody waits for it any more does nothing.

mod transcript;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use redis::{Script, ScriptInvocation};

use self::transcript::Transcript;
use super::Shared;
use super::reply::strange;
use crate::store::{CommitError, Error, Partition, Transaction, Version, offset_of};

/// Greatest transaction, bytes: as in the embedded store, and far below what Redis takes in one argument.
const TRANSACTION_BYTES_MAX: usize = 64 << 20;

/// Bytes of all commits that wait for an answer: each is held more than once on its way.
const WAITING_BYTES_MAX: usize = 256 << 20;

const SOURCE: &str = concat!(
    "#!lua\n",
    include_str!("scripts/changed.lua"),
    include_str!("scripts/chain.lua"),
    include_str!("scripts/commit.lua")
);

static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(SOURCE));

/// What is wrong with a transaction.
#[derive(Debug, thiserror::Error)]
#[error("a transaction of {bytes} bytes is larger than the {TRANSACTION_BYTES_MAX} allowed")]
struct TooLarge {
    bytes: usize,
}

/// The commits of this process.
#[derive(Debug)]
pub(super) struct Commits {
    /// The process' name in the installation: no other start has it.
    sender: String,
    open: Mutex<Open>,
    waiting_bytes: AtomicUsize,
}

/// Numbers given, and those of them that have no answer yet.
#[derive(Debug)]
struct Open {
    next: u64,
    numbers: BTreeSet<u64>,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            sender: uuid::Uuid::new_v4().simple().to_string(),
            open: Mutex::new(Open {
                next: 1,
                numbers: BTreeSet::new(),
            }),
            waiting_bytes: AtomicUsize::new(0),
        }
    }
}

impl Commits {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a commit that weighs so much.
    fn begin(&self, bytes: usize) -> Result<Ticket<'_>, Error> {
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        open.numbers.insert(number);
        let floor = open.numbers.first().copied().unwrap_or(number);
        drop(open);
        let ticket = Ticket {
            commits: self,
            number,
            floor,
            bytes,
        };
        if waiting + bytes > WAITING_BYTES_MAX {
            return Err(Error::Unavailable("too many bytes wait to be committed"));
        }
        Ok(ticket)
    }
}

/// A number that is waited for; dropped, nobody waits any more.
struct Ticket<'a> {
    commits: &'a Commits,
    number: u64,
    floor: u64,
    bytes: usize,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.commits.open().numbers.remove(&self.number);
        let waiting = &self.commits.waiting_bytes;
        waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Shared {
    /// Commits; goes on when the future is dropped.
    pub(super) async fn commit(
        self: &Arc<Self>,
        transaction: Transaction,
    ) -> Result<Version, CommitError> {
        if transaction.is_empty() {
            return Ok(transaction.reads.version);
        }
        let bytes = transcript::weigh(&transaction);
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(Error::Backend(TooLarge { bytes }.into()).into());
        }
        let shared = Arc::clone(self);
        let task = tokio::spawn(async move { shared.commit_whole(transaction, bytes).await });
        // A task that is gone has told nothing.
        task.await.unwrap_or(Err(Error::Unresolved.into()))
    }

    async fn commit_now(
        &self,
        transaction: &Transaction,
        bytes: usize,
    ) -> Result<Version, CommitError> {
        let mut counts = Vec::with_capacity(transaction.appends.len());
        for append in &transaction.appends {
            counts.push(self.register(&append.stream).await?);
        }
        let written = Transcript::of(transaction, &counts, &self.keys);
        let ticket = self.commits.begin(bytes)?;
        let mut invocation = self.script().prepare_invoke();
        self.fill(&mut invocation, &written, &ticket);
        let outcome = self.link.commit::<String>(&invocation).await?;
        drop(invocation);
        let version = self.read_outcome(&outcome, &written)?;
        if let Some(done) = &transaction.acknowledgement {
            self.reaches.acknowledged(done);
        }
        #[cfg(feature = "mutations")]
        self.acknowledge_outside(transaction).await?;
        Ok(version)
    }

    fn fill(
        &self,
        invocation: &mut ScriptInvocation<'_>,
        written: &Transcript<'_>,
        ticket: &Ticket<'_>,
    ) {
        let keys = &self.keys;
        invocation.key(keys.version());
        invocation.key(keys.sent(&self.commits.sender));
        invocation.key(keys.owners()).key(keys.accounts());
        invocation.key(keys.entries()).key(keys.spaces());
        invocation.key(keys.ledger());
        invocation.key(&written.keys);
        invocation.arg(ticket.number).arg(ticket.floor);
        invocation.arg(self.options.log_records_max);
        invocation.arg(written.at).arg(&written.packed);
    }

    /// What the script said.
    fn read_outcome(
        &self,
        outcome: &str,
        written: &Transcript<'_>,
    ) -> Result<Version, CommitError> {
        let mut words = outcome.split(' ');
        match words.next().unwrap_or_default() {
            "OK" => {
                let version = words.next().and_then(|version| version.parse().ok());
                self.tell_tails(&written.logs, words);
                Ok(version.ok_or_else(|| strange("a commit"))?)
            }
            "CONFLICT" => Err(CommitError::Conflict),
            "FENCED" => Err(Error::Fenced.into()),
            "FULL" => Err(written.full(words.next())?),
            "OVERDRAWN" => Err(written.overdrawn(words.next(), words.next())?),
            "INVALID" => Err(invalid(words.next())),
            // Nobody waits for this number, says the server; but this process does.
            "LATE" => Err(Error::Unresolved.into()),
            _ => Err(strange("a commit").into()),
        }
    }

    fn tell_tails<'a>(&self, logs: &[Partition], ids: impl Iterator<Item = &'a str>) {
        for (partition, id) in logs.iter().zip(ids) {
            if let Some(offset) = offset_of(id) {
                self.tails.moved(partition, offset);
            }
        }
    }
}

fn invalid(rule: Option<&str>) -> CommitError {
    CommitError::InvalidPosting(match rule {
        Some("1") => "the amount must be more than 0",
        Some("2") => "the accounts must differ",
        _ => "an account's sum must stay below 2^53",
    })
}

#[cfg(not(feature = "mutations"))]
impl Shared {
    fn script(&self) -> &'static Script {
        &COMMIT
    }

    async fn commit_whole(
        &self,
        transaction: Transaction,
        bytes: usize,
    ) -> Result<Version, CommitError> {
        self.commit_now(&transaction, bytes).await
    }
}

/// What proofs break.
#[cfg(feature = "mutations")]
mod broken {
    use super::super::Mutation;
    use super::super::reply::entry_id;
    use super::{COMMIT, CommitError, LazyLock, SOURCE, Script, Shared, Transaction, Version};
    use crate::store::{Error, Write};

    const SWITCHES: &str = "local FENCE, DEDUPE, ACKNOWLEDGE = true, true, true";

    static NO_FENCE: LazyLock<Script> = LazyLock::new(|| without("false, true, true"));
    static NO_DEDUPE: LazyLock<Script> = LazyLock::new(|| without("true, false, true"));
    static ACK_OUTSIDE: LazyLock<Script> = LazyLock::new(|| without("true, true, false"));

    fn without(switches: &str) -> Script {
        let line = format!("local FENCE, DEDUPE, ACKNOWLEDGE = {switches}");
        assert!(SOURCE.contains(SWITCHES), "the script has no switches");
        Script::new(&SOURCE.replace(SWITCHES, &line))
    }

    impl Shared {
        pub(super) fn script(&self) -> &'static Script {
            match self.options.mutation {
                None => &COMMIT,
                Some(Mutation::NoFence) => &NO_FENCE,
                Some(Mutation::NoDedupe) => &NO_DEDUPE,
                Some(Mutation::AckOutside) => &ACK_OUTSIDE,
                Some(Mutation::AuditApart) => &COMMIT,
            }
        }

        pub(super) async fn commit_whole(
            &self,
            mut transaction: Transaction,
            bytes: usize,
        ) -> Result<Version, CommitError> {
            if self.options.mutation != Some(Mutation::AuditApart) {
                return self.commit_now(&transaction, bytes).await;
            }
            let is_entry = |write: &Write| &*write.space.0 == "leyden.audit";
            let (apart, writes): (Vec<_>, Vec<_>) =
                transaction.writes.into_iter().partition(is_entry);
            transaction.writes = writes;
            let version = self.commit_now(&transaction, bytes).await?;
            let apart = Transaction {
                writes: apart,
                ..Transaction::default()
            };
            match apart.is_empty() {
                true => Ok(version),
                false => self.commit_now(&apart, bytes).await,
            }
        }

        pub(super) async fn acknowledge_outside(
            &self,
            transaction: &Transaction,
        ) -> Result<(), Error> {
            let Some(done) = &transaction.acknowledgement else {
                return Ok(());
            };
            if self.options.mutation != Some(Mutation::AckOutside) {
                return Ok(());
            }
            let subscription = &done.claim.subscription;
            let mut command = redis::cmd("XACK");
            command.arg(self.keys.stream(&subscription.partition));
            command.arg(&*subscription.group);
            let ids = done.offsets.iter().map(|offset| entry_id(*offset));
            command.arg(ids.collect::<Vec<_>>());
            self.link.run::<u64>(&command).await.map(|_| ())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_lowest_number_without_an_answer() {
        let commits = Commits::default();
        let first = commits.begin(1).expect("room");
        let second = commits.begin(1).expect("room");
        assert_eq!((first.number, first.floor), (1, 1));
        assert_eq!((second.number, second.floor), (2, 1));
        drop(first);
        let third = commits.begin(1).expect("room");
        assert_eq!((third.number, third.floor), (3, 2));
    }

    #[test]
    fn bytes_that_wait_are_bounded_and_given_back() {
        let commits = Commits::default();
        let most = commits.begin(WAITING_BYTES_MAX).expect("room");
        assert!(commits.begin(1).is_err());
        drop(most);
        assert!(commits.begin(1).is_ok());
        assert!(commits.open().numbers.is_empty());
    }
}
