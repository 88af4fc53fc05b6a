//! Tests of what is traced, and what is noted of it.

use super::*;
use crate::telemetry::{RequestId, Scope};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn tracer(ratio: f64) -> (Arc<Tracer>, mpsc::Receiver<Finished>) {
    let (queue, finished) = mpsc::channel(1);
    let tracer = Tracer::new(ratio, queue, Arc::default());
    (Arc::new(tracer), finished)
}

#[test]
fn parents_are_read_as_the_recommendation_says() {
    let parent = Parent::parse(PARENT).unwrap();
    assert_eq!(parent.to_string(), PARENT);
    assert!(parent.is_sampled);
    let with = |from: &str, to: &str| PARENT.replacen(from, to, 1);
    let unsampled = Parent::parse(&with("-01", "-00")).unwrap();
    assert!(!unsampled.is_sampled);
    assert!(Parent::parse(&with("-01", "-ff")).unwrap().is_sampled);
    assert!(Parent::parse(&with("00-", "01-")).is_some());
    assert!(Parent::parse(&format!("{}-more", with("00-", "cc-"))).is_some());
    for wrong in [
        String::new(),
        "00".to_owned(),
        with("00-", "ff-"),
        with("00-", "0-"),
        format!("{PARENT}-more"),
        format!("{PARENT} "),
        format!("{}x", with("00-", "cc-")),
        with("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
        with("b7ad6b7169203331", &"0".repeat(16)),
        with("0af", "0AF"),
        with("0af", "+af"),
        with("0af", "g"),
        with("b7ad6b7169203331-01", "b7ad6b71692033310-1"),
        "é".repeat(30),
    ] {
        assert_eq!(Parent::parse(&wrong), None, "{wrong}");
    }
}

#[test]
fn the_caller_decides_else_the_ratio() {
    let (always, _first) = tracer(1.0);
    let (never, _second) = tracer(0.0);
    assert!(never.begin(Some(PARENT), None).is_some());
    assert!(
        always
            .begin(Some(&PARENT.replace("-01", "-00")), None)
            .is_none()
    );
    assert!(always.begin(Some("broken"), None).is_some());
    assert!(always.begin(None, None).is_some() && never.begin(None, None).is_none());
    let (half, _third) = tracer(0.5);
    let sampled = (0..1_000).filter(|_| half.begin(None, None).is_some());
    assert!((350..650).contains(&sampled.count()));
}

#[tokio::test]
async fn spans_lie_within_each_other() {
    let (tracer, mut queue) = tracer(0.0);
    let trace = tracer.begin(Some(PARENT), Some("a=b"));
    let id = RequestId::parse(b"r").unwrap();
    let scope = Scope { id, trace };
    let work = async {
        let mut run = span("run");
        run.tell("n", || 7);
        let within = request::current(|scope| scope.trace.as_ref().unwrap().parent());
        drop(span("call"));
        run.ended(&Err::<(), _>("no"));
        drop(run);
        drop(span("commit"));
        within.unwrap()
    };
    let within = scope.clone().run(work).await;
    let trace = scope.trace.unwrap();
    trace.finish("GET /x".to_owned(), Vec::new(), None);
    let finished = queue.recv().await.unwrap();
    assert_eq!(finished.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
    assert_eq!(finished.state.as_deref(), Some("a=b"));
    let named = |name: &str| {
        finished
            .spans
            .iter()
            .find(|span| span.name == name)
            .unwrap()
    };
    let root = named("GET /x");
    assert_eq!(root.parent, Some(0xb7ad_6b71_6920_3331));
    assert_eq!(named("run").parent, Some(root.id));
    assert_eq!(named("call").parent, Some(named("run").id));
    assert_eq!(named("commit").parent, Some(root.id));
    assert_eq!(
        (within.trace, within.span),
        (finished.trace, named("run").id)
    );
    assert_eq!(named("run").told, [("n", Value::Number(7))]);
    assert_eq!(named("run").failed.as_deref(), Some("no"));
    for span in &finished.spans {
        assert!(root.began_ns <= span.began_ns && span.ended_ns <= root.ended_ns);
    }
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let (tracer, mut queue) = tracer(1.0);
    let trace = tracer.begin(None, None);
    let id = RequestId::parse(b"r").unwrap();
    let scope = Scope { id, trace };
    scope.run_now(|| (0..SPANS_MAX + 2).for_each(|_| drop(span("call"))));
    let trace = scope.trace.unwrap();
    trace.finish("one".to_owned(), Vec::new(), None);
    trace.finish("two".to_owned(), Vec::new(), None);
    assert_eq!(queue.recv().await.unwrap().spans.len(), SPANS_MAX + 1);
    // Two of the calls, and the second trace.
    assert_eq!(tracer.counts().dropped.get(), 3);
    drop(span("of no request"));
}
