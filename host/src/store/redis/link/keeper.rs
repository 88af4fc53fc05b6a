//! The task that keeps the connection: makes another one when it broke, and asks now and then whether
//! the server is well. It takes no input, and ends only when the last [`super::Link`] is dropped.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::time::timeout;

use super::failure::{Failure, SILENT, judge};
use super::{Core, Endpoint, GRACE, Health, Live, State, Trouble};
use crate::clock;

/// Between two looks at the server.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// First pause between two tries to connect; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest pause: a server that comes back is found within that time.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long the probe's key stays, ms.
const PROBE_MS: u64 = 60_000;

/// Keeps the connection for ever.
pub(super) async fn keep(core: Arc<Core>, mut endpoint: Endpoint) {
    let mut state = core.state.subscribe();
    let mut pause = PAUSE_MIN;
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            State::Up(live) => {
                pause = PAUSE_MIN;
                let broke = timeout(LOOK_EVERY, state.changed()).await;
                if broke.is_err() {
                    look(&core, &live).await;
                }
            }
            State::Down { reason, .. } => {
                if let Err(trouble) = reconnect(&core, &mut endpoint, reason).await {
                    despair(&core, &trouble);
                    clock::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }
}

/// Makes another connection; `reason`: what became of the last one, said when that takes long.
async fn reconnect(
    core: &Core,
    endpoint: &mut Endpoint,
    reason: &'static str,
) -> Result<(), Trouble> {
    let mut connected = pin!(connect(core, endpoint));
    if let Ok(connected) = timeout(GRACE, &mut connected).await {
        return connected;
    }
    core.feels(Err(reason));
    connected.await
}

async fn connect(core: &Core, endpoint: &mut Endpoint) -> Result<(), Trouble> {
    let live = Live::open(core.number(), endpoint, core.options.barrier()).await?;
    // A server that refuses writes is connected to all the same: it can be read.
    let health = write(core, &live).await?;
    core.state.send_replace(State::Up(Arc::new(live)));
    tracing::info!("connected to Redis again");
    core.feels(health);
    Ok(())
}

/// Says why there is no connection.
fn despair(core: &Core, trouble: &Trouble) {
    core.state.send_if_modified(|state| match state {
        State::Down { reason, .. } => {
            *reason = trouble.reason;
            false
        }
        State::Up(_) => false,
    });
    tracing::debug!(reason = trouble.reason, source = ?trouble.source, "no connection to Redis");
    core.feels(Err(trouble.reason));
}

/// Asks the server whether it is well: for an answer while all is well, for a write otherwise.
async fn look(core: &Core, live: &Live) {
    let is_well = core.health.borrow().is_ok();
    let health = if is_well {
        ask(core, live, &redis::cmd("PING")).await
    } else {
        write(core, live).await
    };
    match health {
        Ok(health) => core.feels(health),
        Err(trouble) => core.broke(live.number, trouble.reason),
    }
}

async fn write(core: &Core, live: &Live) -> Result<Health, Trouble> {
    let mut probe = redis::cmd("SET");
    probe
        .arg(&core.options.probe_key)
        .arg(1)
        .arg("PX")
        .arg(PROBE_MS);
    ask(core, live, &probe).await
}

/// Whether the server does as it is told. `Err`: this connection will not tell.
async fn ask(core: &Core, live: &Live, command: &Cmd) -> Result<Health, Trouble> {
    let mut connection = live.connection.clone();
    let answer = command.query_async::<redis::Value>(&mut connection);
    let Ok(answer) = timeout(core.options.reply_max, answer).await else {
        return Err(SILENT.into());
    };
    match answer {
        Ok(_) => Ok(Ok(())),
        Err(error) => match judge(&error) {
            Failure::Refused(reason) => Ok(Err(reason)),
            Failure::Lost(_) | Failure::Misplaced(_) | Failure::Fault => Err(error.into()),
        },
    }
}
