//! A part of a file, as `fs.read` gives it.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::{memchr, memmem};
use serde::{Deserialize, Serialize};

use super::{CHUNK, Caller, FileRef, Heard, answer, make};

/// A file in parts that are all of one version: that of the part that was read first. Clones share it.
#[derive(Clone)]
pub struct Source {
    caller: Rc<dyn Caller>,
    file: FileRef,
    version: Rc<Version>,
    heard: Option<Heard>,
}

#[derive(Default)]
struct Version {
    first: RefCell<Option<String>>,
    changed: Cell<bool>,
}

impl Source {
    /// Reads nothing yet.
    pub fn new(caller: Rc<dyn Caller>, file: FileRef) -> Self {
        Self {
            caller,
            file,
            version: Rc::default(),
            heard: None,
        }
    }

    /// The same, where `heard` is told of each part that is read.
    pub fn with(&self, heard: Heard) -> Self {
        Self {
            heard: Some(heard),
            ..self.clone()
        }
    }

    /// A reading failed because the file has another version now.
    pub fn changed(&self) -> bool {
        self.version.changed.get()
    }

    /// Reads a part from an offset on, in the place of what was read before; nothing at the end. A file that is not what
    /// it was when another part of it was read is an error, which is remembered.
    pub(super) fn read(&self, part: &mut Part, offset: u64) -> io::Result<()> {
        let mut first = self.version.first.borrow_mut();
        let wanted = Wanted {
            file: &self.file,
            offset,
            length: CHUNK,
            version: first.as_deref(),
        };
        let outcome = make(&*self.caller, NAME, &wanted, &mut part.response);
        let changed = if outcome.is_err() {
            let refused: Refused = serde_json::from_slice(&part.response).unwrap_or_default();
            refused.code == "changed"
        } else {
            part.decode()?;
            *first.get_or_insert_with(|| part.version.clone()) != part.version
        };
        self.version.changed.set(changed);
        if changed {
            return Err(io::Error::other(format!(
                "{} changed while it was read: run again when nobody writes to it",
                self.file.path
            )));
        }
        outcome?;
        if let (Some(heard), false) = (&self.heard, part.data.is_empty()) {
            heard(offset + part.data.len() as u64, part.size);
        }
        Ok(())
    }
}

/// A part of a file.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) data: Vec<u8>,
    /// Of the whole file.
    pub(super) size: u64,
    version: String,
    response: Vec<u8>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    #[serde(flatten)]
    file: &'a FileRef,
    offset: u64,
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    data: Cow<'a, str>,
    size: u64,
    #[serde(default)]
    version: String,
}

/// Why there is no part.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    code: String,
}

const NAME: &str = "fs.read";

impl Part {
    /// Decodes the member "data" where it stands: a general reader of JSON looks at each of its half a million bytes three
    /// times. What is not plain base64 is left to that reader.
    fn decode(&mut self) -> io::Result<()> {
        const MEMBER: &[u8] = b"\"data\":\"";
        self.data.clear();
        let place = memmem::find(&self.response, MEMBER).map(|at| at + MEMBER.len());
        let text = place.and_then(|from| {
            let rest = self.response.get(from..)?;
            Some((from, rest.get(..memchr(b'"', rest)?)?))
        });
        let found = text.and_then(|(from, text)| {
            STANDARD.decode_vec(text, &mut self.data).ok()?;
            Some((from, from + text.len()))
        });
        let Some((from, to)) = found else {
            let whole: Answer<'_> = answer(NAME, &self.response)?;
            self.data = STANDARD.decode(whole.data.as_bytes()).map_err(|error| {
                io::Error::other(format!(
                    "{NAME}: its answer is not what was expected: {error}"
                ))
            })?;
            (self.size, self.version) = (whole.size, whole.version);
            return Ok(());
        };
        self.response.drain(from..to);
        let rest: Answer<'_> = answer(NAME, &self.response)?;
        (self.size, self.version) = (rest.size, rest.version);
        Ok(())
    }
}
