//! How things look: tables, trees, messages, sources. Strings in, strings out: nothing here asks a node, reads a
//! file or prints.

pub(crate) mod age;
pub(crate) mod answer;
pub(crate) mod columns;
pub(crate) mod event;
pub(crate) mod excerpt;
pub(crate) mod kernel;
pub(crate) mod message;
pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod why;
