//! A text in which `${…}` is filled in. One that is nothing but `${…}` and white space is the value itself, of any type; in a
//! longer one each becomes text. `$${` is the text `${`.

use serde_json::Value as Json;

use crate::MAX_RESULT;
use crate::expression::{Expression, Reference, Values, weight};
use crate::fault::Wrong;
use crate::value::kind;

/// Expressions in one text at most.
const MAX_FILLED: usize = 64;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Plain(String),
    Filled(Expression),
}

impl Text {
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                plain.push_str(&rest[..at - 1]);
                plain.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            plain.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let Some(end) = end_of(inner) else {
                return Err(Wrong::new(
                    "${ is not closed",
                    "close it with }, or write $${ for the text ${",
                ));
            };
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain)));
            }
            parts.push(Part::Filled(Expression::parse(&inner[..end])?));
            rest = &inner[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        let filled = parts.iter().filter(|it| matches!(it, Part::Filled(_)));
        let filled = filled.count();
        if filled > MAX_FILLED {
            return Err(Wrong::new(
                format!("${{…}} is filled in at {filled} places, and {MAX_FILLED} are the most"),
                "split it: a step with value keeps a part of it",
            ));
        }
        let is_blank = |part: &Part| matches!(part, Part::Plain(text) if text.trim().is_empty());
        if filled == 1
            && parts
                .iter()
                .all(|it| is_blank(it) || matches!(it, Part::Filled(_)))
        {
            // The lines of a block of YAML end with a break, which nobody means as a part of the value.
            parts.retain(|it| !is_blank(it));
        }
        Ok(Self(parts))
    }

    /// The expression that the text is, and nothing else.
    pub(crate) fn expression(text: &str) -> Result<Expression, Wrong> {
        let wrong = || {
            Wrong::new(
                "is not one expression",
                "write ${…} with nothing before or after it, such as ${size(steps.found) > 0}",
            )
        };
        match Self::parse(text)?.0.as_mut_slice() {
            [Part::Filled(expression)] => Ok(expression.clone()),
            _ => Err(wrong()),
        }
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0
            .iter()
            .flat_map(|part| match part {
                Part::Plain(_) => None,
                Part::Filled(expression) => Some(expression.references()),
            })
            .flatten()
    }

    /// Whether results of steps are filled in, or what is made of them.
    pub(crate) fn has_results(&self) -> bool {
        self.references().any(|it| match it {
            Reference::Step(_) => true,
            Reference::Variable(name) => ["item", "previous"].contains(&name.as_str()),
        })
    }

    /// With everything filled in.
    ///
    /// # Errors
    /// What cannot be.
    pub(crate) fn fill(&self, values: &impl Values) -> Result<Json, String> {
        if let [Part::Filled(expression)] = self.0.as_slice() {
            return expression.evaluate(values);
        }
        let mut whole = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(text) => whole.push_str(text),
                Part::Filled(expression) => match expression.evaluate(values)? {
                    Json::String(text) => whole.push_str(&text),
                    Json::Null => {
                        return Err(format!(
                            "${{{expression}}} is null, which is not text: a step that was skipped has no result"
                        ));
                    }
                    other => whole.push_str(&other.to_string()),
                },
            }
            if whole.len() > MAX_RESULT {
                return Err(format!("more than {MAX_RESULT} bytes of text"));
            }
        }
        Ok(Json::String(whole))
    }

    /// The same, where it has to be text.
    pub(crate) fn fill_text(&self, values: &impl Values) -> Result<String, String> {
        match self.fill(values)? {
            Json::String(text) => Ok(text),
            Json::Null => Err("is null, which is not text".to_owned()),
            value @ (Json::Number(_) | Json::Bool(_)) => Ok(value.to_string()),
            value if weight(&value) <= MAX_RESULT => Ok(value.to_string()),
            value => Err(format!("{} is too long", kind(&value))),
        }
    }
}

/// Where the `}` is that closes an expression: braces and texts inside it are its own.
fn end_of(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            '"' | '\'' => {
                let is_raw = text[..at].ends_with(['r', 'R']);
                let end = at + quoted(&text[at..], char, is_raw)?;
                while chars.peek().is_some_and(|(next, _)| *next < end) {
                    chars.next();
                }
            }
            _ => {}
        }
    }
    None
}

/// Bytes of the quoted text that `text` begins with. A raw text has no escapes.
fn quoted(text: &str, quote: char, is_raw: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' if !is_raw => escaped = true,
            char if char == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    struct Only(Json);

    impl Values for Only {
        fn get(&self, _: &Reference) -> Option<&Json> {
            Some(&self.0)
        }
    }

    fn filled(text: &str, value: Json) -> Result<Json, String> {
        Text::parse(text).unwrap().fill(&Only(value))
    }

    #[test]
    fn one_expression_keeps_its_type_and_a_longer_text_is_text() {
        let list = json!([1, {"a": 2.5}]);
        assert_eq!(filled("${input}", list.clone()), Ok(list.clone()));
        assert_eq!(filled("${10}", json!(null)), Ok(json!(10)));
        assert_eq!(
            filled("is ${input}!", list),
            Ok(json!("is [1,{\"a\":2.5}]!"))
        );
        assert_eq!(
            filled("${input} or ${input}", json!("x")),
            Ok(json!("x or x"))
        );
        assert_eq!(filled("plain", json!(null)), Ok(json!("plain")));
        assert_eq!(filled(" \n", json!(null)), Ok(json!(" \n")));
        assert_eq!(filled(" ${input}\n", json!([1])), Ok(json!([1])));
        assert_eq!(filled("${2.0} ${input}", json!(4.0)), Ok(json!("2 4")));
        let why = filled("so ${input}", json!(null)).unwrap_err();
        assert!(why.contains("null"), "{why}");
    }

    #[test]
    fn braces_and_quotes_inside_are_the_expressions_own() {
        for (text, value) in [
            (r#"${{"a": {"b": 1}}}"#, json!({"a": {"b": 1}})),
            (r#"${"}" + '{' + input}"#, json!("}{x")),
            (r#"${"a\"}" + 'b\'}'}"#, json!("a\"}b'}")),
            (r"${r'\d}' + input}", json!("\\d}x")),
            ("$${input}", json!("${input}")),
            ("a $${b} ${input}", json!("a ${b} x")),
            ("$ {input} $", json!("$ {input} $")),
        ] {
            assert_eq!(filled(text, json!("x")), Ok(value), "{text}");
        }
        for open in ["${", "${input", "${'}", "a ${{}"] {
            let wrong = Text::parse(open).unwrap_err();
            assert!(wrong.what.contains("not closed"), "{open}: {wrong:?}");
        }
        let two = Text::parse("${{ steps.found }}").unwrap_err();
        assert_eq!(two.remedy, "write one brace: ${steps.found}");
        let many = Text::parse(&"${1}".repeat(MAX_FILLED + 1)).unwrap_err();
        assert!(many.what.contains("at 65 places"), "{many:?}");
    }

    #[test]
    fn a_condition_is_one_expression() {
        assert!(Text::expression("${input == 'a'}").is_ok());
        assert!(Text::expression("${input}\n").is_ok());
        for text in ["input == 'a'", "${input} .", "", "${1}${2}"] {
            assert!(Text::expression(text).is_err(), "{text}");
        }
    }
}
