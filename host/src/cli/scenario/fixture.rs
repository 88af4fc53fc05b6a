//! Sets up what is there before the first step, over HTTP like everything else. The fixture is no
//! part of the report; where the host refuses it, the run ends.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::format::{Clock, Deploy, Fixture, Houses, Partner};
use super::variables::Variables;
use crate::cli::client::Client;
use crate::cli::deploy;
use crate::cli::error::Error;

/// Sets the clock and builds the fixture.
///
/// # Errors
/// The host refuses something.
pub(crate) async fn build(
    client: &Client,
    clock: &Clock,
    fixture: &Fixture,
    plugins: &Path,
    variables: &mut Variables,
) -> Result<(), Error> {
    let time = json!({ "now": clock.start.to_string(), "tickMs": u64::from(clock.tick_s) * 1_000 });
    client.write(Method::PUT, "/admin/clock", &time).await?;
    for component in &fixture.deploy {
        deploy_alternative(client, component, plugins).await?;
    }
    for houses in &fixture.houses {
        register(client, houses, variables).await?;
    }
    for partner in &fixture.partners {
        add_partner(client, partner).await?;
    }
    client
        .write(Method::POST, "/admin/settle", &json!({}))
        .await
        .map(drop)
}

/// Deploys one of the components that come with the host as alternatives.
///
/// # Errors
/// There is no such component, or the host refuses it.
pub(crate) async fn deploy_alternative(
    client: &Client,
    component: &Deploy,
    plugins: &Path,
) -> Result<(), Error> {
    let file = plugins
        .join("alternatives")
        .join(format!("{}.wasm", component.component));
    deploy::send(client, component.name.as_str(), &file, None)
        .await
        .map(drop)
}

async fn register(
    client: &Client,
    houses: &Houses,
    variables: &mut Variables,
) -> Result<(), Error> {
    let usage = |error: super::variables::Error| Error::Usage(format!("fixture: {error}"));
    for n in 1..=houses.count {
        variables.enter(n as usize, &Value::Null);
        let registration = registration(houses, variables).map_err(usage);
        let name = houses
            .capture
            .as_ref()
            .map(|name| variables.text(name))
            .transpose()
            .map_err(usage);
        variables.leave();
        let id = add_house(client, &registration?, &houses.objects).await?;
        if let Some(name) = name? {
            variables.capture(name, id.into());
        }
    }
    Ok(())
}

fn registration(houses: &Houses, variables: &Variables) -> Result<Value, super::variables::Error> {
    let mut body = json!({ "client_name": variables.text(&houses.client_name)? });
    if let Some(community) = houses.community {
        body["communityID"] = community.into();
    }
    if let Some(household) = &houses.household {
        body["household"] = variables.text(household)?.into();
    }
    Ok(body)
}

async fn add_house(
    client: &Client,
    registration: &Value,
    objects: &[Value],
) -> Result<String, Error> {
    let request = client
        .request(Method::POST, "/house/house-editor/add-house")?
        .json(registration);
    let id = client.send(request).await?.accepted()?.text();
    for object in objects {
        let path = format!("/house/house-editor/house/{id}/add-object");
        client.write(Method::POST, &path, object).await?;
    }
    Ok(id)
}

async fn add_partner(client: &Client, partner: &Partner) -> Result<(), Error> {
    let Partner {
        id,
        datapoints,
        trust_level,
    } = partner;
    let body = json!({ "partnerID": id, "datapoint": datapoints, "trustLevel": trust_level });
    client
        .write(Method::POST, "/partner-api/add-partner", &body)
        .await
        .map(drop)
}
