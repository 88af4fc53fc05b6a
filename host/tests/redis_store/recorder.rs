//! A relay between a store and its server that remembers the commits that pass, so that a test can
//! send one again as the network might.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The relay. Its threads end with their connections.
pub(crate) struct Recorder {
    port: u16,
    server: u16,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let sent = Arc::<Mutex<Vec<u8>>>::default();
        let record = sent.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                relay(client, server, &record);
            }
        });
        Self { port, server, sent }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The commits that have passed, as they were sent.
    pub(crate) fn commits(&self) -> Vec<Vec<u8>> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = split(&sent);
        let commits = commands
            .filter(|command| contains(command, b"EVALSHA") && contains(command, b":sent:"));
        commits.map(<[u8]>::to_vec).collect()
    }

    /// Sends a command to the server; the first answer in full.
    pub(crate) fn send_again(&self, command: &[u8]) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server))?;
        stream.set_read_timeout(Some(WAIT_MAX))?;
        stream.write_all(command)?;
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer)?;
        answer.truncate(length);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

fn relay(client: TcpStream, server: u16, record: &Arc<Mutex<Vec<u8>>>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
        return;
    };
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let record = record.clone();
    thread::spawn(move || {
        copy(from, to, |bytes| {
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.extend_from_slice(bytes);
        });
    });
    thread::spawn(move || copy(server, client, |_| {}));
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        see(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}

/// Commands that were sent one after the other. A test that uses this lets one connection send.
fn split(sent: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = sent;
    std::iter::from_fn(move || {
        let mut end = line(left, 0)?;
        let parts: usize = std::str::from_utf8(&left[1..end - 2]).ok()?.parse().ok()?;
        for _ in 0..parts {
            let next = line(left, end)?;
            let length: usize = std::str::from_utf8(&left[end + 1..next - 2])
                .ok()?
                .parse()
                .ok()?;
            end = next + length + 2;
        }
        let (command, rest) = left.split_at_checked(end)?;
        left = rest;
        Some(command)
    })
}

/// The end of the line that begins at a place.
fn line(bytes: &[u8], start: usize) -> Option<usize> {
    let found = bytes.get(start..)?.iter().position(|byte| *byte == b'\n');
    Some(start + found? + 1)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
