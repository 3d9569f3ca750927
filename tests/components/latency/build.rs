//! How the program is linked.
include!("../../../components/runtime/component_build.rs");
