//! aion-launcher

fn main() {}
