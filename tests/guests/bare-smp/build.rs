//! How the program is linked.
include!("../kit/guest_build.rs");
