//! One host with a token serves every test here; each deals with partners of its own.

mod access;
mod accounts;
mod audit;
mod keys;
mod plugins;
mod records;
mod shared;
mod uploader;
mod uploads;

use std::sync::OnceLock;

use leyden::gateway::Token;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::built;
use crate::web::{Answer, Web, send};

/// The operator's token.
const TOKEN: &str = "the-operators-own-token";

/// The common host, asked as its operator unless said otherwise.
async fn common() -> &'static Web {
    static COMMON: OnceLock<Web> = OnceLock::new();
    static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = STARTING.lock().await;
    if COMMON.get().is_none() {
        let token = Token::parse(TOKEN).expect("a token");
        let mut web = Web::start(&built("plugins"), |options| options.token = Some(token)).await;
        web.token = Some(TOKEN);
        assert!(COMMON.set(web).is_ok(), "started once");
    }
    COMMON.get().expect("a host")
}

/// An id as a segment of a path: everything but letters and digits of ASCII is encoded.
fn segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    id.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// Registers a partner; the answer.
async fn add(web: &Web, id: &str, trust_level: u32, credit: u64) -> Answer {
    let body = json!({ "id": id, "trustLevel": trust_level, "credit": credit });
    web.post("/admin/partners", body.to_string()).await
}

/// Registers a partner; its key.
async fn partner(web: &Web, id: &str, trust_level: u32) -> String {
    let added = add(web, id, trust_level, 0).await;
    assert_eq!(added.status, 201, "{added:?}");
    text(&added.json()["key"]["key"])
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// Asks with a partner's key.
async fn ask(web: &Web, key: &str, method: Method, path: &str) -> Answer {
    send(web.request_as(Some(key), method, path)).await
}

/// Reads with a partner's key.
async fn get(web: &Web, key: &str, path: &str) -> Answer {
    ask(web, key, Method::GET, path).await
}
