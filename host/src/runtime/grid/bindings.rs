//! Typed access to the components that metered data come from, generated from the WIT packages.

/// `leyden:grid/consumption`.
pub(super) mod consumption {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-consumption; world consumption { export leyden:grid/consumption@0.1.0; }",
        exports: { default: async },
    });
}

/// `leyden:grid/production`.
pub(super) mod production {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-production; world production { export leyden:grid/production@0.1.0; }",
        exports: { default: async },
        with: { "leyden:grid/events": super::consumption::leyden::grid::events },
    });
}

/// `leyden:grid/consumption-rows`.
pub(super) mod consumption_rows {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-consumption-rows; world rows { export leyden:grid/consumption-rows@0.1.0; }",
        exports: { default: async },
        with: { "leyden:grid/events": super::consumption::leyden::grid::events },
    });
}

/// `leyden:grid/production-rows`.
pub(super) mod production_rows {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-production-rows; world rows { export leyden:grid/production-rows@0.1.0; }",
        exports: { default: async },
        with: { "leyden:grid/events": super::consumption::leyden::grid::events },
    });
}

/// `leyden:grid/client-registry`.
pub(super) mod registry {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package leyden:host-registry; world registry { export leyden:grid/client-registry@0.1.0; }",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}
