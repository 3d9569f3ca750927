//! A component that means harm. Each instance does what its name says: `calls` makes every system call with every kind of
//! wrong capability, and wants the documented error; `try-N` executes one instruction that it must not, and wants to die.
#![cfg_attr(target_os = "none", no_std)]

pub mod calls;
#[cfg(target_os = "none")]
pub mod instructions;

/// The number of the instruction that an instance of that name tries.
pub fn attempt(name: &str) -> Option<u32> {
    name.strip_prefix("try-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_to_try() {
        assert_eq!(attempt("try-12"), Some(12));
        assert_eq!(attempt("calls"), None);
    }
}
