//! What the writer is asked to do, and the bounded queue in which that waits.
//!
//! **Invariants.** The queue is bounded by count and by bytes; so is a group. Whoever asked gets an
//! answer exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Fault, backend};
use crate::clock::{self, Monotonic};
use crate::ids::StreamName;
use crate::store::{
    CommitError, Durable, Error, Offset, Result, Subscription, Transaction, Version, durable,
};

/// Jobs that wait at most: a second's work when transactions are small and the disk is slow.
pub(super) const QUEUE_JOBS_MAX: usize = 8192;

/// Bytes that wait at most, since jobs may be large.
pub(super) const QUEUE_BYTES_MAX: usize = 256 << 20;

/// Jobs in one group: more make the first one wait longer and save hardly any sync.
pub(super) const GROUP_JOBS_MAX: usize = 1024;

/// Bytes after which a group is closed: below 100 ms of work.
pub(super) const GROUP_BYTES_MAX: usize = 8 << 20;

/// How long a patient transaction waits for others, those before it included: several times as long as a sync takes,
/// and little beside what those who are patient have done before.
const PATIENCE: Duration = Duration::from_millis(1);

/// Greatest transaction, bytes: below SQLite's limit of a value, and a small part of the queue.
pub(super) const TRANSACTION_BYTES_MAX: usize = 64 << 20;

/// What a row costs beside its content, bytes, so that many tiny rows count too.
const ROW_BYTES: usize = 64;

const STOPPED: Error = Error::Unavailable("the store has stopped");

/// A transaction, and what became of it.
pub(super) struct Commit {
    pub(super) transaction: Transaction,
    pub(super) outcome: Outcome,
    reply: oneshot::Sender<Outcome>,
    /// Who goes on once it is judged.
    judged: Option<oneshot::Sender<()>>,
    bytes: usize,
    since: Monotonic,
}

/// What became of a transaction.
type Outcome = std::result::Result<Version, CommitError>;

impl Commit {
    /// Tells whoever goes on from there that it is judged, and stands.
    pub(super) fn stands(&mut self) {
        if let Some(judged) = self.judged.take() {
            // Nobody may be listening any more.
            let _ = judged.send(());
        }
    }
}

/// A trim, and how many records went.
pub(super) struct Trim {
    pub(super) stream: StreamName,
    pub(super) up_to: Offset,
    pub(super) removed: u64,
    reply: oneshot::Sender<Result<u64>>,
}

/// A group to make known.
pub(super) struct Subscribe {
    pub(super) subscription: Subscription,
    reply: oneshot::Sender<Result<()>>,
}

/// A piece of work for the writer.
pub(super) enum Job {
    Commit(Box<Commit>),
    Trim(Trim),
    Subscribe(Subscribe),
}

impl Job {
    /// Until when it waits for others; none: for nobody.
    fn waits_until(&self) -> Option<Monotonic> {
        match self {
            Self::Commit(commit) if commit.transaction.patient => Some(commit.since + PATIENCE),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Commit(commit) => commit.bytes,
            Self::Trim(_) | Self::Subscribe(_) => ROW_BYTES,
        }
    }

    /// Tells the outcome; nobody may be listening any more.
    pub(super) fn answer(self) {
        match self {
            Self::Commit(commit) => drop(commit.reply.send(commit.outcome)),
            Self::Trim(trim) => drop(trim.reply.send(Ok(trim.removed))),
            Self::Subscribe(subscribe) => drop(subscribe.reply.send(Ok(()))),
        }
    }

    /// Tells that the group has failed.
    pub(super) fn fail(self, error: &Arc<rusqlite::Error>) {
        let error = backend(Arc::clone(error));
        match self {
            Self::Commit(commit) => drop(commit.reply.send(Err(error.into()))),
            Self::Trim(trim) => drop(trim.reply.send(Err(error))),
            Self::Subscribe(subscribe) => drop(subscribe.reply.send(Err(error))),
        }
    }
}

