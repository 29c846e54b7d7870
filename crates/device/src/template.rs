//! Topics and payloads with `{{name}}` in them. A payload that is JSON stays JSON whatever is filled in: a text beside quotes
//! becomes a JSON string, and one between them is escaped.
//!
//! What may not enter: what the names mean, and types of resources.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value as Json;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// What stands in for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filler<'a> {
    /// A text: a string where the template is JSON.
    Text(Cow<'a, str>),
    /// A number, `true` or `false`: the same in JSON and outside of it.
    Literal(Cow<'a, str>),
}

impl<'a> Filler<'a> {
    /// A text that somebody wrote into a resource: a number, `true` or `false` in it is meant as one.
    #[must_use]
    pub fn written(text: &'a str) -> Self {
        match serde_json::from_str(text) {
            // With spaces around it, it is a text.
            Ok(Json::Number(_) | Json::Bool(_)) if text.trim() == text => {
                Self::Literal(text.into())
            }
            _ => Self::Text(text.into()),
        }
    }
}

/// A topic or payload with names in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    parts: Box<[Part]>,
    of: Of,
}

/// What a template is, which says how a value is written in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Text,
    Json,
    Path,
    Form,
}

/// What is not escaped in a path, a query or a form (RFC 3986, 2.3).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Text(Box<str>),
    Field {
        name: Box<str>,
        /// Within a string of JSON.
        quoted: bool,
    },
}

impl Template {
    /// A text: what is filled in stands there as it is.
    ///
    /// # Errors
    /// `{{` without `}}`, or a name that cannot be one.
    pub fn text(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(OPEN) {
            let inner = &rest[at + OPEN.len()..];
            let end = inner
                .find(CLOSE)
                .ok_or_else(|| format!("has {OPEN} without {CLOSE}"))?;
            let name = inner[..end].trim();
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if name.is_empty() || !name.chars().all(letter) {
                return Err(format!(
                    "has {OPEN}{}{CLOSE}, and no name looks like that",
                    brief(name)
                ));
            }
            if at > 0 {
                parts.push(Part::Text(rest[..at].into()));
            }
            parts.push(Part::Field {
                name: name.into(),
                quoted: false,
            });
            rest = &inner[end + CLOSE.len()..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self {
            parts: parts.into(),
            of: Of::Text,
        })
    }

    /// A path of an address, and a query: whatever is filled in is one part of it.
    ///
    /// # Errors
    /// As for [`Template::text`].
    pub fn path(text: &str) -> Result<Self, String> {
        Ok(Self {
            of: Of::Path,
            ..Self::text(text)?
        })
    }

    /// A payload of `application/x-www-form-urlencoded`: whatever is filled in is one part of a value.
    ///
    /// # Errors
    /// As for [`Template::text`].
    pub fn form(text: &str) -> Result<Self, String> {
        Ok(Self {
            of: Of::Form,
            ..Self::text(text)?
        })
    }

    /// A payload. It is JSON if it begins with `{` (but not with a name), `[` or `"`.
    ///
    /// # Errors
    /// As for [`Template::text`], and where a name in JSON stands within a number or after a backslash.
    pub fn payload(text: &str) -> Result<Self, String> {
        let mut this = Self::text(text)?;
        let start = text.trim_start();
        let json =
            start.starts_with(['[', '"']) || (start.starts_with('{') && !start.starts_with(OPEN));
        if json {
            this.of = Of::Json;
            this.quote()?;
        }
        Ok(this)
    }

    /// Finds which names stand within strings.
    fn quote(&mut self) -> Result<(), String> {
        let (mut quoted, mut escaped) = (false, false);
        // The last character outside of strings that is not a space.
        let mut before = None;
        for part in &mut self.parts {
            match part {
                Part::Field {
                    name,
                    quoted: within,
                } => {
                    if escaped {
                        return Err(format!("has a backslash before {OPEN}{name}{CLOSE}"));
                    }
                    if !quoted {
                        if !matches!(before, Some(':' | ',' | '[')) {
                            return Err(format!(
                                "has {OPEN}{name}{CLOSE} where JSON takes no value"
                            ));
                        }
                        before = Some('v');
                    }
                    *within = quoted;
                }
                Part::Text(text) => {
                    for c in text.chars() {
                        if escaped {
                            escaped = false;
                        } else if quoted {
                            escaped = c == '\\';
                            quoted = c != '"';
                        } else if !c.is_ascii_whitespace() {
                            if before == Some('v') && !matches!(c, ',' | ']' | '}') {
                                return Err(format!(
                                    "has {c:?} right after a value that is filled in"
                                ));
                            }
                            quoted = c == '"';
                            before = Some(c);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what is filled in has to be JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.of == Of::Json
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The names in it, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field { name, .. } => Some(&**name),
            Part::Text(_) => None,
        })
    }

    /// Fills it in.
    ///
    /// # Errors
    /// The name for which there is nothing.
    pub fn fill<'v>(
        &self,
        mut value: impl FnMut(&str) -> Option<Filler<'v>>,
    ) -> Result<String, &str> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field { name, quoted } => match value(name).ok_or(&**name)? {
                    Filler::Literal(text) | Filler::Text(text)
                        if matches!(self.of, Of::Path | Of::Form) =>
                    {
                        filled.extend(utf8_percent_encode(&text, &UNRESERVED));
                    }
                    Filler::Literal(text) => filled.push_str(&text),
                    Filler::Text(text) if self.of == Of::Text => filled.push_str(&text),
                    Filler::Text(text) => {
                        let string = Json::String(text.into_owned()).to_string();
                        filled.push_str(match quoted {
                            true => &string[1..string.len() - 1],
                            false => &string,
                        });
                    }
                },
            }
        }
        Ok(filled)
    }

