//! A partner that uploads, and what it uploads.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use leyden::ids::{ComponentName, Digest, PartnerId};
use leyden::partners::signature::{PluginVersion, signed_text};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{ask, get, partner, segment};
use crate::plugin::{self, Import};
use crate::web::{Answer, Web, send};

/// A partner that signs what it uploads.
pub(super) struct Uploader {
    pub(super) id: &'static str,
    pub(super) key: String,
    pub(super) pair: SigningKey,
}

impl Uploader {
    pub(super) async fn new(web: &Web, id: &'static str, trust_level: u32) -> Self {
        let key = partner(web, id, trust_level).await;
        let pair = SigningKey::from_bytes(Digest::of(id.as_bytes()).bytes());
        let pem = STANDARD.encode(pair.verifying_key().to_bytes());
        let path = format!("/admin/partners/{}/upload-key", segment(id));
        let set = web.post(&path, json!({ "pem": pem }).to_string()).await;
        assert_eq!(set.status, 200, "{set:?}");
        Self { id, key, pair }
    }

    pub(super) fn path(&self, below: &str) -> String {
        format!("/partners/{}/plugins{below}", segment(self.id))
    }

    pub(super) fn sign(&self, partner: &str, name: &str, version: &str, bytes: &[u8]) -> String {
        let text = signed_text(
            &Digest::of(bytes),
            &PartnerId::parse(partner).unwrap(),
            &ComponentName::parse(name).unwrap(),
            &PluginVersion::parse(version).unwrap(),
        );
        STANDARD.encode(self.pair.sign(text.as_bytes()).to_bytes())
    }

    /// An upload without version and signature.
    pub(super) fn bare(&self, web: &Web, name: &str) -> RequestBuilder {
        let request = web.request_as(
            Some(&self.key),
            Method::PUT,
            &self.path(&format!("/{name}")),
        );
        request.header("content-type", "application/wasm")
    }

    /// A signed upload, not sent yet.
    pub(super) fn signed(
        &self,
        web: &Web,
        name: &str,
        version: &str,
        bytes: &[u8],
    ) -> RequestBuilder {
        self.bare(web, name)
            .header("leyden-version", version)
            .header("leyden-signature", self.sign(self.id, name, version, bytes))
            .body(bytes.to_vec())
    }

    pub(super) async fn upload(
        &self,
        web: &Web,
        name: &str,
        version: &str,
        bytes: &[u8],
    ) -> Answer {
        send(self.signed(web, name, version, bytes)).await
    }

    pub(super) async fn get(&self, web: &Web, below: &str) -> Answer {
        get(web, &self.key, &self.path(below)).await
    }

    pub(super) async fn roll_back(&self, web: &Web, name: &str, body: &str) -> Answer {
        let path = self.path(&format!("/{name}/rollback"));
        let request = web.request_as(Some(&self.key), Method::POST, &path);
        send(request.body(body.to_owned())).await
    }

    pub(super) async fn delete(&self, web: &Web, name: &str) -> Answer {
        ask(
            web,
            &self.key,
            Method::DELETE,
            &self.path(&format!("/{name}")),
        )
        .await
    }
}

/// A plugin that imports every dataset.
pub(super) fn component() -> &'static [u8] {
    static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let datasets = [Import::Global, Import::Production, Import::Detailed];
        plugin::report("nothing").with(&datasets).build()
    });
    &COMPONENT
}

/// It with a custom section, so that it is another version.
pub(super) fn variant(number: u8) -> Vec<u8> {
    // Section 0 of 3 bytes: a name of 1 byte, `v`, and the number.
    [component(), &[0, 3, 1, b'v', number]].concat()
}

/// What identifies a variant.
pub(super) fn digest(number: u8) -> String {
    Digest::of(&variant(number)).to_string()
}
