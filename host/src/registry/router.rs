//! From method and path to a component's route. Pure; made anew with every generation.
//!
//! Templates are matched on the path as it came, so that an encoded `/` inside a parameter does not
//! cut it in two; parameters are decoded afterwards. A segment that is written out wins over a
//! parameter. One slash at the end is forgiven where the path would match nothing otherwise.
//!
//! **Invariant.** A path belongs to one component only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::manifest::{Method, RouteSpec};
use crate::ids::ComponentName;
use crate::percent;

/// What answers one path.
struct Node {
    component: ComponentName,
    routes: Vec<Arc<RouteSpec>>,
}

/// All routes of one generation.
#[derive(Default)]
pub struct Router {
    tree: matchit::Router<Node>,
}

/// A component's route that a request leads to.
pub struct Matched<'r> {
    /// Who answers.
    pub component: &'r ComponentName,
    /// The route.
    pub route: &'r Arc<RouteSpec>,
    /// Parameters in the template's order, decoded.
    pub params: Vec<(String, String)>,
}

/// Why a request leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No component answers this path.
    #[error("no route leads there")]
    NotFound,
    /// The path is answered, but not with this method.
    #[error("this path answers {allow}")]
    MethodNotAllowed {
        /// The methods it answers, as in the header `Allow`.
        allow: String,
    },
    /// A parameter is not percent-encoded UTF-8.
    #[error("the path's {0} is not percent-encoded UTF-8")]
    Encoding(String),
}

/// Two routes that both claim some path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route {path} of {component} meets route {other_path} of {owner}")]
pub struct Conflict {
    /// Who comes second.
    pub component: ComponentName,
    /// Its route.
    pub path: String,
    /// Who comes first.
    pub owner: ComponentName,
    /// Its route.
    pub other_path: String,
}

impl Router {
    /// Takes all routes together.
    ///
    /// # Errors
    /// The first two routes that cannot stand side by side.
    pub fn new<'a>(
        specs: impl IntoIterator<Item = (ComponentName, &'a RouteSpec)>,
    ) -> Result<Self, Box<Conflict>> {
        let mut nodes = BTreeMap::new();
        for (component, spec) in specs {
            add(&mut nodes, component, spec)?;
        }
        let owners: BTreeMap<String, ComponentName> = nodes
            .iter()
            .map(|(path, node)| (path.clone(), node.component.clone()))
            .collect();
        let mut tree = matchit::Router::new();
        for (path, node) in nodes {
            let component = node.component.clone();
            let inserted = tree.insert(&path, node);
            inserted.map_err(|error| Box::new(conflict(&owners, component, path, &error)))?;
        }
        Ok(Self { tree })
    }

    /// Finds the route of a request. `method` is as HTTP writes it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn route(&self, method: &str, path: &str) -> Result<Matched<'_>, RouteError> {
        let forgiven = |path: &'_ str| path.strip_suffix('/').map(str::len);
        let found = self.tree.at(path).or_else(|error| match forgiven(path) {
            Some(length) => self.tree.at(&path[..length]),
            None => Err(error),
        });
        let found = found.map_err(|_| RouteError::NotFound)?;
        let route = pick(found.value, method)?;
        let mut params = Vec::with_capacity(found.params.len());
        for (name, value) in found.params.iter() {
            let value =
                percent::text(value).ok_or_else(|| RouteError::Encoding(name.to_owned()))?;
            params.push((name.to_owned(), value));
        }
        Ok(Matched {
            component: &found.value.component,
            route,
            params,
        })
    }
}

/// Adds a route to its path, which may answer other methods already.
fn add(
    nodes: &mut BTreeMap<String, Node>,
    component: ComponentName,
    spec: &RouteSpec,
) -> Result<(), Box<Conflict>> {
    let fresh = || Node {
        component: component.clone(),
        routes: Vec::new(),
    };
    let node = nodes.entry(spec.path.clone()).or_insert_with(fresh);
    let taken = |method: &Method| {
        node.routes
            .iter()
            .any(|route| route.methods.contains(method))
    };
    if node.component != component || spec.methods.iter().any(taken) {
        let (owner, path) = (node.component.clone(), spec.path.clone());
        return Err(Box::new(Conflict {
            component,
            path: path.clone(),
            owner,
            other_path: path,
        }));
    }
    node.routes.push(Arc::new(spec.clone()));
    Ok(())
}

/// Who a route meets. Where the tree cannot say, it is itself.
fn conflict(
    owners: &BTreeMap<String, ComponentName>,
    component: ComponentName,
    path: String,
    error: &matchit::InsertError,
) -> Conflict {
    let other_path = match error {
        matchit::InsertError::Conflict { with } => with.clone(),
        _ => path.clone(),
    };
    let owner = owners.get(&other_path).unwrap_or(&component).clone();
    Conflict {
        component,
        path,
        owner,
        other_path,
    }
}

/// The route of a path that answers a method; `HEAD` is answered as `GET` is.
fn pick<'n>(node: &'n Node, method: &str) -> Result<&'n Arc<RouteSpec>, RouteError> {
    let wanted = Method::parse(if method == "HEAD" { "GET" } else { method });
    let answers = |route: &&Arc<RouteSpec>| {
        route.any_method || wanted.is_some_and(|wanted| route.methods.contains(&wanted))
    };
    node.routes
        .iter()
        .find(answers)
        .ok_or_else(|| RouteError::MethodNotAllowed { allow: allow(node) })
}

