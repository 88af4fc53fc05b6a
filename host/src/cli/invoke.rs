//! `leyden invoke PATH|FUNCTION`.

use http::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Client, Context, Error};
use crate::ids::ComponentName;

/// Calls a route, or a function by its name, and prints status and body.
///
/// Fails with exit code 1 when the status is 400 or more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden invoke hello --data '{\"name\":\"Ada\"}'
  leyden invoke hello --path '/greetings?lang=sv' --method GET --header 'accept: text/plain'
  leyden invoke /client-database/client-registry/allHouses
  leyden invoke /house/house-editor/add-house --data '{\"client_name\":\"Ada\"}'
  leyden invoke '/client-notifier/client-notifier/get-community-message?4'")]
pub(super) struct Invoke {
    /// The path, with its query if there is one; or a function's name, which stands for /fn/NAME.
    #[arg(value_name = "PATH|FUNCTION")]
    target: String,
    /// With a function's name, the path below it, with its query if there is one.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The method; POST where there is data, else GET.
    #[arg(long, short = 'X')]
    method: Option<String>,
    /// The body.
    #[arg(long, short = 'd')]
    data: Option<String>,
    /// The body's media type; JSON where the data is JSON, else plain text.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A header, as `name: value`; given again for each.
    #[arg(long, short = 'H', value_name = "HEADER")]
    header: Vec<String>,
}

impl Invoke {
    pub(super) async fn run(self, context: &Context) -> Result<(), Error> {
        let client = context.client()?;
        let answer = client.send(self.request(&client)?).await?;
        if context.global.json {
            let body = answer
                .json()
                .unwrap_or_else(|_| Value::String(answer.text()));
            context
                .screen
                .line(&json!({ "status": answer.status, "body": body }).to_string())?;
        } else if answer.status < 400 {
            context
                .screen
                .error_line(&context.screen.dim(&format!("HTTP {}", answer.status)));
            let text = answer.text();
            context
                .screen
                .line(text.strip_suffix('\n').unwrap_or(&text))?;
        }
        answer.accepted().map(drop)
    }

    fn request(self, client: &Client) -> Result<RequestBuilder, Error> {
        let default = if self.data.is_some() { "POST" } else { "GET" };
        let method = self
            .method
            .as_deref()
            .unwrap_or(default)
            .to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Error::Usage(format!("--method: {method} is no HTTP method")))?;
        let mut request = client.request(method, &self.whole_path()?)?;
        for header in &self.header {
            let (name, value) = header_of(header)?;
            request = request.header(name, value);
        }
        let Some(data) = self.data else {
            return Ok(request);
        };
        let is_json = serde_json::from_str::<Value>(&data).is_ok();
        let guess = if is_json {
            "application/json"
        } else {
            "text/plain"
        };
        let given = self.header.iter().any(|header| is_content_type(header));
        if let (true, None) = (given, &self.content_type) {
            return Ok(request.body(data));
        }
        let content_type = self.content_type.unwrap_or_else(|| guess.to_owned());
        Ok(request.header("content-type", content_type).body(data))
    }

    /// The path on the host.
    fn whole_path(&self) -> Result<String, Error> {
        if self.target.starts_with('/') {
            return match self.path {
                None => Ok(self.target.clone()),
                Some(_) => Err(Error::Usage(
                    "--path: goes with a function's name".to_owned(),
                )),
            };
        }
        let name = ComponentName::parse(&self.target)
            .map_err(|rule| Error::Usage(format!("{}: {rule}", self.target)))?;
        let below = self.path.as_deref().unwrap_or_default();
        match below.is_empty() || below.starts_with(['/', '?']) {
            true => Ok(format!("/fn/{name}{below}")),
            false => Ok(format!("/fn/{name}/{below}")),
        }
    }
}

/// Name and value of a header.
fn header_of(text: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let rule = || Error::Usage(format!("--header: {text} is not `name: value`"));
    let (name, value) = text.split_once(':').ok_or_else(rule)?;
    let name = name.trim().parse().map_err(|_| rule())?;
    let value = value.trim().parse().map_err(|_| rule())?;
    Ok((name, value))
}

fn is_content_type(header: &str) -> bool {
    let name = header.split(':').next().unwrap_or_default();
    name.trim().eq_ignore_ascii_case("content-type")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoke(target: &str, path: Option<&str>) -> Invoke {
        Invoke {
            target: target.to_owned(),
            path: path.map(str::to_owned),
            method: None,
            data: Some("{}".to_owned()),
            content_type: None,
            header: Vec::new(),
        }
    }

    #[test]
    fn a_name_stands_for_its_path() {
        for (target, path, whole) in [
            ("hello", None, "/fn/hello"),
            ("hello", Some("/a?b"), "/fn/hello/a?b"),
            ("hello", Some("a"), "/fn/hello/a"),
            ("hello", Some("?b"), "/fn/hello?b"),
            ("/hello", None, "/hello"),
        ] {
            assert_eq!(
                invoke(target, path).whole_path().ok().as_deref(),
                Some(whole)
            );
        }
        assert!(invoke("/hello", Some("/a")).whole_path().is_err());
        assert!(invoke("../x", None).whole_path().is_err());
    }

    #[test]
    fn headers_are_read_and_their_content_type_wins_over_a_guess() {
        let client = Client::new("http://127.0.0.1:1", None, None).expect("a client");
        let mut told = invoke("hello", None);
        told.header = vec!["Content-Type: text/csv".to_owned(), "x-a:b".to_owned()];
        let request = told.request(&client).expect("a request");
        let request = request.build().expect("a request");
        assert_eq!(request.headers()["content-type"], "text/csv");
        assert_eq!(request.headers()["x-a"], "b");
        let guessed = invoke("hello", None)
            .request(&client)
            .expect("a request")
            .build()
            .expect("a request");
        assert_eq!(guessed.headers()["content-type"], "application/json");
        for header in ["x", "a b: c", "a: b\u{1}"] {
            assert!(header_of(header).is_err(), "{header}");
        }
    }
}
