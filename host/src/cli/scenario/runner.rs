//! Plays a scenario: one action after the other, over HTTP. What an answer means is decided in
//! `call` and `pattern`; here is only the order of things.
//!
//! Invariant: an expectation that is not met, or an action that is refused, is reported and the
//! run goes on; only a host that is gone ends it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use reqwest::Method as HttpMethod;
use serde_json::{Value, json};

use super::action::{Action, Call, Deed, ExpectEvent, ForEach, Ingest, Method, Show};
use super::call::{self, body_value, compared};
use super::fixture;
use super::format::{Deploy, Rollback, Scenario};
use super::journal::{Journal, Telling};
use super::pattern::Mode;
use super::report::{Check, Entry, Report};
use super::text::Text;
use super::variables::Variables;
use super::watch::Watch;
use crate::cli::client::{Answer, Client};
use crate::cli::error::{Error, Problem};
use crate::cli::{ingest, rollback};

/// How long an event that has been published may be on its way: the same as for one that is
/// waited for.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Most actions of a run, loops included: a run beyond it has lost its reader.
const ACTIONS_MAX: usize = 100_000;

/// Where a run finds its files.
pub(crate) struct Folders {
    /// The scenario file's.
    pub(crate) scenario: PathBuf,
    /// The plugins'.
    pub(crate) plugins: PathBuf,
}

