//! Setting, removing and showing triggers: each a small transaction, of which what changes something has its entry in the audit.

use super::super::accounts::registered;
use super::super::{Error, Operation, Partner, plugins};
use super::record::{self, Key, On, Shown, State, Trigger};
use super::{LISTENING_MAX, TRIGGERS_MAX, Wanted, WantedOn};
use crate::dispatch::work::Work;
use crate::ids::{ComponentName, PartnerId, StreamName};
use crate::operators::audit::{self, By, Change, Entry};

/// Sets a trigger.
pub(super) struct Put<'a> {
    pub(super) by: &'a By,
    pub(super) key: &'a Key,
    pub(super) wanted: &'a Wanted,
}

impl Operation for Put<'_> {
    type Done = Shown;

    async fn apply(&self, work: &mut Work) -> Result<Shown, Error> {
        let Key {
            partner,
            plugin,
            name,
        } = self.key;
        let registered = check_plugin(work, partner, plugin).await?;
        let others = record::of_plugin(work, partner, plugin).await?;
        let former = others.iter().find(|(key, _)| key == self.key);
        if others.len() - usize::from(former.is_some()) >= TRIGGERS_MAX {
            let why = format!("a plugin has {TRIGGERS_MAX} triggers at most: remove another first");
            return Err(Error::Conflict(why));
        }
        let on = match &self.wanted.on {
            WantedOn::Schedule(cron) => On::Schedule {
                cron: cron.to_string(),
            },
            WantedOn::Stream(stream) => self.listening(work, &registered, stream).await?,
        };
        let trigger = Trigger {
            on,
            params: self.wanted.params.clone(),
            max_spend: self.wanted.max_spend,
            changed_at_ms: work.now().0,
        };
        record::change(work, self.key, Some(&trigger)).await?;
        let (from, to) = (former.map(|(_, former)| former), Some(&trigger));
        entry(self.by, Change::SetTrigger, self.key, from, to).enter(work)?;
        Ok(Shown {
            name: name.clone(),
            trigger,
            state: State::default(),
        })
    }
}

impl Put<'_> {
    async fn listening(
        &self,
        work: &mut Work,
        partner: &Partner,
        stream: &StreamName,
    ) -> Result<On, Error> {
        let level = record::level_of(stream.as_str()).ok_or_else(|| {
            let rule = format!("must be one of {}", record::streams());
            Error::invalid("stream", rule)
        })?;
        if partner.trust_level < level {
            let detail = format!("stream: listening to {stream} needs trust level {level}");
            return Err(Error::Forbidden {
                detail,
                errors: Vec::new(),
            });
        }
        let slot = self.free_slot(work).await?;
        Ok(On::Stream {
            stream: stream.to_string(),
            slot,
        })
    }

    /// The slot of the trigger that is replaced, or else the lowest that none of the partner's has.
    async fn free_slot(&self, work: &mut Work) -> Result<u8, Error> {
        let all = record::of_partner(work, &self.key.partner).await?;
        let slot = |trigger: &Trigger| match trigger.on {
            On::Stream { slot, .. } => Some(slot),
            On::Schedule { .. } => None,
        };
        let others = all.iter().filter(|(key, _)| key != self.key);
        let taken: Vec<u8> = others.filter_map(|(_, trigger)| slot(trigger)).collect();
        let slots = 0..u8::try_from(LISTENING_MAX).unwrap_or(u8::MAX);
        let mut free = slots.filter(|slot| !taken.contains(slot));
        free.next().ok_or_else(|| {
            let why = format!("a partner has {LISTENING_MAX} triggers on streams at most");
            Error::Conflict(why)
        })
    }
}

/// The partner, who has to have the plugin.
async fn check_plugin(
    work: &mut Work,
    partner: &PartnerId,
    plugin: &ComponentName,
) -> Result<Partner, Error> {
    let registered = registered(work, partner).await?;
    let found = plugins::find(work, partner, plugin).await?;
    found.ok_or_else(|| Error::UnknownPlugin(partner.clone(), plugin.clone()))?;
    Ok(registered)
}

/// What the audit says of a trigger that is set or removed.
fn entry(by: &By, change: Change, of: &Key, from: Option<&Trigger>, to: Option<&Trigger>) -> Entry {
    let told = |trigger: Option<&Trigger>| trigger.map(ToString::to_string);
    Entry::of(by, change, &audit::plugin(&of.partner, &of.plugin))
        .with(told(from), told(to))
        .because(Some(format!("trigger {}", of.name)))
}

/// Removes a trigger.
pub(super) struct Remove<'a> {
    pub(super) by: &'a By,
    pub(super) key: &'a Key,
}

impl Operation for Remove<'_> {
    type Done = ();

    async fn apply(&self, work: &mut Work) -> Result<(), Error> {
        check_plugin(work, &self.key.partner, &self.key.plugin).await?;
        let former = found(work, self.key).await?;
        record::change(work, self.key, None).await?;
        let entry = entry(
            self.by,
            Change::RemoveTrigger,
            self.key,
            Some(&former),
            None,
        );
        Ok(entry.enter(work)?)
    }
}

async fn found(work: &mut Work, key: &Key) -> Result<Trigger, Error> {
    let trigger = record::find(work, key).await?;
    trigger.ok_or_else(|| Error::Unknown {
        field: "trigger",
        rule: "the plugin has no trigger of this name".into(),
    })
}

/// One trigger.
pub(super) struct Look<'a> {
    pub(super) key: &'a Key,
}

impl Operation for Look<'_> {
    type Done = Shown;

    async fn apply(&self, work: &mut Work) -> Result<Shown, Error> {
        check_plugin(work, &self.key.partner, &self.key.plugin).await?;
        let trigger = found(work, self.key).await?;
        shown(work, self.key, trigger).await
    }
}

async fn shown(work: &mut Work, key: &Key, trigger: Trigger) -> Result<Shown, Error> {
    Ok(Shown {
        name: key.name.clone(),
        trigger,
        state: record::state(work, key).await?,
    })
}

/// All triggers of a plugin.
pub(super) struct List<'a> {
    pub(super) partner: &'a PartnerId,
    pub(super) plugin: &'a ComponentName,
}

impl Operation for List<'_> {
    type Done = Vec<Shown>;

    async fn apply(&self, work: &mut Work) -> Result<Self::Done, Error> {
        check_plugin(work, self.partner, self.plugin).await?;
        let mut all = Vec::new();
        for (key, trigger) in record::of_plugin(work, self.partner, self.plugin).await? {
            all.push(shown(work, &key, trigger).await?);
        }
        Ok(all)
    }
}
