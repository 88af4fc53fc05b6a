//! Datasets of rows as guests get them. Their types are those of the WIT package, written by hand: thousands of
//! readings share a few hundred names, which the generated types would copy for each.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower};

use super::super::leyden::data::types;
use super::read::Read;
use super::stop::answer;
use super::{DataView, from_wit, quality, to_wit, watts};
use crate::metering::{Dataset, Row};

/// `leyden:data/production.reading`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Produced {
    household: Arc<str>,
    interval: types::Interval,
    #[component(name = "power-w")]
    power_w: f64,
    quality: types::Quality,
}

/// `leyden:data/detailed-consumption.object-power`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct ObjectPower {
    name: Arc<str>,
    #[component(name = "power-w")]
    power_w: f64,
}

/// `leyden:data/detailed-consumption.reading`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Drawn {
    household: Arc<str>,
    interval: types::Interval,
    #[component(name = "power-w")]
    power_w: f64,
    objects: Vec<ObjectPower>,
    quality: types::Quality,
}

/// A reading of what a household produced.
pub(super) fn produced(household: Arc<str>, row: Row) -> Produced {
    let Row {
        place,
        power_mw,
        complete,
        ..
    } = row;
    Produced {
        household,
        interval: to_wit(place.interval),
        power_w: watts(power_mw),
        quality: quality(complete),
    }
}

/// A reading of what a household drew.
pub(super) fn drawn(household: Arc<str>, row: Row) -> Drawn {
    let object = |(name, power_mw)| ObjectPower {
        name,
        power_w: watts(power_mw),
    };
    Drawn {
        household,
        interval: to_wit(row.place.interval),
        power_w: watts(row.power_mw),
        objects: row.objects.into_iter().map(object).collect(),
        quality: quality(row.complete),
    }
}

/// Links a dataset of rows, each of which is made into a reading.
///
/// # Errors
/// The linker has it already.
pub(super) fn link<T, R>(
    linker: &mut Linker<T>,
    dataset: Dataset,
    get: fn(&mut T) -> DataView<'_>,
    reading: fn(Arc<str>, Row) -> R,
) -> wasmtime::Result<()>
where
    T: Send + 'static,
    R: Lower + Send + Sync + 'static,
{
    let mut interface = linker.instance(&format!("leyden:data/{dataset}@0.1.0"))?;
    interface.func_wrap_async(
        "read",
        move |mut store: StoreContextMut<'_, T>, (query,): (types::Query,)| {
            Box::new(async move {
                let view = get(store.data_mut());
                let page = Read::rows(view.call, from_wit(dataset, query), reading).await;
                Ok((answer(page)?,))
            })
        },
    )
}
