//! Load over HTTP/1.1: kept-alive connections, each one request at a time, from one thread that waits for all of them.
//!
//! A load is closed (each connection asks again once it was answered: the highest rate) or open (requests are due at a
//! fixed rate, whatever the answers take). In an open one a request's time counts from when it was due, so
//! that what waits behind a slow answer is told as slow, too; its thread looks again and again instead of sleeping, because the
//! system wakes it too late.

mod answer;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::figure::percentile;
use answer::Answers;

/// How long each of these paths takes to answer (µs), asked once and one after the other.
///
/// # Panics
/// As [`Load::run`].
pub(crate) fn each(address: SocketAddr, paths: impl Iterator<Item = String>) -> Vec<f64> {
    let mut stream = std::net::TcpStream::connect(address).expect("the server accepts");
    stream.set_nodelay(true).expect("nodelay");
    let (mut answers, mut buffer) = (Answers::new(), vec![0; BUFFER_BYTES]);
    let ask = |path: String| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        let asked = Instant::now();
        stream.write_all(request.as_bytes()).expect("taken");
        loop {
            let read = stream.read(&mut buffer).expect("an answer");
            assert!(read > 0, "the server closed the connection");
            if answers.take(&buffer[..read]) {
                return asked.elapsed().as_secs_f64() * 1e6;
            }
        }
    };
    paths.map(ask).collect()
}

/// Longest wait for answers that are still due at the end.
const LATE_MAX: Duration = Duration::from_secs(20);

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// What is asked of whom.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) connections: usize,
    pub(crate) seconds: f64,
    /// Requests per second that are due; none: as many as are answered.
    pub(crate) due: Option<f64>,
    /// Bytes of each request's body; none: GET.
    pub(crate) body_bytes: Option<usize>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) struct Answered {
    /// Answers per second.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Load {
    /// Carries it out.
    ///
    /// # Panics
    /// Something else than whole answers of status 200 came.
    pub(crate) fn run(&self) -> Answered {
        let mut run = Run::start(self);
        let started = Instant::now();
        run.drive(started);
        let rate = run.times_us.len() as f64 / started.elapsed().as_secs_f64();
        Answered {
            rate,
            p50_us: percentile(&mut run.times_us, 50),
            p99_us: percentile(&mut run.times_us, 99),
        }
    }

    fn request(&self) -> Vec<u8> {
        let path = &self.path;
        let Some(bytes) = self.body_bytes else {
            return format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes();
        };
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {bytes}\r\n\r\n");
        let mut request = head.into_bytes();
        request.resize(request.len() + bytes, b'x');
        request
    }
}

/// A load on its way.
struct Run<'a> {
    load: &'a Load,
    request: Vec<u8>,
    poll: Poll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    times_us: Vec<f64>,
}

impl<'a> Run<'a> {
    fn start(load: &'a Load) -> Self {
        let poll = Poll::new().expect("a poll");
        let connect = |number: usize| {
            let mut stream = TcpStream::from_std(connect(load.address));
            let (token, both) = (Token(number), Interest::READABLE | Interest::WRITABLE);
            let registered = poll.registry().register(&mut stream, token, both);
            registered.expect("registered");
            Connection {
                stream,
                answers: Answers::new(),
                asked: None,
                sent: 0,
                next: Duration::ZERO,
            }
        };
        Self {
            request: load.request(),
            connections: (0..load.connections).map(connect).collect(),
            poll,
            load,
            buffer: vec![0; BUFFER_BYTES],
            times_us: Vec::new(),
        }
    }

    fn drive(&mut self, started: Instant) {
        let length = Duration::from_secs_f64(self.load.seconds);
        let mut events = Events::with_capacity(self.connections.len());
        self.begin();
        loop {
            let now = started.elapsed();
            let waiting = self.ask_what_is_due(started, now, length);
            if !waiting {
                return;
            }
            assert!(now < length + LATE_MAX, "{} is too slow", self.load.path);
            let wait = self.load.due.map_or(LATE_MAX, |_| Duration::ZERO);
            self.poll.poll(&mut events, Some(wait)).expect("events");
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if let Some(took) = connection.progress(&self.request, &mut self.buffer) {
                    self.times_us.push(took.as_secs_f64() * 1e6);
                }
            }
        }
    }

    /// Spreads what is due over the connections.
    fn begin(&mut self) {
        if let Some(rate) = self.load.due {
            for (number, connection) in self.connections.iter_mut().enumerate() {
                connection.next = Duration::from_secs_f64(number as f64 / rate);
            }
        }
    }

    /// Has the connections ask that have nothing to wait for. Whether any waits for an answer or for its next turn.
    fn ask_what_is_due(&mut self, started: Instant, now: Duration, length: Duration) -> bool {
        let every = self
            .load
            .due
            .map(|rate| self.load.connections as f64 / rate);
        let mut waiting = false;
        for connection in &mut self.connections {
            if connection.asked.is_none() {
                let due = every.map_or(now, |_| connection.next);
                if due >= length {
                    continue;
                }
                if due <= now {
                    connection.ask(started + due, &self.request);
                    connection.next += Duration::from_secs_f64(every.unwrap_or_default());
                }
            }
            waiting = true;
        }
        waiting
    }
}

/// One connection of a load.
struct Connection {
    stream: TcpStream,
    answers: Answers,
    /// Since when an answer is waited for.
    asked: Option<Instant>,
    /// Bytes of the present request that were sent.
    sent: usize,
    /// When the next request is due, from the start.
    next: Duration,
}

impl Connection {
    fn ask(&mut self, due: Instant, request: &[u8]) {
        self.asked = Some(due);
        self.sent = 0;
        self.send(request);
    }

    fn send(&mut self, request: &[u8]) {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("a request is not taken: {error}"),
            }
        }
    }

    /// Sends what can be sent and reads what is there. How long the answer took, once it is whole.
    fn progress(&mut self, request: &[u8], buffer: &mut [u8]) -> Option<Duration> {
        let asked = self.asked?;
        self.send(request);
        loop {
            match self.stream.read(buffer) {
                Ok(0) => panic!("the server closed a connection"),
                Ok(read) if self.answers.take(&buffer[..read]) => {
                    self.asked = None;
                    return Some(asked.elapsed());
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }
}

fn connect(address: SocketAddr) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect(address).expect("the server accepts");
    stream.set_nodelay(true).expect("nodelay");
    stream.set_nonblocking(true).expect("nonblocking");
    stream
}
