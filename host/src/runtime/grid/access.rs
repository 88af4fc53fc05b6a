//! The access policy's functions, typed. All versions of its interface have the same types, so a policy of
//! any version is called alike; one whose types differ is as good as none.

use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, TypedFunc};

pub(super) use super::bindings::access::exports::leyden::policy0_2_0::access as wit;
use crate::runtime::guest::Guest;
use crate::runtime::versions;

/// Where a version of the policy exports them.
pub(super) struct AccessIndices {
    decide: ComponentExportIndex,
    compute_price: ComponentExportIndex,
}

impl AccessIndices {
    /// Looks them up; none where not all are there.
    pub(super) fn of(pre: &InstancePre<Guest>) -> Option<Self> {
        let component = pre.component();
        let exported = |interface: String| component.get_export_index(None, &interface);
        let interface = versions::of(super::ACCESS).find_map(exported)?;
        let function = |name| component.get_export_index(Some(&interface), name);
        Some(Self {
            decide: function("decide")?,
            compute_price: function("compute-price")?,
        })
    }

    /// An instance's; none where they have other types.
    pub(super) fn load(&self, store: &mut Store<Guest>, of: &Instance) -> Option<Access> {
        Some(Access {
            decide: of.get_typed_func(&mut *store, self.decide).ok()?,
            compute_price: of.get_typed_func(&mut *store, self.compute_price).ok()?,
        })
    }
}

/// The functions of an instance.
pub(in crate::runtime) struct Access {
    decide: TypedFunc<(wit::Input,), (wit::Decision,)>,
    compute_price: TypedFunc<(wit::Compute,), (u64,)>,
}

impl Access {
    /// Decides one read.
    pub(super) async fn decide(
        &self,
        store: &mut Store<Guest>,
        input: wit::Input,
    ) -> wasmtime::Result<wit::Decision> {
        Ok(self.decide.call_async(store, (input,)).await?.0)
    }

    /// Datapoints for each 1,000,000,000 units of fuel.
    pub(super) async fn compute_price(
        &self,
        store: &mut Store<Guest>,
        input: wit::Compute,
    ) -> wasmtime::Result<u64> {
        Ok(self.compute_price.call_async(store, (input,)).await?.0)
    }
}
