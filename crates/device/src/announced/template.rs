//! Templates of Home Assistant that say the same as a JSON pointer, a factor or `{{value}}`. Every other one is a program, and is
//! refused by what is in it.

use super::parts::decimal;

/// The longest template that is looked at, in bytes.
const MAX: usize = 1024;

/// What a template reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Where in a payload that is JSON; all of it, if there is none.
    pub(super) pointer: Option<String>,
    /// By what a number is multiplied.
    pub(super) factor: Option<String>,
}

/// What a `value_template` reads.
///
/// # Errors
/// It does more than that.
pub(super) fn reads(template: &str) -> Result<Read, String> {
    let whole = template.trim();
    let other = || {
        format!(
            "the template {} does more than name a place in the payload",
            told(whole)
        )
    };
    if whole.len() > MAX {
        return Err("the template is longer than 1,024 bytes".to_owned());
    }
    let inner = whole
        .strip_prefix("{{")
        .and_then(|it| it.strip_suffix("}}"));
    let inner = inner.filter(|it| !it.contains("{{") && !it.contains("}}") && !it.contains("{%"));
    let inner = inner.ok_or_else(other)?.trim_matches('-').trim();
    // A filter binds its number or its place more closely than a sign does.
    let expression = match split(inner) {
        Some(_) => inner,
        None => harmless_filters(inner).ok_or_else(other)?,
    };
    let (operand, scaled) = match split(expression) {
        Some((operand, operator, number)) => {
            let number: f64 = number.parse().map_err(|_| other())?;
            let factor = if operator == '*' {
                number
            } else {
                1.0 / number
            };
            let factor = decimal(factor)
                .filter(|_| factor != 0.0)
                .ok_or_else(other)?;
            (operand, Some(factor))
        }
        None => (expression, None),
    };
    let operand = operand.trim();
    let bracketed = operand
        .strip_prefix('(')
        .and_then(|it| it.strip_suffix(')'));
    let operand = harmless_filters(bracketed.unwrap_or(operand).trim()).ok_or_else(other)?;
    let pointer = match operand {
        "value" | "value_json" => None,
        path => {
            Some(pointer(path.strip_prefix("value_json").ok_or_else(other)?).ok_or_else(other)?)
        }
    };
    Ok(Read {
        pointer,
        factor: scaled,
    })
}

/// An expression without filters that change nothing of what a device says; `None` with another one.
fn harmless_filters(expression: &str) -> Option<&str> {
    // Those of a bracketed operand are its own.
    let from = expression.rfind(')').unwrap_or(0);
    let Some(at) = expression[from..].find('|') else {
        return Some(expression);
    };
    let filters = &expression[from + at + 1..];
    let harmless = |it: &str| matches!(it.trim(), "is_defined" | "float");
    filters
        .split('|')
        .all(harmless)
        .then(|| expression[..from + at].trim())
}

/// `OPERAND * NUMBER` and `OPERAND / NUMBER`.
fn split(expression: &str) -> Option<(&str, char, &str)> {
    let at = expression.rfind(['*', '/'])?;
    let number = expression[at + 1..].trim();
    let plain = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let operator = if expression[at..].starts_with('*') {
        '*'
    } else {
        '/'
    };
    plain.then(|| (expression[..at].trim(), operator, number))
}

/// The steps behind `value_json`, as a pointer.
fn pointer(mut path: &str) -> Option<String> {
    let mut pointer = String::new();
    while !path.is_empty() {
        let (step, rest) = if let Some(behind) = path.strip_prefix(".get(") {
            let (key, rest) = quoted(behind.trim_start())?;
            (key, rest.trim_start().strip_prefix(')')?)
        } else if let Some(behind) = path.strip_prefix('.') {
            let end = behind
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(behind.len());
            let (name, rest) = behind.split_at(end);
            // Else it is a call.
            if name.is_empty() || rest.starts_with('(') {
                return None;
            }
            (name, rest)
        } else {
            let behind = path.strip_prefix('[')?.trim_start();
            let (key, rest) = match behind.starts_with(|c: char| c.is_ascii_digit()) {
                true => behind.split_at(behind.find(|c: char| !c.is_ascii_digit())?),
                false => quoted(behind)?,
            };
            (key, rest.trim_start().strip_prefix(']')?)
        };
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        path = rest;
    }
    (!pointer.is_empty()).then_some(pointer)
}

