//! Pong's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(pong::run);
runtime::interfaces!(serves "pong": pong::Ping, pong::Sum);
