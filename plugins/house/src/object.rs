//! An object of a house: what it is, what it draws at an instant, how its slots change. Pure.

/// Slots kept per object; the oldest that ended go first. Each shedding adds one.
pub(crate) const SLOTS_MAX: usize = 16;

/// How long a slot that ended is kept: ticks that are handled late still need it (ms).
pub(crate) const ENDED_SLOT_KEPT_MS: u64 = 86_400_000;

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: f64 = 3_600_000.0;

/// Milliwatts of a watt.
pub(crate) const WATT_MW: f64 = 1_000.0;

/// Something that is plugged in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    /// Its name, unique in its house.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Draws or produces its maximum while it is enabled.
    Basic {
        /// Whether it runs.
        enabled: bool,
        /// Power drawn, mW.
        consumption_mw: u64,
        /// Power produced, mW.
        production_mw: u64,
    },
    /// Draws inside its slots only.
    Scheduled {
        /// Power drawn at most, mW.
        consumption_mw: u64,
        /// How long it has to run to be charged, ms.
        charge_ms: u64,
        /// When it runs, by start.
        slots: Vec<Slot>,
    },
}

/// When a scheduled object runs: `[starts_at_ms, ends_at_ms)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Start, ms since 1970.
    pub starts_at_ms: u64,
    /// End, ms since 1970, after the start.
    pub ends_at_ms: u64,
    /// Power while it runs, mW.
    pub power_mw: u64,
}

/// Power of one object or of a whole house at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Power {
    /// Drawn, mW.
    pub consumption_mw: u64,
    /// Produced, mW.
    pub production_mw: u64,
}

impl Object {
    /// What it draws and produces at an instant (ms since 1970).
    pub(crate) fn power_at(&self, at_ms: u64) -> Power {
        match &self.kind {
            Kind::Basic { enabled: false, .. } => Power::default(),
            Kind::Basic {
                consumption_mw,
                production_mw,
                ..
            } => Power {
                consumption_mw: *consumption_mw,
                production_mw: *production_mw,
            },
            Kind::Scheduled {
                consumption_mw,
                slots,
                ..
            } => {
                let running = slots.iter().filter(|slot| slot.contains(at_ms));
                let planned_mw = running.map(|slot| slot.power_mw).max().unwrap_or(0);
                Power {
                    consumption_mw: planned_mw.min(*consumption_mw),
                    production_mw: 0,
                }
            }
        }
    }

    /// What it adds to its community's base load, mW: only what is not planned.
    pub(crate) fn base_load_mw(&self) -> u64 {
        match self.kind {
            Kind::Basic {
                enabled: true,
                consumption_mw,
                ..
            } => consumption_mw,
            Kind::Basic { .. } | Kind::Scheduled { .. } => 0,
        }
    }

    /// Whether it produces when it runs.
    pub(crate) fn is_producer(&self) -> bool {
        matches!(self.kind, Kind::Basic { production_mw, .. } if production_mw > 0)
    }
}

impl Slot {
    /// Whether the instant lies in it.
    pub(crate) fn contains(&self, at_ms: u64) -> bool {
        (self.starts_at_ms..self.ends_at_ms).contains(&at_ms)
    }
}

/// The first slot that has not ended.
pub(crate) fn open_slot(slots: &[Slot], now_ms: u64) -> Option<Slot> {
    slots.iter().copied().find(|slot| slot.ends_at_ms > now_ms)
}

/// Adds a slot in its place and drops what is not needed any more.
pub(crate) fn add_slot(slots: &mut Vec<Slot>, slot: Slot, now_ms: u64) {
    slots.retain(|old| old.ends_at_ms.saturating_add(ENDED_SLOT_KEPT_MS) > now_ms);
    let at = slots.partition_point(|old| old.starts_at_ms <= slot.starts_at_ms);
    slots.insert(at, slot);
    while slots.len() > SLOTS_MAX {
        slots.remove(0);
    }
}

/// Ends the slot that runs at an instant; nothing is left of one that would have begun only then.
pub(crate) fn stop(slots: &mut Vec<Slot>, at_ms: u64) {
    for slot in slots.iter_mut().filter(|slot| slot.contains(at_ms)) {
        slot.ends_at_ms = at_ms;
    }
    slots.retain(|slot| slot.starts_at_ms < slot.ends_at_ms);
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
