//! Paths on a host that names from outside are part of, lists that come in pages, and who a partner's verb speaks for.
//!
//! **Invariant.** A name stays one segment of a path, whatever it is made of.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Client, Error};
use crate::ids::{ComponentName, PartnerId};

/// Who a verb of a partner speaks for.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Identity {
    /// The partner that you are; your API key is what --token-file holds.
    #[arg(long, env = "LEYDEN_PARTNER", value_name = "ID")]
    partner: Option<String>,
}

impl Identity {
    /// The partner's id.
    ///
    /// # Errors
    /// It is not given or breaks the rule for ids.
    pub(super) fn id(&self) -> Result<PartnerId, Error> {
        let given = self.partner.as_deref().ok_or_else(|| {
            Error::Usage("--partner: say which partner you are, or set LEYDEN_PARTNER".to_owned())
        })?;
        partner_id(given)
    }

    /// The path of what lies below the partner.
    ///
    /// # Errors
    /// See [`Self::id`] and [`join`].
    pub(super) fn path(&self, below: &[&str]) -> Result<String, Error> {
        let id = self.id()?;
        join(&[&["partners", id.as_str()], below].concat())
    }

    /// The path of what lies below one of its plugins.
    ///
    /// # Errors
    /// See [`Self::path`]; or the name breaks the rule for names.
    pub(super) fn plugin(&self, name: &str, below: &[&str]) -> Result<String, Error> {
        let name = plugin_name(name)?;
        self.path(&[&["plugins", name.as_str()], below].concat())
    }
}

/// A partner's id, if it is one.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn partner_id(id: &str) -> Result<PartnerId, Error> {
    PartnerId::parse(id).map_err(|rule| Error::Usage(format!("{id:?}: a partner's id {rule}")))
}

/// A plugin's name, if it is one.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn plugin_name(name: &str) -> Result<ComponentName, Error> {
    let name = ComponentName::parse(name);
    name.map_err(|rule| Error::Usage(format!("a plugin's name {rule}")))
}

/// The path of one component on the admin interface.
///
/// # Errors
/// The name breaks the rule for names.
pub(super) fn component(name: &str) -> Result<String, Error> {
    let name =
        ComponentName::parse(name).map_err(|rule| Error::Usage(format!("{name}: {rule}")))?;
    Ok(format!("/admin/components/{name}"))
}

/// The path with these segments.
///
/// # Errors
/// A segment is `.` or `..`, which no path can hold.
pub(super) fn join(segments: &[&str]) -> Result<String, Error> {
    let mut path = String::new();
    for segment in segments {
        if matches!(*segment, "." | ".." | "") {
            let rule = format!("{segment:?} cannot be part of a path");
            return Err(Error::Usage(rule));
        }
        path.push('/');
        path.push_str(&encoded(segment));
    }
    Ok(path)
}

/// The path with a query.
pub(super) fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    let pairs: Vec<String> = parameters.iter().map(pair).collect();
    if pairs.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", pairs.join("&"))
}

/// What a list of any length holds: asks for page after page, each after what the one before calls `next`. `member`
/// is the list's name in an answer; at most `most` are asked for.
///
/// # Errors
/// The host does not answer or refuses.
pub(super) async fn all_pages(
    client: &Client,
    path: &str,
    query: &[(&str, &str)],
    member: &str,
    most: usize,
) -> Result<Vec<Value>, Error> {
    let mut all: Vec<Value> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let after = next.as_deref().map(|next| ("after", next));
        let query: Vec<_> = query.iter().copied().chain(after).collect();
        let mut page = client.get(&with_query(path, &query)).await?;
        let found = page[member].as_array_mut().map(std::mem::take);
        all.extend(found.unwrap_or_default());
        let following = page["next"].as_str().map(str::to_owned);
        if following.is_none() || following == next || all.len() >= most {
            all.truncate(most);
            return Ok(all);
        }
        next = following;
    }
}

/// Text with everything percent-encoded that is not unreserved (RFC 3986, 2.3).
fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(safe, "%{byte:02X}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_components_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(
            component("house").ok().as_deref(),
            Some("/admin/components/house")
        );
        assert!(component("../clock").is_err());
    }

    fn identity(id: &str) -> Identity {
        Identity {
            partner: Some(id.to_owned()),
        }
    }

    #[test]
    fn a_name_stays_one_segment() {
        for (id, path) in [
            ("acme", "/partners/acme/receipts"),
            (
                "Énergie & Co?#%",
                "/partners/%C3%89nergie%20%26%20Co%3F%23%25/receipts",
            ),
            ("a;b@c:d", "/partners/a%3Bb%40c%3Ad/receipts"),
        ] {
            assert_eq!(identity(id).path(&["receipts"]).ok().as_deref(), Some(path));
        }
        for id in ["", ".", "..", ".a", "a/b", "receipt-key", " a", "a\n"] {
            assert!(identity(id).path(&[]).is_err(), "{id:?}");
        }
    }

    #[test]
    fn a_plugin_is_named_like_any_component() {
        let path = identity("acme").plugin("daily-peaks", &["run"]).ok();
        assert_eq!(
            path.as_deref(),
            Some("/partners/acme/plugins/daily-peaks/run")
        );
        for name in ["", "..", "Daily", "a/b", "1a"] {
            assert!(identity("acme").plugin(name, &[]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn parameters_of_a_query_cannot_become_others() {
        let query = with_query("/x", &[("month", "2026-11&partner=b"), ("after", "é")]);
        assert_eq!(query, "/x?month=2026-11%26partner%3Db&after=%C3%A9");
        assert_eq!(with_query("/x", &[]), "/x");
    }

    #[test]
    fn who_says_not_who_it_is_is_asked() {
        let refused = Identity { partner: None }.id().expect_err("no id");
        assert!(refused.to_string().contains("LEYDEN_PARTNER"), "{refused}");
    }
}
