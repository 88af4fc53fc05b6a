//! Single reads of metered data by a component of the operator that acts for partners: what each rule of
//! `plugins/partners/METERING.md` does, with all first-party components behind it.

#[path = "metering/policy.rs"]
mod policy;
#[path = "metering/reads.rs"]
mod reads;
#[path = "metering/rig.rs"]
mod rig;
#[path = "metering/sums.rs"]
mod sums;
mod support;
