//! Parameters of a run on the command line.

use std::path::Path;

use serde_json::{Value, json};

use super::super::client::read_file;
use super::Error;

/// Longest file of parameters, bytes; the host's own bound is lower and its word counts.
const PARAMS_BYTES_MAX: u64 = 1024 * 1024;

/// What a run is given.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Params {
    /// Parameters, a JSON document, or @FILE with one.
    #[arg(long, value_name = "JSON")]
    params: Option<String>,
}

impl Params {
    /// The parameters, if there are any.
    ///
    /// # Errors
    /// The file cannot be read, or the text is no JSON.
    pub(super) fn value(&self) -> Result<Option<Value>, Error> {
        let Some(given) = &self.params else {
            return Ok(None);
        };
        let text = match given.strip_prefix('@') {
            Some(file) => read_file(Path::new(file), PARAMS_BYTES_MAX)?,
            None => given.clone().into_bytes(),
        };
        let value = serde_json::from_slice(&text);
        let value =
            value.map_err(|error| Error::Usage(format!("--params: must be JSON: {error}")))?;
        Ok(Some(value))
    }

    /// The body of a request, with them if there are any.
    ///
    /// # Errors
    /// See [`Self::value`].
    pub(super) fn body(&self) -> Result<Value, Error> {
        Ok(match self.value()? {
            Some(params) => json!({ "params": params }),
            None => json!({}),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(given: Option<&str>) -> Option<Value> {
        let params = given.map(str::to_owned);
        Params { params }.body().ok()
    }

    #[test]
    fn parameters_come_from_the_line_or_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"community": 4}"#).unwrap();
        let expected = Some(json!({ "params": { "community": 4 } }));
        assert_eq!(body(Some(r#"{"community": 4}"#)), expected);
        assert_eq!(body(Some(&format!("@{}", file.path().display()))), expected);
        assert_eq!(body(None), Some(json!({})));
        assert_eq!(body(Some("{")), None);
        assert_eq!(body(Some("@no such file")), None);
    }
}
