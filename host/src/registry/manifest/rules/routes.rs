//! Rules of `[[routes]]`.

use toml::Spanned;

use super::super::kinds::{Mention, Part};
use super::super::{BODY_BYTES_DEFAULT, BODY_BYTES_MAX, Error, Method, RESERVED, RouteSpec};
use super::Checker;
use super::shape::Route;

/// Most routes of one component: all of them are looked at when any component is activated.
const ROUTES_MAX: usize = 256;
/// Longest template (bytes): it travels with every request.
const PATH_BYTES_MAX: usize = 256;
/// Most parameters of a template.
const PARAMS_MAX: usize = 8;
/// Longest parameter name (bytes).
const PARAM_NAME_BYTES_MAX: usize = 64;

impl Checker<'_> {
    pub(super) fn routes(&self, tables: &[Spanned<Route>]) -> Result<Vec<RouteSpec>, Error> {
        let mut routes = Vec::with_capacity(tables.len());
        for (index, table) in tables.iter().enumerate() {
            let key = format!("routes[{index}]");
            if index >= ROUTES_MAX {
                let rule = format!("at most {ROUTES_MAX} routes are taken");
                return Err(self.error(&key, table, rule));
            }
            routes.push(self.route(&key, table.get_ref())?);
        }
        Ok(routes)
    }

    fn route(&self, key: &str, table: &Route) -> Result<RouteSpec, Error> {
        let path = check_path(table.path.get_ref());
        path.map_err(|rule| self.error(&format!("{key}.path"), &table.path, rule))?;
        let methods = match &table.methods {
            Some(names) => self.methods(&format!("{key}.methods"), names)?,
            None => Method::ALL.to_vec(),
        };
        let rows = table.rows.as_ref().is_some_and(|rows| *rows.get_ref());
        if rows {
            self.check_rows(key, table, &methods)?;
        }
        let limit_key = format!("{key}.body-limit-bytes");
        let limit = table.body_limit_bytes.as_ref();
        Ok(RouteSpec {
            path: table.path.get_ref().clone(),
            methods,
            any_method: table.methods.is_none(),
            rows,
            body_limit_bytes: self.number(&limit_key, limit, BODY_BYTES_DEFAULT, BODY_BYTES_MAX)?
                as usize,
            audited: table
                .audited
                .as_ref()
                .is_some_and(|audited| *audited.get_ref()),
        })
    }

    /// What routes name that not every kind of component has.
    pub(super) fn mentioned_by_routes(&self, tables: &[Spanned<Route>]) -> Vec<Mention> {
        let mut mentions = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            let route = table.get_ref();
            if let Some(rows) = route.rows.as_ref().filter(|rows| *rows.get_ref()) {
                mentions.push(self.mention(Part::Rows, format!("routes[{index}].rows"), rows));
            }
            if let Some(audited) = route.audited.as_ref().filter(|audited| *audited.get_ref()) {
                let key = format!("routes[{index}].audited");
                mentions.push(self.mention(Part::Audited, key, audited));
            }
            if let Some(limit) = &route.body_limit_bytes {
                let key = format!("routes[{index}].body-limit-bytes");
                mentions.push(self.mention(Part::RouteBody, key, limit));
            }
        }
        mentions
    }

    /// Rules of a route whose body is taken in row by row.
    fn check_rows(&self, key: &str, table: &Route, methods: &[Method]) -> Result<(), Error> {
        if let Some(limit) = &table.body_limit_bytes {
            let rule = "does not go with rows = true, which takes bodies of any length";
            return Err(self.error(&format!("{key}.body-limit-bytes"), limit, rule));
        }
        if let Some(audited) = &table.audited {
            let rule = "does not go with rows = true, whose bodies are too long to be told";
            return Err(self.error(&format!("{key}.audited"), audited, rule));
        }
        let writes = |method: &Method| matches!(method, Method::Post | Method::Put | Method::Patch);
        if methods.iter().all(writes) {
            return Ok(());
        }
        let rule = "a route with rows = true answers POST, PUT and PATCH only";
        Err(match &table.methods {
            Some(names) => self.error(&format!("{key}.methods"), names, rule),
            None => self.error(
                &format!("{key}.path"),
                &table.path,
                format!("{rule}: name them"),
            ),
        })
    }

    fn methods(
        &self,
        key: &str,
        names: &Spanned<Vec<Spanned<String>>>,
    ) -> Result<Vec<Method>, Error> {
        if names.get_ref().is_empty() {
            return Err(self.error(key, names, "must name at least one method"));
        }
        let mut methods = Vec::new();
        for name in names.get_ref() {
            let method = Method::parse(name.get_ref());
            let method =
                method.ok_or_else(|| self.error(key, name, method_rule(name.get_ref())))?;
            if methods.contains(&method) {
                return Err(self.error(key, name, format!("names {method} twice")));
            }
            methods.push(method);
        }
        Ok(methods)
    }
}

/// What is wrong with a method's name.
fn method_rule(name: &str) -> &'static str {
    match name {
        "HEAD" => "HEAD comes with GET and is not named",
        _ => "must be of GET, POST, PUT, PATCH, DELETE and OPTIONS, in upper case",
    }
}

/// Checks a template.
fn check_path(path: &str) -> Result<(), String> {
    if path.len() > PATH_BYTES_MAX {
        return Err(format!("must have at most {PATH_BYTES_MAX} bytes"));
    }
    let segments: Vec<&str> = path
        .strip_prefix('/')
        .ok_or("must begin with '/'")?
        .split('/')
        .collect();
    let first = segments.first().copied().unwrap_or_default();
    if RESERVED.contains(&first) {
        return Err(format!("/{first} is the host's own"));
    }
    if first.contains(['{', '}']) {
        return Err("the first segment must be written out".to_owned());
    }
    let mut params = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        check_segment(segment, index + 1 == segments.len(), &mut params)?;
    }
    Ok(())
}

/// Checks one segment of a template and notes its parameter.
fn check_segment<'a>(
    segment: &'a str,
    last: bool,
    params: &mut Vec<&'a str>,
) -> Result<(), String> {
    let Some(inner) = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return check_static(segment);
    };
    let name = inner.strip_prefix('*').unwrap_or(inner);
    if inner.starts_with('*') && !last {
        return Err(format!(
            "{{*{name}}} takes the rest and must be the last segment"
        ));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > PARAM_NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err("a parameter's name must be 1 to 64 of a-z, A-Z, 0-9, '-' and '_'".to_owned());
    }
    if params.contains(&name) {
        return Err(format!("names the parameter {name} twice"));
    }
    if params.len() >= PARAMS_MAX {
        return Err(format!("must have at most {PARAMS_MAX} parameters"));
    }
    params.push(name);
    Ok(())
}

/// Checks a segment that is written out.
fn check_static(segment: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@!$'(),;=+&".contains(&byte);
    match segment {
        "" => Err("must have no empty segment".to_owned()),
        "." | ".." => Err("must have no segment '.' or '..'".to_owned()),
        _ if segment.bytes().all(plain) => Ok(()),
        _ => Err(format!(
            "the segment '{segment}' must be a whole parameter or plain URL characters"
        )),
    }
}
