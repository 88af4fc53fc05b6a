//! Progress bars for uploads and copies. They are drawn on a terminal only.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Body;
use tokio_util::io::ReaderStream;

use super::error::Error;

/// Bytes sent at once: large enough for few wake-ups, small enough for a smooth bar.
const CHUNK_BYTES: usize = 64 * 1024;

const TEMPLATE: &str = "{msg} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)";

const ROWS_TEMPLATE: &str = "{msg} {wide_bar} {pos}/{len} ({per_sec}, {eta} left)";

const WAITING_TEMPLATE: &str = "{spinner} {msg} {elapsed}";

/// How often a spinner turns: seen to move, and cheap.
const TICK: Duration = Duration::from_millis(100);

/// A bar over a number of bytes.
pub(crate) fn bar(what: &str, bytes: u64) -> ProgressBar {
    drawn(TEMPLATE, what, bytes)
}

/// A bar over a number of rows.
pub(crate) fn rows_bar(what: &str, rows: u64) -> ProgressBar {
    drawn(ROWS_TEMPLATE, what, rows)
}

fn drawn(template: &str, what: &str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length)
        .with_style(style)
        .with_message(what.to_owned())
}

/// A file as a request body that is read while it is sent; the bar follows.
///
/// # Errors
/// The file cannot be opened.
pub(crate) async fn file_body(path: &Path) -> Result<(Body, ProgressBar), Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    let bar = bar(&path.display().to_string(), length);
    let chunks = ReaderStream::with_capacity(file, CHUNK_BYTES);
    Ok((Body::wrap_stream(counted(chunks, bar.clone())), bar))
}

/// Bytes in memory as a request body that the host works on before it answers: the bar follows, and once all is sent, says
/// what the host does and shows how long that takes.
pub(crate) fn upload_body(what: &str, then: &str, bytes: Vec<u8>) -> (Body, ProgressBar) {
    let length = bytes.len() as u64;
    let bar = bar(what, length);
    let (watched, then) = (bar.clone(), then.to_owned());
    let chunks = counted(chunks(bytes), bar.clone()).inspect(move |_| {
        if watched.position() >= length {
            wait(&watched, &then);
        }
    });
    (Body::wrap_stream(chunks), bar)
}

fn wait(bar: &ProgressBar, what: &str) {
    let style = ProgressStyle::with_template(WAITING_TEMPLATE);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(TICK);
}

fn chunks(bytes: Vec<u8>) -> impl Stream<Item = io::Result<bytes::Bytes>> {
    let bytes = bytes::Bytes::from(bytes);
    let starts = (0..bytes.len()).step_by(CHUNK_BYTES);
    let chunk = move |start: usize| bytes.slice(start..bytes.len().min(start + CHUNK_BYTES));
    let chunks: Vec<_> = starts.map(chunk).map(Ok).collect();
    futures_util::stream::iter(chunks)
}

fn counted<S>(chunks: S, bar: ProgressBar) -> impl Stream<Item = io::Result<bytes::Bytes>>
where
    S: Stream<Item = io::Result<bytes::Bytes>>,
{
    chunks.inspect(move |chunk| bar.inc(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64)))
}
