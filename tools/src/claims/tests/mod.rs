//! Tests of the checker: on systems written by hand, and against a naive simulation.

mod made;
mod naive;
mod random;
mod trust;
mod ways;