/// A string in quotes without escapes, and what is behind it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|it| matches!(it, '\'' | '"'))?;
    let (inner, rest) = text[1..].split_once(quote)?;
    (!inner.contains('\\')).then_some((inner, rest))
}

/// A payload with `{{value}}` of a `command_template`, in which the value has this name.
///
/// # Errors
/// It does more than say the value.
pub(super) fn writes(template: &str, named: &str) -> Result<String, String> {
    let other = || {
        format!(
            "the template {} does more than say {{{{ value }}}}",
            told(template)
        )
    };
    if template.len() > MAX {
        return Err("the template is longer than 1,024 bytes".to_owned());
    }
    let (before, rest) = template.split_once("{{").ok_or_else(other)?;
    let (inner, after) = rest.split_once("}}").ok_or_else(other)?;
    let plain = |it: &str| !it.contains("{{") && !it.contains("{%") && !it.contains("{#");
    if !["value", named].contains(&inner.trim()) || !plain(before) || !plain(after) {
        return Err(other());
    }
    Ok(format!("{before}{{{{value}}}}{after}"))
}

fn told(text: &str) -> String {
    crate::payload::scalar_told(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_name_a_place_are_pointers() {
        for (template, pointer, factor) in [
            ("{{ value }}", None, None),
            ("{{ value_json }}", None, None),
            ("{{ value_json.state }}", Some("/state"), None),
            ("{{value_json.POWER}}", Some("/POWER"), None),
            ("{{ value_json['state_l1'] }}", Some("/state_l1"), None),
            ("{{ value_json[\"a/b\"].c[0] }}", Some("/a~1b/c/0"), None),
            ("{{ value_json.get('x') }}", Some("/x"), None),
            ("{{ value_json.x | is_defined }}", Some("/x"), None),
            (
                "{{ value_json['SI7021'].Temperature | float }}",
                Some("/SI7021/Temperature"),
                None,
            ),
            ("{{ value_json.power / 10 }}", Some("/power"), Some("0.1")),
            (
                "{{ (value_json.v | float) * 0.001 }}",
                Some("/v"),
                Some("0.001"),
            ),
            ("{{ value | float / 1000 }}", None, Some("0.001")),
        ] {
            let read = reads(template).unwrap();
            assert_eq!(read.pointer.as_deref(), pointer, "{template}");
            assert_eq!(read.factor.as_deref(), factor, "{template}");
        }
    }

    #[test]
    fn every_other_template_is_refused_and_named() {
        let deep = format!("{{{{ value_json{} }}}}", ".a".repeat(2000));
        for template in [
            "",
            "on",
            "{{ value_json.x | round(1) }}",
            "{{ value_json.x | int }}",
            "{{ value_json.x | default('y') }}",
            "{{ value_json.x if value_json.y else 1 }}",
            "{% if value_json.ison %}ON{% else %}OFF{% endif %}",
            "{{ value_json.items() }}",
            "{{ value_json.a }}{{ value_json.b }}",
            "{{ value_json.x / 3 }}",
            "{{ value_json.x / 0 }}",
            "{{ value_json.x * 0 }}",
            "{{ states('sensor.x') }}",
            "{{ value_json[ }}",
            "{{ value_json['a }}",
            "{{ value_json. }}",
            "{{ value_json.get('a', 1) }}",
            "{{ ( }}",
            &deep,
        ] {
            let why = reads(template).unwrap_err();
            assert!(
                why.contains("template") && why.len() < 300,
                "{template}: {why}"
            );
        }
    }

    #[test]
    fn a_command_says_the_value_once() {
        let written = writes(r#"{"mode": "{{ value }}"}"#, "value").unwrap();
        assert_eq!(written, r#"{"mode": "{{value}}"}"#);
        assert_eq!(
            writes("{\"x\": {{ position }}}", "position").unwrap(),
            "{\"x\": {{value}}}"
        );
        for template in [
            "ON",
            "{{ value | int }}",
            "{{ value }}{{ value }}",
            "{{ position }}",
            "{% if value %}1{% endif %}",
        ] {
            assert!(writes(template, "value").is_err(), "{template}");
        }
    }
}
