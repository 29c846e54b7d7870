//! aion-operator

fn main() {}
