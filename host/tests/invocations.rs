//! Invocations on a host without its gateway: components, transactions, streams, swaps.

mod support;

use leyden::dispatch::types::{Request, RequestHead};
use support::TestHost;

fn request(method: &str, route: &str, body: &str) -> Request {
    Request {
        head: RequestHead {
            method: method.into(),
            route: route.into(),
            path: route.into(),
            headers: vec![("content-type".into(), "application/json".into())],
            ..RequestHead::default()
        },
        body: body.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_answers() {
    let host = TestHost::start().await;
    host.deploy_guest("echo").await;
    let answer = host.call("echo", request("GET", "/echo", ""), None).await.expect("an answer");
    assert_eq!(answer.body, b"Hello, world!");
    let answer = host.call("house", request("POST", "/house/house-editor/add-house", "{\"client_name\":\"Ada\"}"), None).await;
    println!("{answer:?}");
    let r = answer.expect("house");
    println!("{}", String::from_utf8_lossy(&r.body));
    let answer = host.call("client-database", request("GET", "/client-database/client-registry/allHouses", ""), None).await;
    println!("{}", String::from_utf8_lossy(&answer.expect("all").body));
    for _ in 0..3 { println!("{:?}", host.host.streams.tick().await); }
    println!("{:?}", host.host.streams.list().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn speed() {
    let host = std::sync::Arc::new(TestHost::start().await);
    let n: usize = std::env::var("HOUSES").map_or(1000, |v| v.parse().unwrap());
    let t = std::time::Instant::now();
    let mut tasks = Vec::new();
    for k in 0..32 {
        let host = host.clone();
        tasks.push(tokio::spawn(async move {
            for i in 0..n / 32 {
                let mut r = request("POST", "/house/house-editor/add-house", &format!("{{\"client_name\":\"Ada{k}-{i}\"}}"));
                let id = host.call("house", r, None).await.expect("house").body;
                let id = String::from_utf8(id).unwrap();
                r = request("POST", "/house/house-editor/house/{id}/add-object", r#"{"object":{"name":"Mixeur","maxConsumption":500,"enabled":true},"type":"BASIC"}"#);
                r.head.params = vec![("id".into(), id)];
                host.call("house", r, None).await.expect("object");
            }
        }));
    }
    for t in tasks { t.await.unwrap(); }
    println!("{n} houses in {:?}", t.elapsed());
    for _ in 0..5 {
        let t = std::time::Instant::now();
        host.host.streams.tick().await.unwrap();
        let e = t.elapsed();
        println!("tick {e:?} {:.0}/s", n as f64 / e.as_secs_f64());
    }
}
