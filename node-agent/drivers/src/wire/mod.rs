//! What models' and tools' servers write, below any protocol: JSON, the lines and frames of an event stream,
//! and pages of HTML in the place of both. Pure. What may not
//! enter: what an event or a message means.

mod frames;
mod html;
mod json;
mod lines;

pub(crate) use frames::{Frame, Frames};
pub(crate) use html::plain_of_html;
pub(crate) use json::json;
pub(crate) use lines::{Lines, field};

/// Some begin with it.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";
