//! The rules of the house that a machine can see: who may import whom, where clocks are read, what may not stand in
//! the tree. Each failure names file and line.

mod bill;
mod imports;
mod licences;
mod limits;
mod metrics;
mod proofs;
mod sources;
mod tree;
