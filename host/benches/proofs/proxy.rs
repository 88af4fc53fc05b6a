//! A TCP proxy between hosts and Redis that breaks things on demand: it delays what passes, cuts
//! connections, and drops replies (the command arrives, its answer does not).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf};
use tokio::sync::watch;

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// What happens to the next chunk that passes; each is one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It waits.
    Delay(Duration),
    /// Its connection is closed before it passes.
    Cut,
    /// It goes on to the server; the answer is thrown away and the connection closed.
    DropReply,
}

/// Faults that wait to happen, and how many have.
#[derive(Debug, Default)]
struct Faults {
    waiting: std::sync::Mutex<Vec<Fault>>,
    done: AtomicU64,
}

impl Faults {
    fn next(&self) -> Option<Fault> {
        let fault = self.waiting.lock().expect("not poisoned").pop();
        if fault.is_some() {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        fault
    }
}

/// A running proxy; it stops with the process.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    faults: Arc<Faults>,
}

impl Proxy {
    /// Starts one in front of a server.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let faults = Arc::new(Faults::default());
        let shared = faults.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, server, shared.clone()));
            }
        });
        Self { address, faults }
    }

    /// Has this happen to whatever passes next, on any connection.
    pub fn inject(&self, fault: Fault) {
        self.faults
            .waiting
            .lock()
            .expect("not poisoned")
            .push(fault);
    }

    /// Faults that have happened.
    pub fn done(&self) -> u64 {
        self.faults.done.load(Ordering::Relaxed)
    }
}

async fn connection(client: TcpStream, server: SocketAddr, faults: Arc<Faults>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Once true, answers are thrown away; whoever notices closes both ways.
    let (mute, muted) = watch::channel(false);
    tokio::join!(
        requests(from_client, to_server, faults, mute),
        replies(from_server, to_client, muted),
    );
}

/// Passes commands on until the connection ends or is cut.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    faults: Arc<Faults>,
    mute: watch::Sender<bool>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let Ok(1..) = read(&mut from, &mut chunk).await else {
            break;
        };
        let fault = faults.next();
        match fault {
            Some(Fault::Cut) => break,
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::DropReply) => {
                mute.send_replace(true);
            }
            None => {}
        }
        if to.write_all(&chunk).await.is_err() {
            break;
        }
        if fault == Some(Fault::DropReply) {
            // The server gets to act on it; the host sees a connection that breaks.
            tokio::time::sleep(Duration::from_millis(5)).await;
            break;
        }
    }
    mute.send_replace(true);
}

async fn read(from: &mut OwnedReadHalf, chunk: &mut Vec<u8>) -> std::io::Result<usize> {
    chunk.resize(CHUNK_BYTES, 0);
    let count = from.read(chunk).await?;
    chunk.truncate(count);
    Ok(count)
}

/// Waits until answers are thrown away.
async fn silence(muted: &mut watch::Receiver<bool>) {
    drop(muted.wait_for(|muted| *muted).await);
}

/// Passes answers on until there is nothing to pass or they are thrown away.
async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut muted: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        tokio::select! {
            biased;
            () = silence(&mut muted) => return,
            count = read(&mut from, &mut chunk) => {
                if !matches!(count, Ok(1..)) || to.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        }
    }
}
