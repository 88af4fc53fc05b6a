//! A client of a running host: where it is, the token, and answers read whole within a bound.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;

use super::error::{Error, Problem};
use super::tunnel::Tunnel;

/// A host on the same or a near machine connects at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a whole answer: many ticks over many houses, or a long upload.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Largest answer read, bytes: all houses of a large host fit, memory stays bounded.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest token, bytes; a longer file is not a token.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// Largest component file, bytes; the host's own limit is lower and its word counts.
const COMPONENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Talks to one host.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
    /// Where the host speaks TLS: what `base` leads to.
    tunnel: Option<Tunnel>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text; bytes that are no UTF-8 show as replacement characters.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer, if it is no refusal.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn accepted(self) -> Result<Self, Error> {
        if self.status < 400 {
            return Ok(self);
        }
        Err(Error::Refused(Box::new(Problem::of(
            self.status,
            &self.body,
        ))))
    }

    /// The body as JSON; an empty one is null.
    ///
    /// # Errors
    /// The body is no JSON.
    pub(crate) fn json(&self) -> Result<Value, Error> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| Error::Answer(error.to_string()))
    }
}

impl Client {
    /// A client of the host at `url`.
    ///
    /// # Errors
    /// The URL is no URL of a host, or a file cannot be read.
    pub(crate) fn new(
        url: &str,
        token_file: Option<&Path>,
        ca_file: Option<&Path>,
    ) -> Result<Self, Error> {
        let base = Url::parse(url)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let base = base
            .ok_or_else(|| Error::Usage(format!("--url: {url} is no http:// or https:// URL")))?;
        let tunnel = match base.scheme() {
            "https" => Some(Tunnel::open(base.clone(), ca_file)?),
            _ => None,
        };
        let base = tunnel.as_ref().map_or(base, |tunnel| tunnel.begins.clone());
        // Proxies are for the world outside; a host is spoken to directly.
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .default_headers(tunnel.as_ref().map(Tunnel::headers).unwrap_or_default())
            .no_proxy()
            .build();
        let http = http.map_err(|error| Error::Usage(error.to_string()))?;
        let token = token_file.map(read_token).transpose()?;
        Ok(Self {
            http,
            base,
            token,
            tunnel,
        })
    }

    /// Where the host is.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// A request to a path of the host, such as `/admin/clock`; it may hold a query.
    ///
    /// # Errors
    /// The path cannot be part of a URL of this host.
    pub(crate) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Error> {
        let url = self
            .base
            .join(path)
            .ok()
            .filter(|url| url.origin() == self.base.origin());
        let url = url.ok_or_else(|| Error::Usage(format!("{path} is no path on the host")))?;
        Ok(self.request_url(method, url))
    }

    /// A request to a URL of the host.
    pub(crate) fn request_url(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// The host does not answer, or answers more than the bound.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let response = self.open(request.timeout(ANSWER_TIMEOUT)).await?;
        self.whole(response).await
    }

    /// Reads the whole of an answer that was opened.
    ///
    /// # Errors
    /// The host goes away, or the answer is longer than the bound.
    pub(crate) async fn whole(&self, response: Response) -> Result<Answer, Error> {
        let status = response.status().as_u16();
        Ok(Answer {
            status,
            body: self.read(response).await?,
        })
    }

    /// Sends a request and leaves the body to the caller.
    ///
    /// # Errors
    /// The host does not answer.
    pub(crate) async fn open(&self, request: RequestBuilder) -> Result<Response, Error> {
        request
            .send()
            .await
            .map_err(|source| self.unreachable(source))
    }

    /// Reads `GET path` as JSON.
    ///
    /// # Errors
    /// The host does not answer or refuses.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Error> {
        self.send(self.request(Method::GET, path)?)
            .await?
            .accepted()?
            .json()
    }

    /// Sends JSON to a path and reads the answer.
    ///
    /// # Errors
    /// The host does not answer or refuses.
    pub(crate) async fn write(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        self.send(self.request(method, path)?.json(body))
            .await?
            .accepted()?
            .json()
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|source| self.unreachable(source))?
        {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Error::Answer(format!(
                    "it is longer than {ANSWER_BYTES_MAX} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, source: reqwest::Error) -> Error {
        let (url, why) = match &self.tunnel {
            Some(tunnel) => (&tunnel.ends, tunnel.failure()),
            None => (&self.base, None),
        };
        Error::Unreachable {
            url: url.to_string(),
            source: why.map_or_else(|| source.without_url().into(), Into::into),
        }
    }
}

/// Reads a component's file.
///
/// # Errors
/// It cannot be read or is longer than any host would take.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, Error> {
    read_file(path, COMPONENT_BYTES_MAX)
}

/// Reads a file that the command line names, at most `bytes_max` bytes of it.
///
/// # Errors
/// It cannot be read or is longer.
pub(crate) fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > bytes_max {
        let path = path.display();
        return Err(Error::Usage(format!(
            "{path}: {length} bytes are more than {bytes_max}"
        )));
    }
    std::fs::read(path).map_err(failed)
}

/// Reads the token that a file holds.
///
/// # Errors
/// The file cannot be read or holds no token.
pub(crate) fn read_token(path: &Path) -> Result<String, Error> {
    let bytes = read_file(path, TOKEN_BYTES_MAX)?;
    let token = String::from_utf8_lossy(&bytes).trim().to_owned();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Usage(format!("{}: holds no token", path.display())));
    }
    Ok(token)
}