/// The header `Allow` of a path.
fn allow(node: &Node) -> String {
    let mut methods: Vec<Method> = node
        .routes
        .iter()
        .flat_map(|route| route.methods.iter().copied())
        .collect();
    methods.sort();
    let mut names: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
    if methods.first() == Some(&Method::Get) {
        names.insert(1, "HEAD");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(path: &str, methods: &[Method]) -> RouteSpec {
        RouteSpec {
            path: path.to_owned(),
            methods: methods.to_vec(),
            any_method: false,
            rows: false,
            body_limit_bytes: 1,
            audited: false,
        }
    }

    fn router(specs: &[(&str, &str, &[Method])]) -> Result<Router, Box<Conflict>> {
        let specs: Vec<(ComponentName, RouteSpec)> = specs
            .iter()
            .map(|(name, path, methods)| (ComponentName::parse(name).unwrap(), spec(path, methods)))
            .collect();
        Router::new(specs.iter().map(|(name, spec)| (name.clone(), spec)))
    }

    /// Who answers, with which template and parameters.
    fn answer(router: &Router, method: &str, path: &str) -> Result<String, RouteError> {
        router.route(method, path).map(|matched| {
            let params: Vec<String> = matched
                .params
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!(
                "{} {} {}",
                matched.component,
                matched.route.path,
                params.join(",")
            )
        })
    }

    use Method::{Get, Post};

    #[test]
    fn finds_routes_and_decodes_parameters() {
        let router = router(&[
            ("house", "/house/{id}/add", &[Post]),
            ("house", "/house/{id}/all", &[Get, Post]),
            ("echo", "/echo/{*rest}", &[Get]),
        ])
        .unwrap();
        assert_eq!(
            answer(&router, "POST", "/house/a%2Fb/add").unwrap(),
            "house /house/{id}/add id=a/b"
        );
        assert_eq!(
            answer(&router, "GET", "/house/V%C3%A9lo/all").unwrap(),
            "house /house/{id}/all id=Vélo"
        );
        assert_eq!(
            answer(&router, "HEAD", "/house/1/all").unwrap(),
            "house /house/{id}/all id=1"
        );
        assert_eq!(
            answer(&router, "GET", "/echo/a/b").unwrap(),
            "echo /echo/{*rest} rest=a/b"
        );
    }

    #[test]
    fn says_why_nothing_answers() {
        let router = router(&[("a", "/a/{x}", &[Post]), ("a", "/b", &[Post, Get])]).unwrap();
        for path in ["/", "/c", "/a", "/a/", "/a//", "/a/1/2", "*", ""] {
            assert_eq!(
                answer(&router, "POST", path),
                Err(RouteError::NotFound),
                "{path}"
            );
        }
        let allow = |allow: &str| {
            Err(RouteError::MethodNotAllowed {
                allow: allow.to_owned(),
            })
        };
        assert_eq!(answer(&router, "GET", "/a/1"), allow("POST"));
        assert_eq!(answer(&router, "BREW", "/b"), allow("GET, HEAD, POST"));
        for broken in ["/a/%", "/a/%4", "/a/%zz", "/a/%ff"] {
            assert_eq!(
                answer(&router, "POST", broken),
                Err(RouteError::Encoding("x".to_owned())),
                "{broken}"
            );
        }
    }

    #[test]
    fn one_slash_at_the_end_is_forgiven() {
        let router = router(&[("a", "/a/b", &[Get]), ("a", "/a/c/{x}", &[Get])]).unwrap();
        assert_eq!(answer(&router, "GET", "/a/b/").unwrap(), "a /a/b ");
        assert_eq!(answer(&router, "GET", "/a/c/1/").unwrap(), "a /a/c/{x} x=1");
        assert_eq!(answer(&router, "GET", "/a/b//"), Err(RouteError::NotFound));
    }

    #[test]
    fn one_path_can_answer_methods_by_different_routes_of_one_component() {
        let router = router(&[("a", "/a", &[Get]), ("a", "/a", &[Post])]).unwrap();
        assert!(answer(&router, "GET", "/a").is_ok() && answer(&router, "POST", "/a").is_ok());
    }

    #[test]
    fn a_route_without_methods_answers_every_one_and_shares_its_path_with_none() {
        let name = ComponentName::parse("a").unwrap();
        let mut any = spec("/a", &Method::ALL);
        any.any_method = true;
        let only_get = spec("/a", &[Get]);
        let router = Router::new([(name.clone(), &any)]).unwrap();
        for method in ["GET", "HEAD", "PROPFIND", "get"] {
            assert!(answer(&router, method, "/a").is_ok(), "{method}");
        }
        assert!(Router::new([(name.clone(), &any), (name, &only_get)]).is_err());
    }

    #[test]
    fn conflicts_name_both_owners() {
        let conflict = |specs: &[(&str, &str, &[Method])]| router(specs).err().unwrap().to_string();
        assert_eq!(
            conflict(&[("a", "/x", &[Get]), ("b", "/x", &[Post])]),
            "route /x of b meets route /x of a"
        );
        assert_eq!(
            conflict(&[("a", "/x", &[Get]), ("a", "/x", &[Get])]),
            "route /x of a meets route /x of a"
        );
        let text = conflict(&[("a", "/x/{p}", &[Get]), ("b", "/x/{q}", &[Get])]);
        assert_eq!(text, "route /x/{q} of b meets route /x/{p} of a");
        let text = conflict(&[("a", "/x/{p}/y", &[Get]), ("b", "/x/{*q}", &[Get])]);
        assert!(text.contains(" of a") && text.contains(" of b"), "{text}");
    }

    #[test]
    fn written_out_segments_win_over_parameters() {
        let router = router(&[("a", "/x/{p}", &[Get]), ("b", "/x/y", &[Get])]).unwrap();
        assert_eq!(answer(&router, "GET", "/x/y").unwrap(), "b /x/y ");
        assert_eq!(answer(&router, "GET", "/x/z").unwrap(), "a /x/{p} p=z");
    }
}
