//! The `tlsunset` command.
fn main() {}
