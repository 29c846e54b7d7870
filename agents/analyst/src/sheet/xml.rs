//! The tokens of one part. Names are as they are written: what a prefix stands for is no question here.

use std::borrow::Cow;
use std::io;

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesEnd, BytesStart, Event};

use super::archive::Archive;
use super::bounded::Bounded;

/// A part that is read token by token.
pub(super) struct Part {
    reader: Reader<Bounded>,
    buffer: Vec<u8>,
    /// What is said before an error.
    said: String,
}

/// A tag, or a text between two.
pub(super) enum Token<'t> {
    Start(Element<'t>),
    End(BytesEnd<'t>),
    Text(Cow<'t, str>),
    /// A comment, a declaration: nothing of a sheet.
    Aside,
}

/// A tag that begins an element.
pub(super) struct Element<'t> {
    tag: BytesStart<'t>,
    said: &'t str,
}

fn said(said: &str, error: &quick_xml::Error) -> io::Error {
    match error {
        quick_xml::Error::Io(inner) => io::Error::other(format!("{said}: {inner}")),
        other => io::Error::other(format!("{said}: {other}")),
    }
}

impl Archive {
    /// Opens a part of at most so many bytes; an error in it begins with what is to be said.
    pub(super) fn tokens(&self, name: &str, most: u64, said: &str) -> io::Result<Part> {
        let mut reader = Reader::from_reader(Bounded::new(self.part(name)?, name, most));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        Ok(Part {
            reader,
            buffer: Vec::new(),
            said: said.to_owned(),
        })
    }

    /// Calls `visit` for each token of a part.
    pub(super) fn walk(
        &self,
        name: &str,
        most: u64,
        mut visit: impl FnMut(Token<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let said = format!("the workbook's part {name} cannot be read (it may be encrypted)");
        let mut part = self.tokens(name, most, &said)?;
        while let Some(token) = part.next()? {
            visit(token)?;
        }
        Ok(())
    }
}

impl Part {
    /// The next token; none at the end of the part.
    pub(super) fn next(&mut self) -> io::Result<Option<Token<'_>>> {
        self.buffer.clear();
        let bad =
            |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", self.said));
        let event = self
            .reader
            .read_event_into(&mut self.buffer)
            .map_err(|error| said(&self.said, &error))?;
        Ok(Some(match event {
            Event::Start(tag) | Event::Empty(tag) => {
                whole(&tag).map_err(|error| bad(&error))?;
                Token::Start(Element {
                    tag,
                    said: &self.said,
                })
            }
            Event::End(tag) => {
                if !is_name(tag.name().as_ref().trim_ascii_end()) {
                    return Err(bad(&format!(
                        "</{}> is no tag",
                        String::from_utf8_lossy(tag.name().as_ref())
                    )));
                }
                Token::End(tag)
            }
            Event::Text(text) => Token::Text(text.decode().map_err(|error| bad(&error))?),
            Event::CData(text) => Token::Text(text.decode().map_err(|error| bad(&error))?),
            Event::GeneralRef(name) => match name
                .resolve_char_ref()
                .map_err(|error| said(&self.said, &error))?
            {
                Some(c) => Token::Text(c.to_string().into()),
                None => {
                    let name = name.decode().map_err(|error| bad(&error))?;
                    match resolve_predefined_entity(&name) {
                        Some(text) => Token::Text(text.into()),
                        None => return Err(bad(&format!("the entity &{name}; is none"))),
                    }
                }
            },
            Event::Eof => return Ok(None),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => Token::Aside,
        }))
    }
}

/// Refuses a tag that is damaged, where a lenient reader would go on behind it.
fn whole(tag: &BytesStart<'_>) -> Result<(), String> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    if !is_name(tag.name().as_ref()) {
        return Err(format!("<{}> is no tag", text(tag.name().as_ref())));
    }
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if !is_name(attribute.key.as_ref()) || attribute.value.contains(&b'<') {
            return Err(format!(
                "the tag <{}> is damaged",
                text(tag.name().as_ref())
            ));
        }
    }
    Ok(())
}

fn is_name(name: &[u8]) -> bool {
    let begins = |c: &u8| !c.is_ascii() || c.is_ascii_alphabetic() || matches!(c, b':' | b'_');
    name.first().is_some_and(begins)
        && name
            .iter()
            .all(|c| begins(c) || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
}

impl Element<'_> {
    /// Its name without a prefix.
    pub(super) fn local(&self) -> &[u8] {
        self.tag.local_name().into_inner()
    }

    /// Whether it has this prefix.
    pub(super) fn is_of(&self, prefix: &[u8]) -> bool {
        self.tag
            .name()
            .prefix()
            .is_some_and(|own| own.as_ref() == prefix)
    }

    /// An attribute by its name without a prefix; empty where there is none.
    pub(super) fn attribute(&self, name: &str) -> io::Result<Cow<'_, str>> {
        self.find(|_, local| local == name.as_bytes())
            .map(Option::unwrap_or_default)
    }

    /// An attribute with one prefix, or with any where none is given.
    pub(super) fn prefixed(&self, prefix: Option<&str>, name: &str) -> io::Result<Cow<'_, str>> {
        let of = |own: &[u8]| prefix.map_or(!own.is_empty(), |prefix| own == prefix.as_bytes());
        self.find(|own, local| local == name.as_bytes() && of(own))
            .map(Option::unwrap_or_default)
    }

    fn find(&self, is: impl Fn(&[u8], &[u8]) -> bool) -> io::Result<Option<Cow<'_, str>>> {
        for attribute in self.tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| said(self.said, &error.into()))?;
            let prefix = attribute.key.prefix();
            if !is(
                prefix.as_ref().map_or(&[], |prefix| prefix.as_ref()),
                attribute.key.local_name().as_ref(),
            ) {
                continue;
            }
            let bad =
                |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", self.said));
            let text = match attribute.value {
                Cow::Borrowed(raw) => std::str::from_utf8(raw).map(Cow::Borrowed),
                Cow::Owned(raw) => String::from_utf8(raw)
                    .map(Cow::Owned)
                    .map_err(|error| error.utf8_error()),
            };
            let text = text.map_err(|error| bad(&error))?;
            return match memchr::memchr(b'&', text.as_bytes()) {
                None => Ok(Some(text)),
                Some(_) => unescape(&text)
                    .map(|text| Some(Cow::Owned(text.into_owned())))
                    .map_err(|error| bad(&error)),
            };
        }
        Ok(None)
    }
}