    /// The name that makes its segment of a path empty, `.` or `..`: a server then reads another path (RFC 3986, 5.2.4), and no
    /// escape helps.
    pub fn stray<'v>(&self, mut value: impl FnMut(&str) -> Option<Filler<'v>>) -> Option<&str> {
        if self.of != Of::Path {
            return None;
        }
        let (mut segment, mut last) = (String::new(), None);
        let strays = |segment: &str| {
            let read = percent_decode_str(segment).collect::<Vec<u8>>();
            matches!(&read[..], b"" | b"." | b"..")
        };
        for part in &self.parts {
            match part {
                Part::Field { name, .. } => {
                    let (Filler::Literal(text) | Filler::Text(text)) = value(name)?;
                    segment.extend(utf8_percent_encode(&text, &UNRESERVED));
                    last = Some(&**name);
                }
                Part::Text(text) => {
                    let path = text.find(['?', '#']).map_or(&**text, |at| &text[..at]);
                    let mut rest = path;
                    while let Some(at) = rest.find('/') {
                        segment.push_str(&rest[..at]);
                        if last.is_some() && strays(&segment) {
                            return last;
                        }
                        (segment, last, rest) = (String::new(), None, &rest[at + 1..]);
                    }
                    segment.push_str(rest);
                    if path.len() < text.len() {
                        break;
                    }
                }
            }
        }
        last.filter(|_| strays(&segment))
    }
}

