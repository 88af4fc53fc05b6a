//! What an operator and its partners do, over HTTP like everybody: register, credit, sign, upload, run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer as _, SigningKey};
use leyden::ids::Digest;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// The media type of components.
pub const WASM: &str = "application/wasm";

/// An answer: its status and its body, as text and as JSON (null where it is none).
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub text: String,
    pub json: Value,
}

impl Answer {
    /// Sends a request; none: the host did not answer.
    pub async fn of(request: RequestBuilder) -> Option<Self> {
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let bytes = answer.bytes().await.ok()?;
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(Self { status, text, json })
    }

    /// It, if it is a success.
    pub fn expected(self, what: &str) -> Value {
        assert!(
            self.status.is_success(),
            "{what}: {} {}",
            self.status,
            self.text
        );
        self.json
    }
}

/// The operator of a host.
#[derive(Debug, Clone)]
pub struct Operator {
    client: Client,
    url: String,
    token: Option<String>,
}

impl Operator {
    /// Of the host at this address, which has no token.
    pub fn of(url: &str) -> Self {
        Self {
            client: Client::new(),
            url: url.to_owned(),
            token: None,
        }
    }

    /// Of the host at this address, which asks for this token.
    pub fn with_token(url: &str, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::of(url)
        }
    }

    /// A request of the operator.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Reads a document.
    pub async fn get(&self, path: &str) -> Value {
        let answer = Answer::of(self.request(Method::GET, path)).await;
        answer.expect("an answer").expected(path)
    }

    /// Sends a document.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.request(Method::POST, path).json(body);
        Answer::of(request).await.expect("an answer").expected(path)
    }

    /// Registers a partner that can upload.
    pub async fn add(&self, id: &str, trust_level: u32, credit: u64) -> Partner {
        let body = json!({ "id": id, "trustLevel": trust_level, "credit": credit });
        let added = self.post("/admin/partners", &body).await;
        let key = added["key"]["key"].as_str().expect("an API key").to_owned();
        let partner = Partner::new(&self.url, id, key);
        let pem = partner.public_key();
        let body = json!({ "pem": pem });
        self.post(
            &format!("/admin/partners/{}/upload-key", segment(id)),
            &body,
        )
        .await;
        partner
    }

    /// Trusts a partner so far.
    pub async fn trust(&self, id: &str, level: u32) {
        let path = format!("/admin/partners/{}/trust", segment(id));
        self.post(&path, &json!({ "level": level })).await;
    }

    /// Gives a partner datapoints.
    pub async fn credit(&self, id: &str, amount: u64, reference: &str) {
        let path = format!("/admin/partners/{}/credit", segment(id));
        let body = json!({ "amount": amount, "reference": reference });
        self.post(&path, &body).await;
    }
}

/// A partner of a host.
#[derive(Debug, Clone)]
pub struct Partner {
    client: Client,
    url: String,
    pub id: String,
    pub key: String,
    signing: SigningKey,
}

impl Partner {
    fn new(url: &str, id: &str, key: String) -> Self {
        Self {
            client: Client::new(),
            url: url.to_owned(),
            id: id.to_owned(),
            key,
            // A key for every name: a proof has no use for secrets.
            signing: SigningKey::from_bytes(&sha256(id.as_bytes())),
        }
    }

    /// The same partner at another address of its installation.
    pub fn at(&self, url: &str) -> Self {
        let url = url.to_owned();
        Self {
            url,
            ..self.clone()
        }
    }

    /// The key that its uploads are checked with.
    pub fn public_key(&self) -> String {
        let key = self.signing.verifying_key();
        key.to_public_key_pem(LineEnding::LF).expect("a key")
    }

    /// A request with its API key, below its own path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_to(&self.id, method, path)
    }

    /// A request with its API key, below the path of any partner.
    pub fn request_to(&self, partner: &str, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/partners/{}{path}", self.url, segment(partner));
        self.client.request(method, url).bearer_auth(&self.key)
    }

    /// A request without a key, below the partner's own path.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/partners/{}{path}", self.url, segment(&self.id));
        self.client.request(method, url)
    }

    /// A read of any path, without a key.
    pub fn absolute(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// The signature of an upload.
    pub fn sign(&self, bytes: &[u8], name: &str, version: &str) -> String {
        let digest = Digest::of(bytes);
        let text = format!(
            "leyden-upload-v1\n{digest}\n{}\n{name}\n{version}\n",
            self.id
        );
        STANDARD.encode(self.signing.sign(text.as_bytes()).to_bytes())
    }

    /// Uploads a plugin; none: the host did not answer.
    pub async fn upload(&self, name: &str, bytes: Vec<u8>) -> Option<Answer> {
        let signature = self.sign(&bytes, name, "1");
        let request = self
            .request(Method::PUT, &format!("/plugins/{name}"))
            .header("content-type", WASM)
            .header("leyden-version", "1")
            .header("leyden-signature", signature)
            .body(bytes);
        Answer::of(request).await
    }

    /// Runs a plugin under a key; none: the host did not answer.
    pub async fn run(&self, name: &str, body: Vec<u8>, key: Option<&str>) -> Option<Answer> {
        let mut request = self
            .request(Method::POST, &format!("/plugins/{name}/run"))
            .header("content-type", "application/json")
            .body(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::of(request).await
    }

    /// What it holds, trusts and pays, as the host tells it.
    pub async fn info(&self) -> Value {
        let answer = Answer::of(self.request(Method::GET, "")).await;
        answer
            .expect("an answer")
            .expected("the partner's own page")
    }
}

/// One segment of a path, with everything escaped that is not plain.
pub fn segment(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => (byte as char).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    <sha2::Sha256 as sha2::Digest>::digest(bytes).into()
}
