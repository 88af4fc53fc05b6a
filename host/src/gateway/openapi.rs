//! The description of the interface for partners and of the operator's part of it, as OpenAPI 3.1.
//! Written by hand in `openapi.json`; a test compares it with the routes that there are.

use axum::response::Response;

use super::admin::json_response;
use super::problem::Problem;

/// The document.
const DOCUMENT: &str = include_str!("openapi.json");

/// Answers with the document, to everybody.
pub(super) async fn show() -> Result<Response, Problem> {
    Ok(json_response(DOCUMENT.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value};

    use super::DOCUMENT;
    use crate::gateway::partners;
    use crate::operators::audit::Change;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).expect("JSON")
    }

    fn object(value: &Value) -> &Map<String, Value> {
        value
            .as_object()
            .unwrap_or_else(|| panic!("no object: {value}"))
    }

    /// Every operation: method, path, and what is said of it.
    fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
        let paths = object(&document["paths"]).iter();
        let of_path = |(path, item)| {
            let methods = object(item).iter();
            methods.map(move |(method, operation)| (method.as_str(), path, operation))
        };
        paths
            .map(|(path, item)| (path.as_str(), item))
            .flat_map(of_path)
            .collect()
    }

    #[test]
    fn every_route_is_described_and_every_described_route_is_there() {
        let document = document();
        let described = operations(&document).into_iter();
        let mut described: BTreeSet<_> =
            described.map(|(method, path, _)| (method, path)).collect();
        assert!(described.remove(&("get", "/openapi.json")));
        let routes = partners::routes();
        let there: BTreeSet<_> = routes.listed().iter().copied().collect();
        assert_eq!(
            there.len(),
            routes.listed().len(),
            "a route is listed twice"
        );
        let missing: Vec<_> = there.difference(&described).collect();
        assert!(missing.is_empty(), "not described: {missing:?}");
        let extra: Vec<_> = described.difference(&there).collect();
        assert!(extra.is_empty(), "described, and not there: {extra:?}");
    }

    /// Follows a reference inside the document.
    fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        let place = reference.strip_prefix('#').expect("inside the document");
        let found = document.pointer(place);
        found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    fn check_references(document: &Value, value: &Value) {
        resolved(document, value);
        match value {
            Value::Object(members) => members.values().for_each(|v| check_references(document, v)),
            Value::Array(items) => items.iter().for_each(|v| check_references(document, v)),
            _ => {}
        }
    }

    #[test]
    fn the_audit_tells_of_every_change() {
        let document = document();
        let schema = &document["components"]["schemas"]["AuditEntry"]["properties"]["change"];
        let described = schema["enum"].as_array().expect("a list").iter();
        let described: BTreeSet<_> = described.filter_map(Value::as_str).collect();
        // Where it meets none of them, serde names them all, between backticks.
        let refused = serde_json::from_value::<Change>("?".into()).expect_err("none of them");
        let refused = refused.to_string();
        let there: BTreeSet<_> = refused.split('`').skip(3).step_by(2).collect();
        assert!(
            there.contains("deploy") && there.contains("call"),
            "{refused}"
        );
        assert_eq!(described, there);
    }

    /// Names between braces, in order.
    fn template(path: &str) -> Vec<&str> {
        let parts = path.split('{').skip(1);
        parts.filter_map(|part| part.split('}').next()).collect()
    }

    #[test]
    fn the_document_is_sound() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
        check_references(&document, &document);
        let schemes = object(&document["components"]["securitySchemes"]);
        let mut ids = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            let what = format!("{method} {path}");
            let id = operation["operationId"].as_str().expect(&what);
            assert!(ids.insert(id.to_owned()), "{what}: {id} is taken");
            assert!(operation["summary"].is_string(), "{what}");
            for requirement in operation["security"].as_array().expect(&what) {
                let known = object(requirement)
                    .keys()
                    .all(|name| schemes.contains_key(name));
                assert!(known, "{what}: {requirement}");
            }
            check_parameters(&document, path, operation);
            check_responses(&document, &what, operation);
        }
    }

    fn check_parameters(document: &Value, path: &str, operation: &Value) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| resolved(document, parameter));
        let in_path = parameters.filter(|parameter| parameter["in"] == "path");
        let named: Vec<_> = in_path
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert_eq!(named, template(path), "{path}");
    }

    fn check_responses(document: &Value, what: &str, operation: &Value) {
        let responses = object(&operation["responses"]);
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{what}"
        );
        for (status, response) in responses {
            let response = resolved(document, response);
            assert!(response["description"].is_string(), "{what} {status}");
            let problem = !response["content"]["application/problem+json"].is_null();
            assert_eq!(problem, status.starts_with(['4', '5']), "{what} {status}");
        }
    }
}
