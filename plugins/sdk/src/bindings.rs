//! Bindings of everything a service may import, generated from the WIT. Nothing is written by hand
//! here; an import that a component does not use is dropped when the component is linked.

wit_bindgen::generate!({
    inline: r"
        package leyden:sdk@0.1.0;
        world imports {
            include leyden:worlds/service@0.2.0;
            import leyden:http/types@0.1.0;
            import leyden:streams/types@0.1.0;
            import leyden:grid/consumption-rows@0.1.0;
            import leyden:grid/production-rows@0.1.0;
        }
    ",
    path: "../../wit",
    world: "imports",
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq],
    additional_type_attributes: {
        "leyden:state/store@0.1.0/block": [#[derive(Default)]],
        "leyden:grid/events@0.1.0/interval": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
        "leyden:grid/events@0.1.0/tick": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
        "leyden:grid/events@0.1.0/object-reading": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
        "leyden:grid/events@0.1.0/reading": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
        "leyden:grid/events@0.1.0/balance": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
        "leyden:grid/events@0.1.0/peak": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
        "leyden:grid/events@0.1.0/peak-end": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
        "leyden:grid/events@0.1.0/autarky-change": [#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = "camelCase")]],
    },
    additional_member_attributes: {
        "leyden:grid/events@0.1.0/tick.cursor": [#[serde(default, skip_serializing_if = "Option::is_none")]],
        "leyden:grid/events@0.1.0/reading.consumption-uj": [#[serde(default, skip_serializing_if = "Option::is_none")]],
        "leyden:grid/events@0.1.0/reading.production-uj": [#[serde(default, skip_serializing_if = "Option::is_none")]],
        "leyden:grid/events@0.1.0/reading.objects": [#[serde(default, skip_serializing_if = "Vec::is_empty")]],
        "leyden:grid/events@0.1.0/reading.closes": [#[serde(default)]],
        "leyden:grid/events@0.1.0/balance.consumption-mw": [#[serde(default, skip_serializing_if = "Option::is_none")]],
        "leyden:grid/events@0.1.0/balance.production-mw": [#[serde(default, skip_serializing_if = "Option::is_none")]],
        "leyden:grid/events@0.1.0/peak.community-id": [#[serde(rename = "communityID")]],
        "leyden:grid/events@0.1.0/peak.peak-value": [#[serde(serialize_with = "crate::number::serialize")]],
        "leyden:grid/events@0.1.0/peak-end.community-id": [#[serde(rename = "communityID")]],
        "leyden:grid/events@0.1.0/peak-end.value": [#[serde(serialize_with = "crate::number::serialize")]],
        "leyden:grid/events@0.1.0/autarky-change.type": [#[serde(rename = "type")]],
    },
});
