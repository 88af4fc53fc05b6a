//! A partner's plugins: uploading, listing, going back, removing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::admin::{members, reply, to_the_end};
use super::super::principal::{Named, NamedPlugin, Somebody};
use super::super::problem::{Kind, Problem};
use super::super::{Gateway, headers};
use super::Routes;
use crate::ids::{ComponentName, Instant, Invalid};
use crate::partners::plugins::{Plugin, Version};
use crate::partners::signature::{self, PluginVersion};
use crate::partners::uploads::{SIGNATURE_HEADER, Upload, VERSION_HEADER};
use crate::runtime::inspect::UPLOAD_BYTES_MAX;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Gateway>>;

/// Longest time for a whole upload: the longest component over a slow line.
const UPLOAD_MAX: Duration = Duration::from_secs(300);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/partners/{id}/plugins", list)
        .put("/partners/{id}/plugins/{name}", upload)
        .get("/partners/{id}/plugins/{name}", show)
        .delete("/partners/{id}/plugins/{name}", remove)
        .get("/partners/{id}/plugins/{name}/versions", versions)
        .post("/partners/{id}/plugins/{name}/rollback", roll_back)
}

/// Takes a new version of a plugin. Once its bytes are here an upload runs to its end, even if its sender goes
/// away.
async fn upload(
    Somebody(by): Somebody,
    State(gateway): Shared,
    plugin: NamedPlugin,
    request: Request,
) -> Answer {
    headers::wasm(request.headers())?;
    headers::no_encoding(request.headers())?;
    let version = header(request.headers(), VERSION_HEADER, PluginVersion::parse)?;
    let signature = header(request.headers(), SIGNATURE_HEADER, signature::parse)?;
    let uploads = gateway.host.uploads.clone();
    let place = uploads.place(&plugin.partner).await?;
    let mut body = request.into_body();
    let held = gateway
        .bodies
        .read(&mut body, UPLOAD_BYTES_MAX, UPLOAD_MAX)
        .await?;
    let name = plugin.name.clone();
    let upload = Upload {
        name,
        version,
        signature,
        bytes: held.bytes,
    };
    let accepted = to_the_end(&gateway, async move {
        let _share = held.share;
        uploads.accept(&by, &place, upload).await
    });
    let kept = accepted.await??;
    let mut value = version_value(&kept.version, true);
    value["name"] = json!(plugin.name.as_str());
    value["previous"] = json!(kept.previous.map(|previous| previous.digest));
    let mut response = reply(&value)?;
    if kept.new {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

/// A header that has to come once.
fn header<T>(
    headers: &HeaderMap,
    name: &str,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<T, Problem> {
    let refused = |rule: &str| Problem::field(Kind::Malformed, name, rule);
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refused("must come once"));
    };
    let text = value
        .to_str()
        .map_err(|_| refused("must be visible ASCII characters"))?;
    parse(text).map_err(|rule| refused(rule.0))
}

/// A partner's plugins by name.
async fn list(State(gateway): Shared, Named(partner): Named) -> Answer {
    let plugins = gateway.host.uploads.plugins(&partner).await?;
    let plugin = |(name, plugin): &(ComponentName, Plugin)| plugin_value(name, plugin);
    let plugins: Vec<Value> = plugins.iter().map(plugin).collect();
    reply(&json!({ "plugins": plugins }))
}

/// One plugin.
async fn show(State(gateway): Shared, named: NamedPlugin) -> Answer {
    let plugin = gateway
        .host
        .uploads
        .plugin(&named.partner, &named.name)
        .await?;
    reply(&plugin_value(&named.name, &plugin))
}

/// The versions of a plugin that are kept, the newest first.
async fn versions(State(gateway): Shared, named: NamedPlugin) -> Answer {
    let plugin = gateway
        .host
        .uploads
        .plugin(&named.partner, &named.name)
        .await?;
    let version = |version: &Version| version_value(version, version.digest == plugin.active);
    let versions: Vec<Value> = plugin.versions.iter().map(version).collect();
    reply(&json!({ "versions": versions }))
}

/// Makes an earlier version the active one.
async fn roll_back(
    Somebody(by): Somebody,
    State(gateway): Shared,
    named: NamedPlugin,
    request: Request,
) -> Answer {
    let members = members(&gateway, request, &["to"]).await?;
    let to = members.text("to")?;
    let rolled = gateway
        .host
        .uploads
        .roll_back(&by, &named.partner, &named.name, to)
        .await?;
    let mut value = version_value(&rolled.version, true);
    value["name"] = json!(named.name.as_str());
    value["previous"] = json!(rolled.previous.digest);
    reply(&value)
}

/// Removes a plugin. What it did stays in the receipts.
async fn remove(Somebody(by): Somebody, State(gateway): Shared, named: NamedPlugin) -> Answer {
    let removed = gateway
        .host
        .uploads
        .remove(&by, &named.partner, &named.name)
        .await?;
    reply(&json!({ "name": named.name.as_str(), "versionsRemoved": removed }))
}

/// A plugin in an answer, its active version in full.
fn plugin_value(name: &ComponentName, plugin: &Plugin) -> Value {
    let active = plugin.active_version();
    json!({
        "name": name.as_str(),
        "active": active.map(|active| version_value(active, true)),
        "versions": plugin.versions.len(),
    })
}

/// A version in an answer.
fn version_value(version: &Version, active: bool) -> Value {
    json!({
        "digest": version.digest,
        "version": version.version,
        "active": active,
        "sizeBytes": version.size_bytes,
        "datasets": version.datasets,
        "uploadedAt": Instant(version.uploaded_at_ms).to_string(),
        "signature": version.signature,
        "signedBy": version.signed_by,
    })
}
