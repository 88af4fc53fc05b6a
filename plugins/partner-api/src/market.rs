//! Partners as the host keeps them. Former versions kept trust levels in the component's own state: such a
//! record moves to the host when its partner is looked for, once.

use leyden_sdk::accounts::{self, Partner};
use leyden_sdk::state::{self, Key};
use leyden_sdk::{Error, Result};

/// The registered partner.
///
/// # Errors
/// 404 where there is none of this id.
pub(crate) fn partner(id: &str) -> Result<Partner> {
    find(id)?.ok_or_else(|| unknown(id))
}

/// The registered partner, for whom this invocation reads from here on.
///
/// # Errors
/// As [`partner`].
pub(crate) fn act_for(id: &str) -> Result<Partner> {
    let partner = partner(id)?;
    accounts::act_for(id).map_err(refusal)?;
    Ok(partner)
}

/// Registers a partner, or sets the trust level of one.
///
/// # Errors
/// The id breaks a rule.
pub(crate) fn put(id: &str, trust_level: u32) -> Result<()> {
    state::delete(&former_key(id))?;
    accounts::put(id, trust_level).map_err(refusal)
}

/// Credits datapoints to a registered partner.
///
/// # Errors
/// There is none of this id.
pub(crate) fn credit(id: &str, datapoints: u64) -> Result<()> {
    accounts::credit(id, datapoints, "credit").map_err(refusal)
}

fn find(id: &str) -> Result<Option<Partner>> {
    if let Some(known) = accounts::find(id).map_err(refusal)? {
        return Ok(Some(known));
    }
    let Some(former) = state::get(&former_key(id))? else {
        return Ok(None);
    };
    // Its first four bytes are the trust level, big-endian.
    let trust_level = former.first_chunk().copied().map_or(0, u32::from_be_bytes);
    put(id, trust_level)?;
    accounts::find(id).map_err(refusal)
}

fn former_key(id: &str) -> Key {
    Key::new("p/").text(id)
}

fn unknown(id: &str) -> Error {
    Error::not_found("partnerID", format!("No partner has the id `{id}`."))
}

fn refusal(error: accounts::Error) -> Error {
    match error {
        accounts::Error::UnknownPartner(id) => unknown(&id),
        accounts::Error::Invalid(rule) => {
            let rule = rule.strip_prefix("id ").unwrap_or(&rule);
            Error::invalid("partnerID", rule)
        }
        accounts::Error::Budget(what) => Error::Retry(what),
    }
}
