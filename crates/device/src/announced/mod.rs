//! Devices that introduce themselves: what is announced by Home Assistant's MQTT discovery ([`Announcements`]) and by births of
//! Sparkplug ([`Births`]), kept within bounds, and what a person may admit of it ([`drafts`], [`named`]): a DeviceModel and a Device
//! with its mapping.
//!
//! Announcements are hostile. They are kept as bytes and read when somebody asks. What cannot be mapped is named with its field
//! and the reason, and never guessed. What may not enter: whether somebody may, connections, files, a clock.

mod abbreviations;
mod availability;
mod births;
mod component;
mod draft;
mod entity;
mod fields;
mod kept;
pub(crate) mod naming;
pub(crate) mod parts;
mod proposal;
mod template;
mod topic;
pub(crate) mod unit;

pub use births::Births;
pub use draft::{Draft, drafts};
pub use kept::{Announcements, LeftOut, MAX_ANNOUNCEMENTS, MAX_BYTES, MAX_OF_ONE};
pub use parts::Unmapped;
pub use proposal::{IDENTITY, Proposal, Taken, named};
pub use topic::filters;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod tests;
