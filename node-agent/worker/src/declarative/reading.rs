//! `files_read`: what a model is given of a file. It is read as documents are ([`super::document`]), so that what can
//! be asked about can be read, and what cannot is refused by its name. Offsets are in bytes of the text as it is given,
//! in UTF-8; of a file that is too long to be held, in bytes of the file.
//!
//! A text is held, so that its parts are of one version and cost one reading. Of a text that is not held any more, the
//! digests of the parts that were given are. Where the file has another version at the next part, or may have, its
//! content decides: what was given before is there as it was, or the model is told to begin again. An error changes
//! nothing of what is known.

mod cut;

use aion_abi::code::Code;
use aion_abi::problem::Problem;

use super::document::{self, Text};
use super::knowledge::digest;
use super::knowledge::read::{Part, Read, from_start, part, until_steady};
use crate::syscalls::Syscalls;
use cut::{PART, cut, cut_long, judged, no_text, place_in, whole_letters};

/// So many texts are held, and so many bytes of them.
const TEXTS: usize = 8;
const BYTES: usize = 16 * 1024 * 1024;
/// So many parts that were given are known, and files that they are of.
const KNOWN: usize = 1024;
/// What is said where another version holds what was given of the one before.
const GREW: &str = "the file changed since the part before, which reads as it did";
/// What is said where it is not known any more what was given.
const UNKNOWN: &str = "parts of it that were given before may be of another version";

/// The files that the model reads in a turn.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The one that was read last comes last.
    known: Vec<Known>,
    /// There were more than can be known.
    is_forgetful: bool,
}

/// A file of which something was given.
#[derive(Debug)]
struct Known {
    mount: String,
    path: String,
    version: String,
    /// It may have changed since and have this version.
    fresh: bool,
    content: Content,
    /// What was given, by place and digest: of a long file the last part only.
    given: Vec<Given>,
}

#[derive(Debug)]
enum Content {
    /// The digest of all bytes, and the text while it is held.
    Whole(String, Option<Text>),
    Long,
}

#[derive(Debug, PartialEq, Eq)]
struct Given {
    from: u64,
    to: u64,
    digest: String,
}

impl Given {
    fn new(from: u64, bytes: &[u8]) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self {
            from,
            to: from.saturating_add(bytes.len() as u64),
            digest: digest(&[bytes]),
        })
    }

    fn is_in(&self, text: &str) -> bool {
        let bytes = text.as_bytes().get(self.from as usize..self.to as usize);
        bytes.is_some_and(|bytes| digest(&[bytes]) == self.digest)
    }
}

impl Known {
    /// The text, while it is held.
    fn held(&self) -> Option<&Text> {
        match &self.content {
            Content::Whole(_, text) => text.as_ref(),
            Content::Long => None,
        }
    }

    /// Gives the part at `offset` of a text that is held.
    fn give(&mut self, offset: u64, note: Option<&str>) -> Option<String> {
        let text = self.held()?;
        let told = cut(text, offset, note);
        let place = place_in(&text.text, offset);
        let given = Given::new(place.start as u64, text.text[place].as_bytes());
        let is_new = given.as_ref().is_some_and(|it| !self.given.contains(it));
        self.given.extend(given.filter(|_| is_new));
        Some(told)
    }

    /// Whether `now` is of another content, as far as can be told.
    fn differs(&self, now: &Self) -> bool {
        match (&self.content, &now.content) {
            (Content::Whole(old, _), Content::Whole(new, _)) => old != new,
            _ => self.version != now.version,
        }
    }

    /// Gives a part of a long file.
    fn give_long(
        &mut self,
        part: &Part,
        offset: u64,
        note: Option<&str>,
        place: &str,
    ) -> Result<String, Problem> {
        let told = cut_long(part, offset, note, place)?;
        self.fresh |= part.fresh;
        if let Some(given) = Given::new(offset, &part.bytes) {
            self.given = vec![given];
        }
        Ok(told)
    }
}

