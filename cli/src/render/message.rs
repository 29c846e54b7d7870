//! Failures on standard error: what, where, what to do, each on its own line.

use super::screen::{Screen, Tone, tame};
use crate::failure::Failure;

/// The message of a failure, with its newline.
pub(crate) fn failure(screen: &Screen, failure: &Failure) -> String {
    let mut out = lines(
        screen,
        &screen.paint_err("error:", Tone::Bad),
        "error:".len(),
        &failure.what,
    );
    if let Some(place) = &failure.place {
        out += &lines(screen, &screen.paint_err("   at:", Tone::Faint), 6, place);
    }
    if let Some(remedy) = &failure.remedy {
        out += &lines(screen, &screen.paint_err("   do:", Tone::Strong), 6, remedy);
    }
    out
}

/// A remark that is not a failure.
pub(crate) fn note(screen: &Screen, text: &str) -> String {
    lines(screen, &screen.paint_err("note:", Tone::Faint), 5, text)
}

/// Something to mend that is not a failure.
pub(crate) fn warning(screen: &Screen, text: &str) -> String {
    let label = "warning:";
    lines(
        screen,
        &screen.paint_err(label, Tone::Warn),
        label.len(),
        text,
    )
}

fn lines(screen: &Screen, label: &str, label_width: usize, text: &str) -> String {
    let indent = " ".repeat(label_width + 1);
    let text = screen.wrap(&tame(text), label_width + 1);
    format!("{label} {}\n", text.join(&format!("\n{indent}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let told = failure(
            &Screen::test(Some(60), false, true),
            &Failure::new("the daemon does not answer: connection refused, as it is not there")
                .at("/home/me/.aion/run/admin.sock")
                .remedy("aionctl local start"),
        );
        assert_eq!(
            told,
            "error: the daemon does not answer: connection refused, as it\n       \
             is not there\n   \
             at: /home/me/.aion/run/admin.sock\n   \
             do: aionctl local start\n"
        );
    }
}
