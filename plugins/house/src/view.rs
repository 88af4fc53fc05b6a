//! How objects and slots look in answers: the members of the transcript, in its order. Pure.

use crate::object::{HOUR_MS, Kind, Object, Slot, WATT_MW};
use leyden_sdk::number::Number;
use leyden_sdk::time::format_ms;
use serde::Serialize;

/// An object in JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum ObjectView<'a> {
    /// One that runs while it is enabled.
    #[serde(rename_all = "camelCase")]
    Basic {
        name: &'a str,
        /// `true` or `false` as text: callers of the transcript's system read it so.
        enabled: String,
        max_consumption: Number,
        max_production: Number,
        #[serde(rename = "_isConsumptionObject")]
        is_consumption_object: bool,
        #[serde(rename = "_isProductionObject")]
        is_production_object: bool,
    },
    /// One that runs in its slots.
    #[serde(rename_all = "camelCase")]
    Scheduled {
        name: &'a str,
        /// Hours.
        time_charge_need: Number,
        time_slot: SlotsView,
        max_consumption: Number,
    },
}

/// The slots of an object in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlotsView {
    time_slots: Vec<SlotView>,
}

/// A slot in JSON.
#[derive(Serialize)]
pub(crate) struct SlotView {
    start: String,
    end: String,
    /// Watts, only where the slot runs below the object's maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    power: Option<Number>,
}

/// How an object looks. A consumer of 0 W is still shown as a consumer.
pub(crate) fn object(object: &Object) -> ObjectView<'_> {
    let name = &object.name;
    match &object.kind {
        Kind::Basic {
            enabled,
            consumption_mw,
            production_mw,
        } => ObjectView::Basic {
            name,
            enabled: enabled.to_string(),
            max_consumption: watts(*consumption_mw),
            max_production: watts(*production_mw),
            is_consumption_object: *consumption_mw > 0 || *production_mw == 0,
            is_production_object: *production_mw > 0,
        },
        Kind::Scheduled {
            consumption_mw,
            charge_ms,
            slots,
        } => ObjectView::Scheduled {
            name,
            time_charge_need: Number(*charge_ms as f64 / HOUR_MS),
            time_slot: SlotsView {
                time_slots: slots
                    .iter()
                    .map(|each| slot(each, *consumption_mw))
                    .collect(),
            },
            max_consumption: watts(*consumption_mw),
        },
    }
}

/// How a slot of an object of this maximum (mW) looks.
pub(crate) fn slot(slot: &Slot, max_mw: u64) -> SlotView {
    SlotView {
        start: format_ms(slot.starts_at_ms),
        end: format_ms(slot.ends_at_ms),
        power: (slot.power_mw < max_mw).then(|| watts(slot.power_mw)),
    }
}

fn watts(power_mw: u64) -> Number {
    Number(power_mw as f64 / WATT_MW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, kind: Kind, expected: &str) {
        let object = Object {
            name: name.into(),
            kind,
        };
        assert_eq!(
            serde_json::to_string(&super::object(&object))
                .ok()
                .as_deref(),
            Some(expected)
        );
    }

    #[test]
    fn objects_look_as_in_the_transcript() {
        check(
            "Mixeur",
            Kind::Basic {
                enabled: true,
                consumption_mw: 500_000,
                production_mw: 0,
            },
            r#"{"name":"Mixeur","enabled":"true","maxConsumption":500,"maxProduction":0,"_isConsumptionObject":true,"_isProductionObject":false}"#,
        );
        check(
            "Vélo d'appartement",
            Kind::Basic {
                enabled: true,
                consumption_mw: 0,
                production_mw: 1_700_000,
            },
            r#"{"name":"Vélo d'appartement","enabled":"true","maxConsumption":0,"maxProduction":1700,"_isConsumptionObject":false,"_isProductionObject":true}"#,
        );
        check(
            "Car",
            Kind::Scheduled {
                consumption_mw: 1_300_000,
                charge_ms: 18_000_000,
                slots: vec![],
            },
            r#"{"name":"Car","timeChargeNeed":5,"timeSlot":{"timeSlots":[]},"maxConsumption":1300}"#,
        );
    }

    #[test]
    fn a_slot_shows_its_power_only_where_it_is_throttled() {
        let starts_at_ms = 1_636_300_702_144;
        let full = Slot {
            starts_at_ms,
            ends_at_ms: starts_at_ms + 18_000_000,
            power_mw: 1_300_000,
        };
        let shown =
            |power_mw| serde_json::to_string(&slot(&Slot { power_mw, ..full }, 1_300_000)).ok();
        let bare = r#"{"start":"2021-11-07T15:58:22.144Z","end":"2021-11-07T20:58:22.144Z"}"#;
        assert_eq!(shown(1_300_000).as_deref(), Some(bare));
        let throttled = bare.replace('}', r#","power":650.5}"#);
        assert_eq!(shown(650_500), Some(throttled));
    }
}
