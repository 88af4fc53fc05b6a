//! How a recording is written: on a thread of its own, behind all else.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::session::Session;
use super::{Error, Hold, Options, Sources};
use crate::clock;
use crate::registry::Kind;
use crate::replay::scribe::{self, Scribe};
use crate::replay::{Name, Taken};
use crate::runtime::{BEHIND_ALL, on_own};

/// Compiles all that invocations will need, before the first is recorded. Plugins are got ready when they run first, and so
/// are functions, of which there may be thousands.
pub(super) async fn prepare(options: &Options, sources: Sources) -> Result<Scribe, scribe::Error> {
    let generation = sources.registry.generation();
    let mut scribe = Scribe::new(sources)?;
    let all = generation.components.values();
    match &options.component {
        None => {
            for active in all.filter(|active| active.kind != Kind::Function) {
                scribe.prepare(&generation, active, &[]).await?;
            }
        }
        Some(Name::Component(only)) => {
            for active in all.filter(|active| active.name == *only) {
                scribe.prepare(&generation, active, &[]).await?;
            }
        }
        Some(Name::Plugin(..)) => drop(scribe.prepare_run(&generation, &[]).await?),
    }
    Ok(scribe)
}

/// Records until something ends it.
pub(super) async fn record(
    hold: Hold,
    options: Options,
    mut scribe: Scribe,
    pieces: mpsc::Sender<Bytes>,
    ready: oneshot::Sender<Result<(), Error>>,
) {
    let time = options.time;
    let (session, mut taken) = Session::new(options, hold.0.stop().clone());
    let session = Arc::new(session);
    hold.0.session.store(Some(session.clone()));
    // Who does not wait any more does not read either.
    if ready.send(Ok(())).is_err() || pieces.send(scribe.header().into()).await.is_err() {
        return;
    }
    let over = async {
        let because = tokio::select! {
            () = session.stop.cancelled() => "stop",
            () = clock::sleep(time) => "time",
        };
        // Nothing more is taken in; what was is still told.
        hold.0.session.store(None);
        because
    };
    let because = write(&session, &mut scribe, &mut taken, &pieces, over).await;
    hold.0.session.store(None);
    let Some(because) = because else { return };
    scribe.end.missed = session.missed();
    scribe.end.because = because.to_owned();
    // Whoever went away just now does not need the end.
    let _ = pieces.send(scribe.end().into()).await;
    // Who has seen the end may record again.
    drop((scribe, hold));
}

/// Writes what is taken in, until `over` says why that is all; why it ended. None: nobody reads it.
async fn write(
    session: &Session,
    scribe: &mut Scribe,
    taken: &mut mpsc::Receiver<Taken>,
    pieces: &mpsc::Sender<Bytes>,
    over: impl Future<Output = &'static str>,
) -> Option<&'static str> {
    tokio::pin!(over);
    let mut because = None;
    loop {
        let next = tokio::select! {
            biased;
            () = pieces.closed() => return None,
            why = &mut over, if because.is_none() => {
                taken.close();
                because = Some(why);
                continue;
            }
            next = taken.recv() => next,
        };
        let Some(next) = next else { return because };
        session.took(&next);
        match scribe.lines(next).await {
            Ok(lines) => {
                let bytes = lines.len();
                pieces.send(lines.into()).await.ok()?;
                if let Some(full) = session.wrote(bytes) {
                    return Some(full);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "an invocation could not be recorded");
                session.miss();
            }
        }
    }
}

/// The record of one invocation.
///
/// # Errors
/// It cannot be replayed, or the recorder failed.
pub(crate) async fn export(taken: Taken, sources: &Sources) -> Result<Vec<u8>, Error> {
    let sources = sources.clone();
    let writing = async move {
        let mut scribe = Scribe::new(sources)?;
        let mut record = scribe.header();
        record.extend(scribe.lines(taken).await?);
        scribe.end.because = "limit".to_owned();
        record.extend(scribe.end());
        Ok::<_, scribe::Error>(record)
    };
    let written = on_own(BEHIND_ALL, writing).await;
    Ok(written.map_err(|_| Error::Failed)??)
}
