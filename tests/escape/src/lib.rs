//! Attempts to get out of a sandbox: what each tries, how it is to fail, and which layers hold it. Both the program that
//! runs inside and the tests outside read this one table. What may not enter: starting a sandbox.

pub mod attempts;
pub mod kernel;
pub mod layer;
pub mod outcome;
