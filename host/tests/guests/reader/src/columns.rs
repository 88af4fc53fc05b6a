//! Pages in columns, told as readings one by one, with all that they name.

use leyden_sdk::data::production_columns;
use leyden_sdk::data::types::{Interval, Quality};
use leyden_sdk::data::{detailed_consumption, detailed_consumption_columns, production};
use serde_json::{Value, json};

pub(crate) fn produced(page: &production_columns::Page) -> Value {
    let reading = |at: usize| production::Reading {
        household: page.households[page.household[at] as usize].clone(),
        interval: interval(page.starts_at_ms[at], page.ends_at_ms[at]),
        power_w: page.power_w[at],
        quality: quality(&page.quality, at),
    };
    let readings = (0..page.household.len()).map(|at| crate::produced(&reading(at)));
    json!({
        "readings": readings.collect::<Vec<_>>(),
        "households": page.households,
        "next": page.next,
        "price": page.price,
    })
}

pub(crate) fn drawn(page: &detailed_consumption_columns::Page) -> Value {
    let powers = page.object_name.iter().zip(&page.object_power_w);
    let mut objects = powers.map(|(name, power_w)| detailed_consumption::ObjectPower {
        name: page.object_names[*name as usize].clone(),
        power_w: *power_w,
    });
    let reading = |at: usize| detailed_consumption::Reading {
        household: page.households[page.household[at] as usize].clone(),
        interval: interval(page.starts_at_ms[at], page.ends_at_ms[at]),
        power_w: page.power_w[at],
        objects: objects.by_ref().take(page.objects[at] as usize).collect(),
        quality: quality(&page.quality, at),
    };
    let readings: Vec<_> = (0..page.household.len()).map(reading).collect();
    json!({
        "readings": readings.iter().map(crate::drawn).collect::<Vec<_>>(),
        "households": page.households,
        "objectNames": page.object_names,
        "next": page.next,
        "price": page.price,
    })
}

fn interval(starts_at_ms: u64, ends_at_ms: u64) -> Interval {
    Interval {
        starts_at_ms,
        ends_at_ms,
    }
}

fn quality(column: &[Quality], at: usize) -> Quality {
    column[at]
}
