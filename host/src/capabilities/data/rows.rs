//! Datasets of rows as guests get them: reading by reading, or in columns. Their types are those of the WIT package,
//! written by hand: thousands of readings share a few hundred names, which the generated types would copy for each.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower};

use super::super::leyden::data::types;
use super::read::{Page, Read};
use super::stop::answer;
use super::{DataView, from_wit, quality, to_wit, watts};
use crate::metering::{Dataset, ObjectPower, Row, Rows};

/// A page of readings.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct OneByOne<R> {
    readings: Vec<R>,
    next: Option<String>,
    price: u64,
}

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
pub(super) struct Object {
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
    objects: Vec<Object>,
    quality: types::Quality,
}

/// `leyden:data/production-columns.page`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct ProducedColumns {
    households: Vec<Arc<str>>,
    household: Vec<u32>,
    #[component(name = "starts-at-ms")]
    starts_at_ms: Vec<u64>,
    #[component(name = "ends-at-ms")]
    ends_at_ms: Vec<u64>,
    #[component(name = "power-w")]
    power_w: Vec<f64>,
    quality: Vec<types::Quality>,
    next: Option<String>,
    price: u64,
}

/// `leyden:data/detailed-consumption-columns.page`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct DrawnColumns {
    households: Vec<Arc<str>>,
    household: Vec<u32>,
    #[component(name = "starts-at-ms")]
    starts_at_ms: Vec<u64>,
    #[component(name = "ends-at-ms")]
    ends_at_ms: Vec<u64>,
    #[component(name = "power-w")]
    power_w: Vec<f64>,
    quality: Vec<types::Quality>,
    objects: Vec<u32>,
    #[component(name = "object-names")]
    object_names: Vec<Arc<str>>,
    #[component(name = "object-name")]
    object_name: Vec<u32>,
    #[component(name = "object-power-w")]
    object_power_w: Vec<f64>,
    next: Option<String>,
    price: u64,
}

/// What households produced, reading by reading.
pub(super) fn produced(page: Page) -> OneByOne<Produced> {
    one_by_one(page, |rows, row| Produced {
        household: rows.houses[row.house as usize].clone(),
        interval: to_wit(row.interval),
        power_w: watts(row.power_mw),
        quality: quality(row.complete),
    })
}

/// What households drew, reading by reading.
pub(super) fn drawn(page: Page) -> OneByOne<Drawn> {
    let object = |rows: &Rows, object: &ObjectPower| Object {
        name: rows.object_names[object.name as usize].clone(),
        power_w: watts(object.power_mw),
    };
    one_by_one(page, |rows, row| {
        let objects = rows.objects_of(row).iter();
        Drawn {
            household: rows.houses[row.house as usize].clone(),
            interval: to_wit(row.interval),
            power_w: watts(row.power_mw),
            objects: objects.map(|of_row| object(rows, of_row)).collect(),
            quality: quality(row.complete),
        }
    })
}

fn one_by_one<R>(page: Page, reading: impl Fn(&Rows, &Row) -> R) -> OneByOne<R> {
    let rows = &page.readings;
    OneByOne {
        readings: rows.rows.iter().map(|row| reading(rows, row)).collect(),
        next: page.next,
        price: page.price,
    }
}

/// What households produced, in columns.
pub(super) fn produced_columns(page: Page) -> ProducedColumns {
    let rows = &page.readings.rows;
    ProducedColumns {
        household: column(rows, |row| row.house),
        starts_at_ms: column(rows, |row| row.interval.starts_at_ms),
        ends_at_ms: column(rows, |row| row.interval.ends_at_ms),
        power_w: column(rows, |row| watts(row.power_mw)),
        quality: column(rows, |row| quality(row.complete)),
        households: page.readings.houses,
        next: page.next,
        price: page.price,
    }
}

/// What households drew, in columns.
pub(super) fn drawn_columns(page: Page) -> DrawnColumns {
    let (rows, objects) = (&page.readings.rows, &page.readings.objects);
    DrawnColumns {
        household: column(rows, |row| row.house),
        starts_at_ms: column(rows, |row| row.interval.starts_at_ms),
        ends_at_ms: column(rows, |row| row.interval.ends_at_ms),
        power_w: column(rows, |row| watts(row.power_mw)),
        quality: column(rows, |row| quality(row.complete)),
        objects: column(rows, |row| row.objects),
        object_name: column(objects, |object| object.name),
        object_power_w: column(objects, |object| watts(object.power_mw)),
        object_names: page.readings.object_names,
        households: page.readings.houses,
        next: page.next,
        price: page.price,
    }
}

fn column<T, V>(of: &[T], value: impl Fn(&T) -> V) -> Vec<V> {
    of.iter().map(value).collect()
}

/// Links an interface that a dataset of rows is read through, with the form that its pages have.
///
/// # Errors
/// The linker has it already.
pub(super) fn link<T, P>(
    linker: &mut Linker<T>,
    interface: &str,
    dataset: Dataset,
    get: fn(&mut T) -> DataView<'_>,
    form: fn(Page) -> P,
) -> wasmtime::Result<()>
where
    T: Send + 'static,
    P: Lower + Send + Sync + 'static,
{
    let mut interface = linker.instance(interface)?;
    interface.func_wrap_async(
        "read",
        move |mut store: StoreContextMut<'_, T>, (query,): (types::Query,)| {
            Box::new(async move {
                let view = get(store.data_mut());
                let page = Read::rows(view.call, from_wit(dataset, query)).await;
                Ok((answer(page.map(form))?,))
            })
        },
    )
}
