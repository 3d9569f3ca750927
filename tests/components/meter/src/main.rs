//! The program of `meter`.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(meter::run);
