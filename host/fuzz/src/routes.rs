//! Routes of chance, and what answers requests by them: the router against a plain reading of its rules.

use leyden::ids::ComponentName;
use leyden::registry::manifest::{Manifest, RouteSpec};
use leyden::registry::router::{RouteError, Router};

/// Most lines that are read: more only make it slow.
const LINES_MAX: usize = 64;

/// Takes routes together and asks for paths. Each line is `+COMPONENT PATH METHOD…` (a route, with every method where none is
/// named) or `METHOD PATH` (a request). Routes stand side by side or are refused; a request leads to a route whose template
/// it fits and which answers its method, and to none only if there is none. Whether something was found.
///
/// # Panics
/// The host would do wrong.
#[must_use]
pub fn router(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let lines = || text.lines().take(LINES_MAX);
    let specs: Vec<(ComponentName, RouteSpec)> = lines().filter_map(route).collect();
    let router = Router::new(specs.iter().map(|(name, spec)| (name.clone(), spec)));
    let router = match router {
        Ok(router) => router,
        Err(conflict) => {
            let named = |name, path: &str| specs.iter().any(|(n, s)| n == name && s.path == *path);
            assert!(named(&conflict.component, &conflict.path), "{conflict}");
            return false;
        }
    };
    let requests = lines().filter(|line| !line.starts_with('+'));
    let requests = requests.filter_map(|line| line.split_once(' '));
    // Every one of them is asked.
    requests.fold(false, |found, (method, path)| {
        ask(&router, &specs, method, path) || found
    })
}

/// The route of a line, if it is one that manifests may name.
fn route(line: &str) -> Option<(ComponentName, RouteSpec)> {
    let mut words = line.strip_prefix('+')?.split(' ');
    let name = ComponentName::parse(words.next()?).ok()?;
    let path = format!("path = {:?}", words.next()?);
    let methods: Vec<&str> = words.collect();
    let methods = match methods.is_empty() {
        true => String::new(),
        false => format!("methods = {methods:?}"),
    };
    let manifest = Manifest::parse(&format!("[[routes]]\n{path}\n{methods}\n")).ok()?;
    Some((name, manifest.routes.into_iter().next()?))
}

fn ask(router: &Router, specs: &[(ComponentName, RouteSpec)], method: &str, path: &str) -> bool {
    let fitting = |path: &str| -> Vec<&(ComponentName, RouteSpec)> {
        let fits = |spec: &&(ComponentName, RouteSpec)| fits(&spec.1.path, path);
        specs.iter().filter(fits).collect()
    };
    let mut fit = fitting(path);
    if fit.is_empty() {
        // One slash at the end is forgiven.
        fit = path.strip_suffix('/').map(fitting).unwrap_or_default();
    }
    match router.route(method, path) {
        Ok(matched) => {
            let is_it = |(name, spec): &&(ComponentName, RouteSpec)| {
                name == matched.component && spec == matched.route.as_ref()
            };
            assert!(fit.iter().any(is_it), "{path}");
            let asked = if method == "HEAD" { "GET" } else { method };
            let named = |one: &leyden::registry::manifest::Method| one.as_str() == asked;
            let answers = matched.route.any_method || matched.route.methods.iter().any(named);
            assert!(answers, "{method} {path}");
            let parameters = matched.route.path.matches('{').count();
            assert_eq!(matched.params.len(), parameters, "{path}");
            true
        }
        Err(RouteError::NotFound) => {
            assert!(fit.is_empty(), "{path} fits {}", fit[0].1.path);
            false
        }
        Err(_) => {
            assert!(!fit.is_empty(), "{path}");
            true
        }
    }
}

/// Whether a path fits a template, segment by segment.
fn fits(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in template.split('/') {
        let Some(segment) = segments.next() else {
            return false;
        };
        if wanted.starts_with("{*") {
            return !segment.is_empty() || segments.next().is_some();
        }
        let is_parameter = wanted.starts_with('{');
        if (is_parameter && segment.is_empty()) || (!is_parameter && segment != wanted) {
            return false;
        }
    }
    segments.next().is_none()
}