/// What a transaction weighs in the queue, bytes.
fn weigh(transaction: &Transaction) -> usize {
    let writes = transaction
        .writes
        .iter()
        .map(|w| w.key.len() + w.value.as_ref().map_or(0, Vec::len));
    let appends = transaction
        .appends
        .iter()
        .map(|a| a.key.len() + a.payload.len());
    let postings = transaction
        .postings
        .iter()
        .map(|p| p.reference.len() + p.debit.len() + p.credit.len());
    let reads = transaction.reads.keys.iter().map(|(_, key)| key.len());
    let ranges = transaction
        .reads
        .ranges
        .iter()
        .map(|(_, range)| range.start.len());
    let removals = transaction.removals.iter().map(|_| 0);
    let acknowledged = transaction.acknowledgement.iter();
    let acknowledged = acknowledged.map(|a| a.offsets.len() * size_of::<Offset>());
    let rows = writes
        .chain(appends)
        .chain(removals)
        .chain(acknowledged)
        .chain(postings)
        .chain(reads)
        .chain(ranges);
    rows.map(|bytes| bytes + ROW_BYTES).sum()
}

/// Counts what waits; shared by those who send and the writer.
#[derive(Default)]
pub(super) struct Intake {
    bytes: AtomicUsize,
}

impl Intake {
    /// Waits for a job that begins a group, unless one is left over from the last; `None` when there will be none any
    /// more.
    pub(super) fn begin_group<'j>(
        &'j self,
        jobs: &'j Receiver<Job>,
        left_over: Option<Job>,
    ) -> Option<Group<'j>> {
        let first = match left_over {
            Some(job) => job,
            None => self.counted(jobs.recv().ok()?),
        };
        Some(Group {
            intake: self,
            jobs,
            next: Some(first),
            until: None,
            count: 0,
            bytes: 0,
        })
    }

    /// A job that waits no more.
    fn counted(&self, job: Job) -> Job {
        self.bytes.fetch_sub(job.bytes(), Ordering::Relaxed);
        job
    }
}

/// A group that is being put together: the jobs that wait, and those that come while all of them are patient.
pub(super) struct Group<'j> {
    intake: &'j Intake,
    jobs: &'j Receiver<Job>,
    next: Option<Job>,
    /// Until when it waits for others; none: for nobody.
    until: Option<Monotonic>,
    count: usize,
    bytes: usize,
}

impl Group<'_> {
    /// Its next job; none where it is complete.
    pub(super) fn next(&mut self) -> Option<Job> {
        let job = match self.next.take() {
            Some(job) => job,
            None if self.count >= GROUP_JOBS_MAX || self.bytes >= GROUP_BYTES_MAX => return None,
            None => {
                let waiting = self.jobs.try_recv().ok();
                self.intake
                    .counted(waiting.or_else(|| wait(self.jobs, self.until?))?)
            }
        };
        let until = job.waits_until();
        // Nothing is earlier than something.
        self.until = match self.count {
            0 => until,
            _ => self.until.min(until),
        };
        self.count += 1;
        self.bytes += job.bytes();
        Some(job)
    }

    /// Leaves a job to the next group.
    pub(super) fn leave(&mut self, job: Job) {
        self.next = Some(job);
    }

    /// What was left to the next group.
    pub(super) fn left_over(self) -> Option<Job> {
        self.next
    }
}

fn wait(jobs: &Receiver<Job>, until: Monotonic) -> Option<Job> {
    let left = until.saturating_duration_since(clock::monotonic());
    jobs.recv_timeout(left).ok()
}

/// The way in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue {
    jobs: SyncSender<Job>,
    intake: Arc<Intake>,
}

impl Queue {
    pub(super) fn new(jobs: SyncSender<Job>, intake: Arc<Intake>) -> Self {
        Self { jobs, intake }
    }

    /// Commits. Dropping the future does not take the transaction back.
    pub(super) async fn commit(&self, transaction: Transaction) -> Outcome {
        let answer = self.send_commit(transaction, None)?;
        told(answer.await)
    }

    /// Commits, and returns once it is judged.
    pub(super) async fn commit_ahead(
        &self,
        transaction: Transaction,
    ) -> std::result::Result<Durable, CommitError> {
        let (judged, is_judged) = oneshot::channel();
        let mut answer = self.send_commit(transaction, Some(judged))?;
        tokio::select! {
            biased;
            Ok(()) = is_judged => {}
            outcome = &mut answer => return told(outcome).map(|_| durable()),
        }
        Ok(Box::pin(async move {
            match told(answer.await) {
                Ok(_) => Ok(()),
                Err(CommitError::Store(error)) => Err(error),
                // It was judged.
                Err(_) => Err(Error::Unresolved),
            }
        }))
    }

