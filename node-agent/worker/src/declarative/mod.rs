//! The declarative runtime: a turn of an agent that is instructions, not code.