impl Reader {
    /// A part of the file from `offset` on, and how to go on.
    pub(super) async fn read(
        &mut self,
        syscalls: &impl Syscalls,
        mount: &str,
        path: &str,
        offset: u64,
    ) -> Result<String, Problem> {
        let is_it = |it: &Known| it.mount == mount && it.path == path;
        let at = self.known.iter().position(is_it);
        let mut known = at.map(|at| self.known.remove(at));
        let is_unknown = known.is_none() && offset > 0 && self.is_forgetful;
        let note = is_unknown.then_some(UNKNOWN);
        let place = (mount, path);
        let told =
            until_steady(async || go_on(syscalls, place, offset, note, &mut known).await).await;
        self.known.extend(known);
        self.bound();
        told?.ok_or_else(|| changed(place))
    }

    fn bound(&mut self) {
        let known = |it: &Known| 1 + it.given.len();
        while self.known.iter().map(known).sum::<usize>() > KNOWN {
            self.known.remove(0);
            self.is_forgetful = true;
        }
        let (mut texts, mut bytes) = (0, 0);
        for known in self.known.iter_mut().rev() {
            texts += usize::from(known.held().is_some());
            bytes += known.held().map_or(0, |it| it.text.len());
            if let Content::Whole(_, text) = &mut known.content
                && (texts > TEXTS || bytes > BYTES)
            {
                *text = None;
            }
        }
    }
}

/// The part at `offset` of a file of which `known` was given before; nothing where what was given is not there any more.
async fn go_on(
    syscalls: &impl Syscalls,
    (mount, path): (&str, &str),
    offset: u64,
    mut note: Option<&str>,
    known: &mut Option<Known>,
) -> Result<Option<String>, Problem> {
    let place = format!("{mount}/{path}");
    if let Some(before) = known
        && offset > 0
        && !before.fresh
        && (before.held().is_some() || matches!(before.content, Content::Long))
    {
        let length = before.held().map_or(PART as u32, |_| 1);
        match part(
            syscalls,
            mount,
            path,
            (offset, length),
            Some(&before.version),
        )
        .await
        {
            Ok(part) => {
                before.fresh |= part.fresh;
                return match before.give(offset, None) {
                    Some(told) => Ok(Some(told)),
                    None => before.give_long(&part, offset, None, &place).map(Some),
                };
            }
            Err(problem) if problem.code == Code::Changed => before.fresh = true,
            Err(problem) => return Err(problem),
        }
    }
    let (file, content) = match from_start(syscalls, mount, path).await? {
        Read::Whole(file) => {
            let text = document::text(&file.bytes).map_err(|_| no_text(&place))?;
            let digest = digest(&[&file.bytes]);
            (file, Content::Whole(digest, Some(text)))
        }
        Read::Long(file) => {
            judged(&file.bytes[..whole_letters(&file.bytes)], 0, &place)?;
            (file, Content::Long)
        }
    };
    let mut now = Known {
        mount: mount.to_owned(),
        path: path.to_owned(),
        version: file.version,
        fresh: file.fresh,
        content,
        given: Vec::new(),
    };
    if let Some(before) = known
        && offset > 0
    {
        match is_as_given(syscalls, (mount, path), before, &now).await? {
            true => note = before.differs(&now).then_some(GREW),
            false => return Ok(None),
        }
    }
    let told = match now.give(offset, note) {
        Some(told) => told,
        None => {
            let at = (offset, PART as u32);
            let part = part(syscalls, mount, path, at, Some(&now.version)).await?;
            now.give_long(&part, offset, note, &place)?
        }
    };
    *known = Some(now);
    Ok(Some(told))
}

/// Whether what was given of the file `before` reads the same `now`.
async fn is_as_given(
    syscalls: &impl Syscalls,
    (mount, path): (&str, &str),
    before: &Known,
    now: &Known,
) -> Result<bool, Problem> {
    match (&before.content, &now.content) {
        (Content::Whole(..), Content::Whole(_, text)) => {
            let is_there = |it: &Given| text.as_ref().is_some_and(|text| it.is_in(&text.text));
            Ok(before.given.iter().all(is_there))
        }
        (Content::Long, Content::Long) => {
            for it in &before.given {
                let at = (it.from, u32::try_from(it.to - it.from).unwrap_or(u32::MAX));
                let given = part(syscalls, mount, path, at, Some(&now.version)).await?;
                if digest(&[&given.bytes]) != it.digest {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn changed((mount, path): (&str, &str)) -> Problem {
    let text = format!("{mount}/{path} changed since its parts before were read");
    Problem::new(Code::Changed, text).remedy("read it again from offset 0")
}
