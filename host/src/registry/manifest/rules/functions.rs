//! Rules of what only functions have, of what not every kind of component has, and of how a project is built.

use std::collections::BTreeMap;

use toml::Spanned;

use super::super::kinds::{Mention, Part};
use super::super::{
    ENV_VALUE_BYTES_MAX, Error, OUTBOUND_HOSTS_MAX, OutboundHost, REUSE_AGE_S_DEFAULT,
    REUSE_AGE_S_MAX, REUSE_COUNT_DEFAULT, REUSE_COUNT_MAX, Reuse, VARIABLES_MAX,
};
use super::shape::{BuildTable, File, ReuseTable};
use super::{Build, Checker};
use crate::ids::VariableName;

/// Longest path of a component, and of what is watched (bytes).
const PATH_BYTES_MAX: usize = 512;
/// Longest build command (bytes): a line; more belongs in a script.
const COMMAND_BYTES_MAX: usize = 4 * 1024;
/// Most paths that are watched.
const WATCHED_MAX: usize = 32;

/// Variables by name.
type Variables = BTreeMap<VariableName, String>;

impl Checker<'_> {
    pub(super) fn reuse(
        &self,
        table: Option<&Spanned<ReuseTable>>,
    ) -> Result<Option<Reuse>, Error> {
        let Some(table) = table.map(Spanned::get_ref) else {
            return Ok(None);
        };
        let (count, age) = (table.count.as_ref(), table.age_s.as_ref());
        let count = self.number("reuse.count", count, REUSE_COUNT_DEFAULT, REUSE_COUNT_MAX)?;
        Ok(Some(Reuse {
            count: count as u32,
            age_s: self.number("reuse.age-s", age, REUSE_AGE_S_DEFAULT, REUSE_AGE_S_MAX)?,
        }))
    }

    pub(super) fn env(
        &self,
        table: &BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> Result<Variables, Error> {
        let mut variables = Variables::new();
        for (name, value) in table {
            let key = format!("env.{}", name.get_ref());
            if variables.len() >= VARIABLES_MAX {
                let rule = format!("at most {VARIABLES_MAX} variables are taken");
                return Err(self.error(&key, name, rule));
            }
            let variable = self.variable(&key, name)?;
            let text = value.get_ref();
            if text.len() > ENV_VALUE_BYTES_MAX || text.contains('\0') {
                let rule = format!("must have at most {ENV_VALUE_BYTES_MAX} bytes, none of them 0");
                return Err(self.error(&key, value, rule));
            }
            variables.insert(variable, text.clone());
        }
        Ok(variables)
    }

    pub(super) fn secrets(
        &self,
        names: &[Spanned<String>],
        env: &Variables,
    ) -> Result<Vec<VariableName>, Error> {
        let mut secrets = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let key = format!("secrets[{index}]");
            if index >= VARIABLES_MAX {
                let rule = format!("at most {VARIABLES_MAX} secrets are taken");
                return Err(self.error(&key, name, rule));
            }
            let secret = self.variable(&key, name)?;
            if secrets.contains(&secret) {
                return Err(self.error(&key, name, "is named twice"));
            }
            if env.contains_key(&secret) {
                return Err(self.error(&key, name, "is a variable of [env], too"));
            }
            secrets.push(secret);
        }
        Ok(secrets)
    }

    fn variable(&self, key: &str, name: &Spanned<String>) -> Result<VariableName, Error> {
        VariableName::parse(name.get_ref()).map_err(|rule| self.error(key, name, rule.0))
    }

    pub(super) fn outbound(&self, names: &[Spanned<String>]) -> Result<Vec<OutboundHost>, Error> {
        let mut hosts = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let key = format!("outbound.hosts[{index}]");
            if index >= OUTBOUND_HOSTS_MAX {
                let rule = format!("at most {OUTBOUND_HOSTS_MAX} hosts are taken");
                return Err(self.error(&key, name, rule));
            }
            let host = OutboundHost::parse(name.get_ref());
            let host = host.map_err(|rule| self.error(&key, name, rule))?;
            if hosts.contains(&host) {
                return Err(self.error(&key, name, "is named twice"));
            }
            hosts.push(host);
        }
        Ok(hosts)
    }

    /// All that the text names that not every kind of component has.
    pub(super) fn mentions(&self, file: &File) -> Vec<Mention> {
        let mut mentions = self.mentioned_by_routes(&file.routes);
        let mut first = |part, key: &str, values: &[Spanned<String>]| {
            mentions.extend(
                values
                    .first()
                    .map(|v| self.mention(part, key.to_owned(), v)),
            );
        };
        first(Part::Streams, "streams.subscribe", &file.streams.subscribe);
        first(Part::Streams, "streams.publish", &file.streams.publish);
        first(Part::Secrets, "secrets", &file.secrets);
        first(Part::Outbound, "outbound.hosts", &file.outbound.hosts);
        let env = file.env.keys().next();
        mentions.extend(env.map(|name| self.mention(Part::Env, "env".to_owned(), name)));
        let reuse = file.reuse.as_ref();
        mentions.extend(reuse.map(|table| self.mention(Part::Reuse, "reuse".to_owned(), table)));
        mentions.extend(self.granted(file));
        mentions.extend(self.limited(file));
        mentions
    }

    fn granted(&self, file: &File) -> impl Iterator<Item = Mention> {
        let grants = &file.grants;
        let grants = [
            (Part::Ledger, "ledger", &grants.ledger),
            (Part::Partners, "partners", &grants.partners),
            (Part::KeyValue, "keyvalue", &grants.keyvalue),
        ];
        grants.into_iter().filter_map(|(part, name, grant)| {
            let given = grant.as_ref().filter(|grant| *grant.get_ref())?;
            Some(self.mention(part, format!("grants.{name}"), given))
        })
    }

    fn limited(&self, file: &File) -> impl Iterator<Item = Mention> {
        let limits = &file.limits;
        let limits = [
            (Part::Batch, "batch", &limits.batch),
            (Part::Queue, "queue", &limits.queue),
            (
                Part::Bodies,
                "request-body-bytes",
                &limits.request_body_bytes,
            ),
            (
                Part::Bodies,
                "response-body-bytes",
                &limits.response_body_bytes,
            ),
        ];
        limits.into_iter().filter_map(|(part, name, limit)| {
            let given = limit.as_ref()?;
            Some(self.mention(part, format!("limits.{name}"), given))
        })
    }

    pub(super) fn component(
        &self,
        path: Option<&Spanned<String>>,
    ) -> Result<Option<String>, Error> {
        path.map(|path| self.path("component", path)).transpose()
    }

    pub(super) fn build(
        &self,
        table: Option<&Spanned<BuildTable>>,
    ) -> Result<Option<Build>, Error> {
        let Some(table) = table.map(Spanned::get_ref) else {
            return Ok(None);
        };
        let command = table.command.get_ref();
        let is_line = !command.trim().is_empty() && !command.contains('\0');
        if !is_line || command.len() > COMMAND_BYTES_MAX {
            let rule = format!("must be a command of at most {COMMAND_BYTES_MAX} bytes");
            return Err(self.error("build.command", &table.command, rule));
        }
        let mut watch = Vec::with_capacity(table.watch.len());
        for (index, path) in table.watch.iter().enumerate() {
            let key = format!("build.watch[{index}]");
            if index >= WATCHED_MAX {
                let rule = format!("at most {WATCHED_MAX} paths are taken");
                return Err(self.error(&key, path, rule));
            }
            watch.push(self.path(&key, path)?);
        }
        let command = command.clone();
        Ok(Some(Build { command, watch }))
    }

    /// A path in the project's folder.
    fn path(&self, key: &str, path: &Spanned<String>) -> Result<String, Error> {
        let text = path.get_ref();
        let is_path = (1..=PATH_BYTES_MAX).contains(&text.len()) && !text.contains('\0');
        match is_path {
            true => Ok(text.clone()),
            false => {
                let rule = format!("must be a path of 1 to {PATH_BYTES_MAX} bytes");
                Err(self.error(key, path, rule))
            }
        }
    }
}
