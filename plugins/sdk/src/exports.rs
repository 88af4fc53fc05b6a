//! What a component can export: one generated trait `Guest` and one macro per interface. The
//! records of an exported interface are the same Rust types as those of the imported one, so that
//! nothing is converted between the two. A macro that is not called adds nothing to a component.

/// Answers HTTP requests.
pub mod http_handler {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-http-handler { export leyden:http/handler@0.1.0; }",
        path: "../../wit",
        world: "exports-http-handler",
        with: {
            "leyden:http/types@0.1.0": crate::bindings::leyden::http::types,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::http_handler",
    });

    pub use exports::leyden::http::handler::Guest;
}

/// Takes in uploads row by row.
pub mod row_handler {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-row-handler { export leyden:http/row-handler@0.1.0; }",
        path: "../../wit",
        world: "exports-row-handler",
        with: {
            "leyden:http/types@0.1.0": crate::bindings::leyden::http::types,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::row_handler",
    });

    pub use exports::leyden::http::row_handler::{Batch, Format, Guest, Tally};
}

/// Handles batches of records.
pub mod stream_handler {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-stream-handler { export leyden:streams/handler@0.1.0; }",
        path: "../../wit",
        world: "exports-stream-handler",
        with: {
            "leyden:streams/types@0.1.0": crate::bindings::leyden::streams::types,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::stream_handler",
    });

    pub use exports::leyden::streams::handler::{Error as HandlerError, Guest};
}

/// Exports `leyden:grid/client-registry`.
pub mod client_registry {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-client-registry { export leyden:grid/client-registry@0.1.0; }",
        path: "../../wit",
        world: "exports-client-registry",
        with: {
            "leyden:grid/client-registry@0.1.0/house": crate::bindings::leyden::grid::client_registry::House,
            "leyden:grid/client-registry@0.1.0/registration": crate::bindings::leyden::grid::client_registry::Registration,
            "leyden:grid/client-registry@0.1.0/dataset": crate::bindings::leyden::grid::client_registry::Dataset,
            "leyden:grid/client-registry@0.1.0/error": crate::bindings::leyden::grid::client_registry::Error,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::client_registry",
    });

    pub use exports::leyden::grid::client_registry::Guest;
}

/// Exports `leyden:grid/devices`.
pub mod devices {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-devices { export leyden:grid/devices@0.1.0; }",
        path: "../../wit",
        world: "exports-devices",
        with: {
            "leyden:grid/events@0.1.0": crate::bindings::leyden::grid::events,
            "leyden:grid/devices@0.1.0/planned-slot": crate::bindings::leyden::grid::devices::PlannedSlot,
            "leyden:grid/devices@0.1.0/error": crate::bindings::leyden::grid::devices::Error,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::devices",
    });

    pub use exports::leyden::grid::devices::Guest;
}

/// Exports `leyden:grid/scheduler`.
pub mod scheduler {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-scheduler { export leyden:grid/scheduler@0.1.0; }",
        path: "../../wit",
        world: "exports-scheduler",
        with: {
            "leyden:grid/events@0.1.0": crate::bindings::leyden::grid::events,
            "leyden:grid/devices@0.1.0": crate::bindings::leyden::grid::devices,
            "leyden:grid/scheduler@0.1.0/load": crate::bindings::leyden::grid::scheduler::Load,
            "leyden:grid/scheduler@0.1.0/error": crate::bindings::leyden::grid::scheduler::Error,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::scheduler",
    });

    pub use exports::leyden::grid::scheduler::Guest;
}

/// Exports `leyden:grid/consumption`.
pub mod consumption {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-consumption { export leyden:grid/consumption@0.1.0; }",
        path: "../../wit",
        world: "exports-consumption",
        with: {
            "leyden:grid/events@0.1.0": crate::bindings::leyden::grid::events,
            "leyden:grid/consumption@0.1.0/object-power": crate::bindings::leyden::grid::consumption::ObjectPower,
            "leyden:grid/consumption@0.1.0/house-power": crate::bindings::leyden::grid::consumption::HousePower,
            "leyden:grid/consumption@0.1.0/place": crate::bindings::leyden::grid::consumption::Place,
            "leyden:grid/consumption@0.1.0/error": crate::bindings::leyden::grid::consumption::Error,
            "leyden:grid/consumption@0.1.0/page": crate::bindings::leyden::grid::consumption::Page,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::consumption",
    });

    pub use exports::leyden::grid::consumption::Guest;
}

/// Exports `leyden:grid/consumption-rows`.
pub mod consumption_rows {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-consumption-rows { export leyden:grid/consumption-rows@0.1.0; }",
        path: "../../wit",
        world: "exports-consumption-rows",
        with: {
            "leyden:grid/events@0.1.0": crate::bindings::leyden::grid::events,
            "leyden:grid/consumption-rows@0.1.0/place": crate::bindings::leyden::grid::consumption_rows::Place,
            "leyden:grid/consumption-rows@0.1.0/row": crate::bindings::leyden::grid::consumption_rows::Row,
            "leyden:grid/consumption-rows@0.1.0/object-power": crate::bindings::leyden::grid::consumption_rows::ObjectPower,
            "leyden:grid/consumption-rows@0.1.0/page": crate::bindings::leyden::grid::consumption_rows::Page,
            "leyden:grid/consumption-rows@0.1.0/error": crate::bindings::leyden::grid::consumption_rows::Error,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::consumption_rows",
    });

    pub use exports::leyden::grid::consumption_rows::Guest;
}