/// A run.
pub(crate) struct Runner<'a> {
    scenario: &'a Scenario,
    client: Client,
    folders: Folders,
    journal: Journal,
    variables: Variables,
    watches: BTreeMap<String, Watch>,
    actions: usize,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        scenario: &'a Scenario,
        client: Client,
        folders: Folders,
        telling: Telling,
    ) -> Self {
        Self {
            scenario,
            client,
            folders,
            journal: Journal::new(telling),
            variables: Variables::default(),
            watches: BTreeMap::new(),
            actions: 0,
        }
    }

    /// Plays the scenario.
    ///
    /// # Errors
    /// The host is gone, refuses the fixture, or standard output is closed.
    pub(crate) async fn run(mut self) -> Result<Report, Error> {
        let Scenario {
            title,
            about,
            clock,
            fixture,
            values,
            steps,
            lists: _,
        } = self.scenario;
        let language = self.journal.language();
        let about = about.as_ref().map(|about| about.in_language(language));
        self.journal.begin(title.in_language(language), about)?;
        for (name, value) in values {
            self.variables.capture(name.clone(), value.clone());
        }
        let plugins = &self.folders.plugins;
        fixture::build(&self.client, clock, fixture, plugins, &mut self.variables).await?;
        for (number, step) in steps.iter().enumerate() {
            self.journal
                .step(number, step.title.in_language(language))?;
            self.actions(&step.actions).await?;
        }
        self.journal.end()
    }

    fn actions<'s>(&'s mut self, actions: &'a [Action]) -> LocalBoxFuture<'s, Result<(), Error>>
    where
        'a: 's,
    {
        let run = async move {
            for action in actions {
                self.action(action).await?;
            }
            Ok(())
        };
        run.boxed_local()
    }

    /// An action, once or in a loop.
    async fn action(&mut self, action: &'a Action) -> Result<(), Error> {
        let items: &[Value] = match &action.for_each {
            None => return self.attempt(action).await,
            Some(ForEach::Items(items)) => items,
            Some(ForEach::List(name)) => self.scenario.lists.get(name).map_or(&[], Vec::as_slice),
        };
        for (index, item) in items.iter().enumerate() {
            self.variables.enter(index + 1, item);
            self.attempt(action).await?;
            self.variables.leave();
        }
        Ok(())
    }

    /// An action whose failure is an entry of the report, unless the run cannot go on.
    async fn attempt(&mut self, action: &'a Action) -> Result<(), Error> {
        self.actions += 1;
        if self.actions > ACTIONS_MAX {
            return Err(Error::Host(format!(
                "the run has more than {ACTIONS_MAX} actions"
            )));
        }
        match self.once(action).await {
            Err(fatal @ (Error::Unreachable { .. } | Error::Output(_) | Error::Host(_))) => {
                Err(fatal)
            }
            Err(error) => {
                let name = self.journal.language().action();
                self.journal.check(Check::not_met(
                    name,
                    self.journal.language().done().to_owned(),
                    error.to_string(),
                ))
            }
            Ok(()) => Ok(()),
        }
    }

    async fn once(&mut self, action: &'a Action) -> Result<(), Error> {
        self.say(action.say.as_ref())?;
        match &action.deed {
            Deed::Say => {}
            Deed::Call(method, call) => self.call(action, *method, call).await?,
            Deed::Ingest(ingest) => self.ingest(action, ingest).await?,
            Deed::Tick(ticks) => self.tick(*ticks).await?,
            Deed::Settle => self.settle().await?,
            Deed::Watch(stream) => self.watch(stream).await?,
            Deed::ExpectEvent(expected) => self.expect_event(expected).await?,
            Deed::NoEvent(watched) => self.no_event(&watched.stream).await?,
            Deed::Deploy(component) => self.deploy(component).await?,
            Deed::Rollback(component) => self.roll_back(component).await?,
            Deed::Actions(actions) => self.actions(actions).await?,
        }
        self.say(action.then_say.as_ref())
    }

    async fn call(&mut self, action: &Action, method: Method, call: &Call) -> Result<(), Error> {
        let prepared =
            call::prepare(self.client.base(), method, call, &self.variables).map_err(usage)?;
        let path = prepared.url.path().to_owned();
        let mut request = self.client.request_url(method.http(), prepared.url);
        if let Some((media_type, body)) = prepared.body {
            request = request.header("content-type", media_type).body(body);
        }
        if let Some(key) = prepared.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let answer = self.client.send(request).await?;
        let returned = call::shown_answer(method, call.show, &answer);
        let refused = call.show == Show::Rows && answer.status >= 400;
        let note = refused.then(|| Problem::of(answer.status, &answer.body).to_string());
        self.journal.entry(Entry::Called {
            method: method.name(),
            path,
            service: call.service.clone(),
            route: prepared.route,
            params: prepared.params,
            status: answer.status,
            returned,
            note,
        })?;
        self.judge(action, &answer)
    }

    async fn ingest(&mut self, action: &Action, ingest: &Ingest) -> Result<(), Error> {
        let file = self.folders.scenario.join(&ingest.file);
        let answer = ingest::send(&self.client, &file, None).await?;
        let (service, route) = ingest::ROUTE
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or_default();
        self.journal.entry(Entry::Called {
            method: Method::Post.name(),
            path: ingest::ROUTE.to_owned(),
            service: service.to_owned(),
            route: route.to_owned(),
            params: file_name(&file),
            status: answer.status,
            returned: call::shown_answer(Method::Post, Show::Raw, &answer),
            note: None,
        })?;
        self.judge(action, &answer)
    }

    /// Compares an answer with what is expected and keeps what is captured.
    fn judge(&mut self, action: &Action, answer: &Answer) -> Result<(), Error> {
        let body = body_value(answer).unwrap_or(Value::Null);
        self.variables.capture("answer".to_owned(), body.clone());
        let language = self.journal.language();
        let checks = call::checks(action.expect.as_ref(), answer, &self.variables, language);
        for check in checks.map_err(usage)? {
            self.journal.check(check)?;
        }
        for (name, pointer) in &action.capture {
            let name = self.variables.text(name).map_err(usage)?;
            let missing = || Error::Usage(format!("the answer has no {pointer} for ${{{name}}}"));
            let value = body.pointer(pointer).cloned().ok_or_else(missing)?;
            self.variables.capture(name, value);
        }
        Ok(())
    }

    async fn tick(&mut self, ticks: u64) -> Result<(), Error> {
        let body = json!({ "count": ticks });
        self.client
            .write(HttpMethod::POST, "/admin/clock/tick", &body)
            .await?;
        let clock = self.client.get("/admin/clock").await?;
        let now = clock["now"].as_str().unwrap_or("?").to_owned();
        self.journal.entry(Entry::Ticked { ticks, now })
    }

    async fn settle(&self) -> Result<(), Error> {
        self.client
            .write(HttpMethod::POST, "/admin/settle", &json!({}))
            .await
            .map(drop)
    }

    async fn watch(&mut self, stream: &str) -> Result<(), Error> {
        let stream = self.variables.text(stream).map_err(usage)?;
        let watch = Watch::open(&self.client, stream.clone()).await?;
        self.watches.insert(stream.clone(), watch);
        self.journal.entry(Entry::Watching { stream })
    }

    async fn expect_event(&mut self, expected: &ExpectEvent) -> Result<(), Error> {
        let pattern = expected.event.fill(&self.variables).map_err(usage)?;
        let within = Duration::from_secs(expected.within_seconds.into());
        let language = self.journal.language();
        let Some(payload) = watched(&mut self.watches, &expected.stream)?
            .next(within)
            .await
        else {
            let none = language.no_event().to_owned();
            return self
                .journal
                .check(Check::not_met(language.event(), pattern.to_string(), none));
        };
        let value =
            serde_json::from_str(&payload).unwrap_or_else(|_| Value::String(payload.clone()));
        self.journal.entry(Entry::Event {
            stream: expected.stream.clone(),
            payload,
        })?;
        self.journal.check(compared(
            language.event(),
            &pattern,
            Some(&value),
            Mode::Exact,
        ))
    }

    async fn no_event(&mut self, stream: &str) -> Result<(), Error> {
        let stream = self.variables.text(stream).map_err(usage)?;
        let watch = watched(&mut self.watches, &stream)?;
        let came = watch.pending(&self.client, ARRIVAL_MAX).await?;
        let none = self.journal.language().no_event().to_owned();
        self.journal.check(Check::text(
            &stream,
            none,
            came.is_none(),
            came.unwrap_or_default(),
        ))
    }

    async fn deploy(&mut self, component: &Deploy) -> Result<(), Error> {
        fixture::deploy_alternative(&self.client, component, &self.folders.plugins).await?;
        let Deploy { name, component } = component;
        let (name, component) = (name.to_string(), component.to_string());
        self.journal.entry(Entry::Deployed { name, component })
    }

    async fn roll_back(&mut self, component: &Rollback) -> Result<(), Error> {
        let name = component.name.to_string();
        rollback::send(&self.client, &name, None).await?;
        self.journal.entry(Entry::RolledBack { name })
    }

    fn say(&mut self, text: Option<&Text>) -> Result<(), Error> {
        let Some(text) = text else { return Ok(()) };
        let text = text.in_language(self.journal.language());
        self.journal.say(self.variables.text(text).map_err(usage)?)
    }
}

fn watched<'w>(
    watches: &'w mut BTreeMap<String, Watch>,
    stream: &str,
) -> Result<&'w mut Watch, Error> {
    watches
        .get_mut(stream)
        .ok_or_else(|| Error::Usage(format!("the stream {stream} is not watched")))
}

fn usage(error: impl std::fmt::Display) -> Error {
    Error::Usage(error.to_string())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
