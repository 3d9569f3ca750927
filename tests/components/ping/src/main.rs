//! Ping's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(ping::run);
runtime::interfaces!(calls "pong": pong::Ping, pong::Sum);
