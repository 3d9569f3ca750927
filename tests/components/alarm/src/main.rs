//! The program of `alarm`.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(alarm::run);
