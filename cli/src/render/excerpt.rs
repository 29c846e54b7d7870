//! A place in a manifest that must be mended: the file, the line with the fault underlined, what is wrong, what to do.

use aion_abi::admin::Rejected;
use unicode_width::UnicodeWidthStr;

use super::screen::{Screen, Tone, tame};

/// Draws one rejection. `source` is the file's text, where it is at hand.
pub(crate) fn rejection(screen: &Screen, rejected: &Rejected, source: Option<&str>) -> String {
    let bar = screen.pick("│", "|");
    let what = match &rejected.field {
        Some(field) if !rejected.message.contains(field.as_str()) => {
            format!("{field}: {}", rejected.message)
        }
        _ => rejected.message.clone(),
    };
    let mut out = paragraph(screen, &screen.paint_err("error:", Tone::Bad), 6, &what);
    let mut place = rejected.file.clone();
    if let Some(line) = rejected.line {
        place += &format!(":{line}");
    }
    if let Some(resource) = &rejected.resource {
        place += &format!("  ({resource})");
    }
    let number = rejected
        .line
        .map(|line| line.to_string())
        .unwrap_or_default();
    let gutter = " ".repeat(number.len().max(1));
    let arrow = screen.paint_err(screen.pick("──▸", "-->"), Tone::Faint);
    out += &format!("{gutter}{arrow} {}\n", tame(&place));
    let line = rejected.line.and_then(|line| {
        source?
            .lines()
            .nth(usize::try_from(line).ok()?.checked_sub(1)?)
    });
    if let Some(line) = line {
        let line = tame(&line.replace('\t', "  "));
        let (before, marked) = span(&line, rejected.field.as_deref());
        let underline = screen.paint_err(&screen.pick("╌", "^").repeat(marked.max(1)), Tone::Bad);
        let edge = screen.paint_err(bar, Tone::Faint);
        out += &format!("{gutter} {edge}\n");
        out += &format!("{} {edge} {line}\n", screen.paint_err(&number, Tone::Faint));
        out += &format!("{gutter} {edge} {}{underline}\n", " ".repeat(before));
    }
    if !rejected.remedy.is_empty() {
        out += &paragraph(
            screen,
            &format!("{gutter} {}", screen.paint_err("do:", Tone::Strong)),
            gutter.len() + 4,
            &rejected.remedy,
        );
    }
    out
}

fn paragraph(screen: &Screen, label: &str, label_width: usize, text: &str) -> String {
    let indent = " ".repeat(label_width + 1);
    let text = screen.wrap(&tame(text), label_width + 1);
    format!("{label} {}\n", text.join(&format!("\n{indent}")))
}

/// Where the fault stands in its line, in columns: how much comes before it, and how long it is. It is the value
/// after the field's key where that stands in the line, else what the line holds.
fn span(line: &str, field: Option<&str>) -> (usize, usize) {
    let held = line.trim();
    let before = line.width() - line.trim_start().width();
    let key = field
        .and_then(|field| field.rsplit('.').next())
        .map(|key| key.split('[').next().unwrap_or(key));
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return (before, held.width());
    };
    let quoted = [
        format!("{key}:"),
        format!("\"{key}\":"),
        format!("'{key}':"),
    ];
    for wanted in quoted {
        let Some(at) = line.find(&wanted) else {
            continue;
        };
        let value = line[at + wanted.len()..].trim();
        let value = value.split(" #").next().unwrap_or(value).trim();
        if value.is_empty() {
            return (line[..at].width(), wanted.width());
        }
        let start = line[at + wanted.len()..].find(value).unwrap_or_default();
        return (line[..at + wanted.len() + start].width(), value.width());
    }
    (before, held.width())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "kind: Agent\nspec:\n  limits: {tokensPerHour: lots}   # many\n  lane: fast\n";

    fn rejected(line: u32, field: &str) -> Rejected {
        Rejected {
            file: "agent.yaml".into(),
            line: Some(line),
            resource: Some("Agent/jarvis".into()),
            field: Some(field.into()),
            message: "`fast` is not a lane".into(),
            remedy: "write realtime, interactive, batch or background".into(),
        }
    }

    #[test]
    fn the_value_at_fault_is_underlined() {
        let drawn = rejection(
            &Screen::test(Some(80), false, false),
            &rejected(4, "spec.lane"),
            Some(SOURCE),
        );
        assert_eq!(
            drawn,
            "error: spec.lane: `fast` is not a lane\n \
             --> agent.yaml:4  (Agent/jarvis)\n  \
             |\n\
             4 |   lane: fast\n  \
             |         ^^^^\n  \
             do: write realtime, interactive, batch or background\n"
        );
    }

    #[test]
    fn a_field_that_does_not_stand_in_its_line_underlines_the_line() {
        assert_eq!(span("  lane: fast", Some("spec.model")), (2, 10));
        assert_eq!(span("  lane: fast  # x", Some("spec.lane")), (8, 4));
        assert_eq!(span("spec:", Some("spec")), (0, 5));
        assert_eq!(span("- mount: docs", Some("spec.files[0].mount")), (9, 4));
    }

    #[test]
    fn a_line_that_is_not_there_draws_no_excerpt() {
        let drawn = rejection(
            &Screen::test(None, false, true),
            &rejected(99, "spec.lane"),
            Some(SOURCE),
        );
        assert!(!drawn.contains('│'), "{drawn}");
        assert!(drawn.contains("agent.yaml:99"), "{drawn}");
    }
}
