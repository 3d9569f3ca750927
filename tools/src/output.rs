//! What commands say on standard output, which may be a full disk or a pipe that nobody reads.

use crate::failure::{Failure, Result};
use std::io::Write;

/// Writes a text, as it is.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}
