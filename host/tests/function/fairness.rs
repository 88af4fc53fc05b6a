//! A function that is flooded leaves room for the others.

use std::time::{Duration, Instant};

use super::{Web, deploy, host, run};
use crate::web::Answer;

/// Keeps so many requests to a path under way until dropped.
struct Flood(Vec<tokio::task::JoinHandle<()>>);

impl Flood {
    fn of(web: &Web, requests: usize, path: &str) -> Self {
        let url = format!("http://{}{path}", web.server.address());
        let keep_on = |url: String| {
            let client = web.client.clone();
            tokio::spawn(async move {
                while let Ok(answer) = client.get(&url).send().await {
                    drop(answer.bytes().await);
                }
            })
        };
        Self((0..requests).map(|_| keep_on(url.clone())).collect())
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The time that each of so many requests takes, in order.
async fn times(web: &Web, requests: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..requests {
        let begun = Instant::now();
        let Answer { status, body, .. } = web.get("/fn/quiet/hello").await;
        assert_eq!((status, &*body), (200, "Hello, world!"));
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times
}

const LOUD: &str = "[limits]\nconcurrency = 1000\nqueue = 2000\ndeadline-ms = 30000\n";

#[test]
fn one_that_holds_many_places_leaves_some() {
    run(async {
        let web = host().await;
        deploy(&web, "loud", LOUD).await;
        deploy(&web, "quiet", "").await;
        let _flood = Flood::of(&web, 600, "/fn/loud/sleep?3000");
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let times = times(&web, 20).await;
        assert!(times[19] < Duration::from_millis(1_500), "{times:?}");
    });
}

#[test]
fn one_that_computes_for_long_leaves_the_processors() {
    run(async {
        let web = host().await;
        deploy(&web, "loud", LOUD).await;
        deploy(&web, "quiet", "").await;
        let _flood = Flood::of(&web, 150, "/fn/loud/spin?2000");
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let times = times(&web, 40).await;
        // Each of 150 runs has some 5 ms before it lets others compute: taking turns with all of them would take more
        // than a third of a second.
        assert!(times[20] < Duration::from_millis(100), "{times:?}");
    });
}
