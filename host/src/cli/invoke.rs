//! `leyden invoke PATH`.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Client, Context, Error};

/// Calls a route and prints status and body.
///
/// Fails with exit code 1 when the status is 400 or more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  leyden invoke /client-database/client-registry/allHouses
  leyden invoke /house/house-editor/add-house --data '{\"client_name\":\"Ada\"}'
  leyden invoke '/client-notifier/client-notifier/get-community-message?4'")]
pub(super) struct Invoke {
    /// The path, with its query if there is one.
    path: String,
    /// The method; POST where there is data, else GET.
    #[arg(long, short = 'X')]
    method: Option<String>,
    /// The body.
    #[arg(long, short = 'd')]
    data: Option<String>,
    /// The body's media type; JSON where the data is JSON, else plain text.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
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
            context.screen.line(&answer.text())?;
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
        let request = client.request(method, &self.path)?;
        let Some(data) = self.data else {
            return Ok(request);
        };
        let is_json = serde_json::from_str::<Value>(&data).is_ok();
        let guess = if is_json {
            "application/json"
        } else {
            "text/plain"
        };
        let content_type = self.content_type.unwrap_or_else(|| guess.to_owned());
        Ok(request.header("content-type", content_type).body(data))
    }
}
