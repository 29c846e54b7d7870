//! Which operations of a tool a right or a pattern is about: `calendar.read`, `calendar.*`, `calendar."free at?"`. Pure.
//!
//! A tool's name has no dot, so the first one ends it. What follows is an operation as its server names it: plain, or
//! in quotation marks where it has other characters than a plain one, `\"` and `\\` within. `*` stands for all of them,
//! `files.*` for those that begin with `files.`; an operation that is called `*` is quoted.

use std::fmt;

/// Operations of a tool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operations {
    /// The tool; `None` in a pattern for all of them.
    pub tool: Option<String>,
    /// Which of its operations.
    pub which: Which,
}

/// One operation, or many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// The one of this name, as its server says it.
    One(String),
    /// Those whose names begin so; empty for all.
    Beginning(String),
}

impl Operations {
    /// Reads them as people write them; `None` where they are not so written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self {
                tool: None,
                which: Which::Beginning(String::new()),
            });
        }
        let (tool, operation) = text.split_once('.')?;
        if tool.is_empty() {
            return None;
        }
        let which = match operation.strip_prefix('"') {
            Some(quoted) => Which::One(unquoted(quoted)?),
            None if operation == "*" => Which::Beginning(String::new()),
            None => match operation.strip_suffix(".*") {
                Some(before) if is_plain(before) => Which::Beginning(format!("{before}.")),
                _ if is_plain(operation) => Which::One(operation.to_owned()),
                _ => return None,
            },
        };
        Some(Self {
            tool: Some(tool.to_owned()),
            which,
        })
    }

    /// Whether these are all of `other`, or more.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        let tool = self.tool.is_none() || self.tool == other.tool;
        tool && match (&self.which, &other.which) {
            (Which::One(one), Which::One(other)) => one == other,
            (Which::Beginning(with), Which::One(name) | Which::Beginning(name)) => {
                name.starts_with(with)
            }
            (Which::One(_), Which::Beginning(_)) => false,
        }
    }

    /// Whether `tool.operation`, as a call names it, is one of these.
    #[must_use]
    pub fn have(&self, called: &str) -> bool {
        called.split_once('.').is_some_and(|(tool, operation)| {
            self.cover(&Self {
                tool: Some(tool.to_owned()),
                which: Which::One(operation.to_owned()),
            })
        })
    }
}

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tool) = &self.tool else {
            return f.write_str("*");
        };
        match &self.which {
            Which::One(name) if is_plain(name) => write!(f, "{tool}.{name}"),
            Which::One(name) => {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "{tool}.\"{name}\"")
            }
            Which::Beginning(with) => write!(f, "{tool}.{with}*"),
        }
    }
}

/// Letters, digits and `_-./` of ASCII, the first a letter, a digit or `_`; not one that ends in `.`, which `.*` would
/// make ambiguous.
fn is_plain(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && name.bytes().all(fits)
}

/// What stands before the closing mark, which must be the end.
fn unquoted(quoted: &str) -> Option<String> {
    let mut name = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => match chars.next()? {
                it @ ('"' | '\\') => name.push(it),
                _ => return None,
            },
            it if it.is_control() => return None,
            it => name.push(it),
        }
    }
    (chars.next().is_none() && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read_and_written_again() {
        for (text, written) in [
            ("calendar.read", Some("calendar.read")),
            ("calendar.\"read\"", Some("calendar.read")),
            ("files.a/b.c-d", Some("files.a/b.c-d")),
            ("depot.\"stock: now\"", Some("depot.\"stock: now\"")),
            (
                "depot.\"say \\\"hi\\\" \\\\\"",
                Some("depot.\"say \\\"hi\\\" \\\\\""),
            ),
            ("depot.\"在庫\"", Some("depot.\"在庫\"")),
            ("depot.*", Some("depot.*")),
            ("depot.\"*\"", Some("depot.\"*\"")),
            ("depot.files.*", Some("depot.files.*")),
            ("*", Some("*")),
            ("depot.stock: now", None),
            ("depot.\"open", None),
            ("depot.\"a\"b", None),
            ("depot.\"\"", None),
            ("depot.", None),
            (".read", None),
            ("depot", None),
        ] {
            let read = Operations::parse(text);
            assert_eq!(read.map(|it| it.to_string()).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn what_covers_what() {
        let check = |one: &str, other: &str, covers: bool| {
            let (a, b) = (
                Operations::parse(one).unwrap(),
                Operations::parse(other).unwrap(),
            );
            assert_eq!(a.cover(&b), covers, "{one} {other}");
        };
        check("*", "depot.*", true);
        check("depot.*", "depot.\"a b\"", true);
        check("depot.*", "depot.*", true);
        check("depot.*", "depots.a", false);
        check("depot.a", "depot.*", false);
        check("depot.\"*\"", "depot.a", false);
        check("depot.files.*", "depot.files.read", true);
        check("depot.files.*", "depot.file", false);
        assert!(
            Operations::parse("depot.\"a.b: c\"")
                .unwrap()
                .have("depot.a.b: c")
        );
        assert!(!Operations::parse("depot.a").unwrap().have("depot"));
    }
}