/// Exports `leyden:grid/production`.
pub mod production {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-production { export leyden:grid/production@0.1.0; }",
        path: "../../wit",
        world: "exports-production",
        with: {
            "leyden:grid/events@0.1.0": crate::bindings::leyden::grid::events,
            "leyden:grid/production@0.1.0/house-power": crate::bindings::leyden::grid::production::HousePower,
            "leyden:grid/production@0.1.0/place": crate::bindings::leyden::grid::production::Place,
            "leyden:grid/production@0.1.0/error": crate::bindings::leyden::grid::production::Error,
            "leyden:grid/production@0.1.0/page": crate::bindings::leyden::grid::production::Page,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::production",
    });

    pub use exports::leyden::grid::production::Guest;
}

/// Exports `leyden:grid/production-rows`.
pub mod production_rows {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-production-rows { export leyden:grid/production-rows@0.1.0; }",
        path: "../../wit",
        world: "exports-production-rows",
        with: {
            "leyden:grid/events@0.1.0": crate::bindings::leyden::grid::events,
            "leyden:grid/production-rows@0.1.0/place": crate::bindings::leyden::grid::production_rows::Place,
            "leyden:grid/production-rows@0.1.0/row": crate::bindings::leyden::grid::production_rows::Row,
            "leyden:grid/production-rows@0.1.0/page": crate::bindings::leyden::grid::production_rows::Page,
            "leyden:grid/production-rows@0.1.0/error": crate::bindings::leyden::grid::production_rows::Error,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::production_rows",
    });

    pub use exports::leyden::grid::production_rows::Guest;
}

/// Exports `leyden:grid/balances`.
pub mod balances {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-balances { export leyden:grid/balances@0.1.0; }",
        path: "../../wit",
        world: "exports-balances",
        with: {
            "leyden:grid/balances@0.1.0/error": crate::bindings::leyden::grid::balances::Error,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::balances",
    });

    pub use exports::leyden::grid::balances::Guest;
}

/// Exports `leyden:policy/assignment`.
pub mod assignment {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-assignment { export leyden:policy/assignment@0.2.0; }",
        path: "../../wit",
        world: "exports-assignment",
        with: {
            "leyden:policy/assignment@0.2.0/size-class": crate::policy::assignment::SizeClass,
            "leyden:policy/assignment@0.2.0/input": crate::policy::assignment::Input,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::assignment",
    });

    pub use exports::leyden::policy0_2_0::assignment::Guest;
}

/// Exports `leyden:policy/schedule`.
pub mod schedule {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-schedule { export leyden:policy/schedule@0.2.0; }",
        path: "../../wit",
        world: "exports-schedule",
        with: {
            "leyden:policy/schedule@0.2.0/slot": crate::policy::schedule::Slot,
            "leyden:policy/schedule@0.2.0/planned-load": crate::policy::schedule::PlannedLoad,
            "leyden:policy/schedule@0.2.0/reason": crate::policy::schedule::Reason,
            "leyden:policy/schedule@0.2.0/input": crate::policy::schedule::Input,
            "leyden:policy/schedule@0.2.0/plan": crate::policy::schedule::Plan,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::schedule",
    });

    pub use exports::leyden::policy0_2_0::schedule::Guest;
}

/// Exports `leyden:policy/shed`.
pub mod shed {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-shed { export leyden:policy/shed@0.2.0; }",
        path: "../../wit",
        world: "exports-shed",
        with: {
            "leyden:policy/shed@0.2.0/load": crate::policy::shed::Load,
            "leyden:policy/shed@0.2.0/input": crate::policy::shed::Input,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::shed",
    });

    pub use exports::leyden::policy0_2_0::shed::Guest;
}

/// Exports `leyden:policy/peak-limit`.
pub mod peak_limit {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-peak-limit { export leyden:policy/peak-limit@0.2.0; }",
        path: "../../wit",
        world: "exports-peak-limit",
        with: {
            "leyden:policy/peak-limit@0.2.0/input": crate::policy::peak_limit::Input,
            "leyden:policy/peak-limit@0.2.0/limits": crate::policy::peak_limit::Limits,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::peak_limit",
    });

    pub use exports::leyden::policy0_2_0::peak_limit::Guest;
}

/// Exports `leyden:policy/access`.
pub mod access {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-access { export leyden:policy/access@0.2.0; }",
        path: "../../wit",
        world: "exports-access",
        with: {
            "leyden:policy/access@0.2.0/dataset": crate::policy::access::Dataset,
            "leyden:policy/access@0.2.0/input": crate::policy::access::Input,
            "leyden:policy/access@0.2.0/decision": crate::policy::access::Decision,
            "leyden:policy/access@0.2.0/compute": crate::policy::access::Compute,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::access",
    });

    pub use exports::leyden::policy0_2_0::access::Guest;
}

/// Exports `leyden:data/reports`.
pub mod reports {
    wit_bindgen::generate!({
        inline: "package leyden:sdk@0.1.0; world exports-reports { export leyden:data/reports@0.1.0; }",
        path: "../../wit",
        world: "exports-reports",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "leyden_sdk::exports::reports",
    });

    pub use exports::leyden::data::reports::{Batch, Document, Error, Guest, Params, Trigger};
}
