//! Tests of the checker: on systems written by hand, and against a naive simulation.

mod authority;
mod made;
mod naive;
mod random;
mod trust;
mod ways;