fn brief(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn filled(template: &str, filler: &Filler<'static>) -> String {
        Template::payload(template)
            .unwrap()
            .fill(|_| Some(filler.clone()))
            .unwrap()
    }

    #[test]
    fn a_value_is_json_where_the_payload_is() {
        let text = Filler::Text("a \"b\"\n".into());
        let number = Filler::Literal("-21.5".into());
        for (template, with_text, with_number) in [
            ("{{value}}", "a \"b\"\n", "-21.5"),
            ("set {{ value }}!", "set a \"b\"\n!", "set -21.5!"),
            (
                r#"{"v": {{value}}}"#,
                r#"{"v": "a \"b\"\n"}"#,
                r#"{"v": -21.5}"#,
            ),
            (
                r#"{"v": "is {{value}}"}"#,
                r#"{"v": "is a \"b\"\n"}"#,
                r#"{"v": "is -21.5"}"#,
            ),
            (
                r#"["\\", {{value}} ]"#,
                r#"["\\", "a \"b\"\n" ]"#,
                r#"["\\", -21.5 ]"#,
            ),
            (r#""{{value}}""#, r#""a \"b\"\n""#, r#""-21.5""#),
        ] {
            assert_eq!(filled(template, &text), with_text);
            assert_eq!(filled(template, &number), with_number);
        }
    }

    #[test]
    fn what_could_break_json_is_refused_before_it_is_filled() {
        for template in [
            r#"{"v": 1{{value}}}"#,
            r#"{"v": {{value}}0}"#,
            r#"{"v": {{value}}{{value}}}"#,
            r#"{ {{value}}: 1}"#,
            r#"{"v": "\{{value}}"}"#,
            "{{value",
            "{{}}",
            "{{a b}}",
            "{{{value}}}",
        ] {
            assert!(Template::payload(template).is_err(), "{template}");
        }
    }

    #[test]
    fn what_somebody_wrote_as_a_number_is_one() {
        assert_eq!(
            filled(r#"{"id": {{id}}}"#, &Filler::written("0")),
            r#"{"id": 0}"#
        );
        assert_eq!(
            filled(r#"{"id": {{id}}}"#, &Filler::written("007")),
            r#"{"id": "007"}"#
        );
        assert_eq!(
            filled(r#"{"id": {{id}}}"#, &Filler::written(" 7")),
            r#"{"id": " 7"}"#
        );
    }

    #[test]
    fn what_is_filled_into_a_path_stays_one_part_of_it() {
        let template = Template::path("/cm?cmnd=Power%20{{value}}&x={{ x }}").unwrap();
        let fill = |text: &'static str| template.fill(|_| Some(Filler::written(text))).unwrap();
        assert_eq!(fill("on"), "/cm?cmnd=Power%20on&x=on");
        assert_eq!(fill("-1.5"), "/cm?cmnd=Power%20-1.5&x=-1.5");
        let hostile = fill("a/../b?c=d&e#f\r\n ü");
        let one = "a%2F..%2Fb%3Fc%3Dd%26e%23f%0D%0A%20%C3%BC";
        assert_eq!(hostile, format!("/cm?cmnd=Power%20{one}&x={one}"));
    }

    #[test]
    fn a_value_that_would_leave_its_part_of_a_path_is_found() {
        let stray = |template: &str, x: &'static str| {
            let template = Template::path(template).unwrap();
            let found = template.stray(|_| Some(Filler::Text(x.into())));
            found.is_some()
        };
        for (template, x) in [
            ("/light/{{x}}/on", ".."),
            ("/light/{{x}}/on", "."),
            ("/light/{{x}}/on", ""),
            ("/light/{{x}}", ".."),
            ("/light/{{x}}?a=b", ".."),
            ("/light/.{{x}}/on", "."),
            ("/light/%2E{{x}}/on", "."),
            ("/light/{{x}}{{x}}#a", "."),
        ] {
            assert!(stray(template, x), "{template} {x:?}");
        }
        for (template, x) in [
            ("/light/{{x}}/on", "..."),
            ("/light/{{x}}/on", "a/.."),
            ("/light/{{x}}/on", "%2e"),
            ("/light/-{{x}}/on", ""),
            ("/light/{{x}}{{x}}/on", ".."),
            ("/light?x={{x}}", ".."),
            ("/light?a/{{x}}/b", ".."),
            ("/light#{{x}}", ""),
        ] {
            assert!(!stray(template, x), "{template} {x:?}");
        }
        let payload = Template::payload("{{x}}").unwrap();
        assert_eq!(payload.stray(|_| Some(Filler::Text("..".into()))), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_json(text in any::<String>(), other in "[\"\\\\{}\\[\\],:a\\x00-\\x1f]{0,12}") {
            let template = Template::payload(
                r#"{"a": {{value}}, "b": "x {{value}} \\ {{other}}", "c": [{{other}}, {"d": "{{other}}"}]}"#,
            ).unwrap();
            let filled = template.fill(|name| {
                Some(Filler::Text(if name == "value" { text.clone() } else { other.clone() }.into()))
            }).unwrap();
            let json: Json = serde_json::from_str(&filled).unwrap();
            prop_assert_eq!(&json["a"], &text);
            prop_assert_eq!(&json["b"], &format!("x {text} \\ {other}"));
            prop_assert_eq!(&json["c"][0], &other);
            prop_assert_eq!(&json["c"][1]["d"], &other);
        }
    }
}
