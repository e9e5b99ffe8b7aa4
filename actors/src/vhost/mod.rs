//! Virtual hosts: the tables of names, and the rules by which names are given and taken.

pub mod equivalence;
pub mod names;
