//! Connections as captures show them, and the facts that are learned of each: order, loss,
//! refusals, reused ports, beginnings in the middle, imitations, and the bounds of memory.

mod kit;

mod beginnings;
mod bounds;
mod endings;
mod losses;
mod order;
mod reuse;
mod sweeps;
mod versions;
