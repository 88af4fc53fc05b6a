//! `leyden:data`: metered datasets, for whoever's invocation carries a meter. Works for services that act for a
//! partner and for partners' own components alike: both lend the call that they serve.

use wasmtime::component::{HasData, Linker};

use super::leyden::data::{budget, detailed_consumption, global_consumption, production, types};
use crate::metering::{Dataset, Meter};
use crate::runtime::Call;

/// The call whose meter and transaction reads work on; none where the guest must not read now.
pub(crate) struct DataView<'a> {
    pub(crate) call: &'a mut Option<Box<Call>>,
}

struct Data;

impl HasData for Data {
    type Data<'a> = DataView<'a>;
}

/// Links these datasets, and what is left to spend.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    granted: &[Dataset],
    get: fn(&mut T) -> DataView<'_>,
) -> wasmtime::Result<()> {
    budget::add_to_linker::<T, Data>(linker, get)?;
    for dataset in granted {
        match dataset {
            Dataset::GlobalConsumption => {
                global_consumption::add_to_linker::<T, Data>(linker, get)?;
            }
            Dataset::Production => production::add_to_linker::<T, Data>(linker, get)?,
            Dataset::DetailedConsumption => {
                detailed_consumption::add_to_linker::<T, Data>(linker, get)?;
            }
        }
    }
    Ok(())
}

impl DataView<'_> {
    fn meter(&mut self) -> wasmtime::Result<&mut Meter> {
        let meter = self.call.as_mut().and_then(|call| call.work.meter.as_mut());
        meter.map(|meter| &mut **meter).ok_or_else(|| {
            wasmtime::Error::msg("read data outside an invocation that reads for a partner")
        })
    }

    /// Counts a read; nothing was measured.
    fn read<T>(&mut self) -> wasmtime::Result<Result<T, types::Error>> {
        let meter = self.meter()?;
        match meter.reads_left.checked_sub(1) {
            Some(left) => {
                meter.reads_left = left;
                Ok(Err(types::Error::NoData))
            }
            None => Ok(Err(types::Error::Limit("reads of a run".into()))),
        }
    }
}

impl types::Host for DataView<'_> {}

impl budget::Host for DataView<'_> {
    fn left(&mut self) -> wasmtime::Result<u64> {
        Ok(self.meter()?.tab.left())
    }

    fn spent(&mut self) -> wasmtime::Result<u64> {
        Ok(self.meter()?.tab.spent())
    }
}

impl global_consumption::Host for DataView<'_> {
    async fn read(
        &mut self,
        _query: types::Query,
    ) -> wasmtime::Result<Result<global_consumption::Page, types::Error>> {
        Self::read(self)
    }
}

impl production::Host for DataView<'_> {
    async fn read(
        &mut self,
        _query: types::Query,
    ) -> wasmtime::Result<Result<production::Page, types::Error>> {
        Self::read(self)
    }
}

impl detailed_consumption::Host for DataView<'_> {
    async fn read(
        &mut self,
        _query: types::Query,
    ) -> wasmtime::Result<Result<detailed_consumption::Page, types::Error>> {
        Self::read(self)
    }
}