    fn send_commit(
        &self,
        transaction: Transaction,
        judged: Option<oneshot::Sender<()>>,
    ) -> std::result::Result<oneshot::Receiver<Outcome>, CommitError> {
        let bytes = weigh(&transaction);
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(backend(Fault::TooLarge {
                bytes,
                bytes_max: TRANSACTION_BYTES_MAX,
            })
            .into());
        }
        let (reply, answer) = oneshot::channel();
        self.send(Job::Commit(Box::new(Commit {
            transaction,
            outcome: Err(CommitError::Conflict),
            reply,
            judged,
            bytes,
            since: clock::monotonic(),
        })))?;
        Ok(answer)
    }

    /// Trims.
    pub(super) async fn trim(&self, stream: StreamName, up_to: Offset) -> Result<u64> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Trim(Trim {
            stream,
            up_to,
            removed: 0,
            reply,
        }))?;
        answer.await.unwrap_or(Err(STOPPED))
    }

    /// Makes a group known.
    pub(super) async fn subscribe(&self, subscription: Subscription) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Subscribe(Subscribe {
            subscription,
            reply,
        }))?;
        answer.await.unwrap_or(Err(STOPPED))
    }

    fn send(&self, job: Job) -> Result<()> {
        let bytes = job.bytes();
        let waiting = self.intake.bytes.fetch_add(bytes, Ordering::Relaxed);
        let sent = if waiting + bytes > QUEUE_BYTES_MAX {
            Err(Error::Unavailable("too many bytes wait to be committed"))
        } else {
            self.jobs.try_send(job).map_err(|error| refused(&error))
        };
        if sent.is_err() {
            self.intake.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        sent
    }
}

/// What the writer has told, if it has.
fn told(answer: std::result::Result<Outcome, oneshot::error::RecvError>) -> Outcome {
    answer.unwrap_or_else(|_| Err(Error::Unresolved.into()))
}

fn refused(error: &TrySendError<Job>) -> Error {
    match error {
        TrySendError::Full(_) => Error::Unavailable("too many transactions wait to be committed"),
        TrySendError::Disconnected(_) => STOPPED,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Longer than anything here takes.
    const LONG: Duration = Duration::from_secs(60);

    /// A job that comes then.
    fn job(patient: bool, since: Monotonic) -> Job {
        let (reply, _) = oneshot::channel();
        let transaction = Transaction {
            patient,
            ..Transaction::default()
        };
        Job::Commit(Box::new(Commit {
            transaction,
            outcome: Ok(0),
            reply,
            judged: None,
            bytes: 0,
            since,
        }))
    }

    /// How many are in the first group.
    fn first_group(jobs: &Receiver<Job>) -> usize {
        let intake = Intake::default();
        let mut group = intake.begin_group(jobs, None).expect("jobs");
        std::iter::from_fn(|| group.next()).count()
    }

    #[test]
    fn what_is_left_over_begins_the_next_group() {
        let (send, jobs) = mpsc::channel();
        let intake = Intake::default();
        for patient in [false, true, false] {
            let job = job(patient, clock::monotonic());
            send.send(job).expect("somebody listens");
        }
        let mut group = intake.begin_group(&jobs, None).expect("jobs");
        assert!(group.next().is_some());
        let second = group.next().expect("it waits");
        group.leave(second);
        let left_over = group.left_over();
        let mut next = intake.begin_group(&jobs, left_over).expect("a job");
        let patient = |job: Job| matches!(job, Job::Commit(commit) if commit.transaction.patient);
        assert_eq!(next.next().map(patient), Some(true));
        assert_eq!(next.next().map(patient), Some(false));
        assert!(next.next().is_none());
    }

    #[test]
    fn patient_transactions_wait_for_more() {
        let (send, jobs) = mpsc::channel();
        let far = clock::monotonic() + LONG;
        send.send(job(true, far)).expect("somebody listens");
        std::thread::spawn(move || {
            clock::block(10 * PATIENCE);
            send.send(job(true, far)).expect("somebody listens");
        });
        assert_eq!(first_group(&jobs), 2);
    }

    #[test]
    fn nobody_waits_longer_than_the_least_patient() {
        let far = clock::monotonic() + LONG;
        let now = clock::monotonic();
        let groups: [&[(bool, Monotonic)]; 4] = [
            &[(false, far)],
            &[(true, far), (false, far)],
            &[(true, now)],
            &[(true, far), (true, now)],
        ];
        for coming in groups {
            let (send, jobs) = mpsc::channel();
            for (patient, since) in coming {
                send.send(job(*patient, *since)).expect("somebody listens");
            }
            assert_eq!(first_group(&jobs), coming.len());
            assert!(clock::monotonic() < far, "waited for more: {coming:?}");
        }
    }
}
