//! How the program is linked.
include!("../runtime/component_build.rs");
