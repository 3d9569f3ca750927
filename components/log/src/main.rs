//! Log's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(log::run);
