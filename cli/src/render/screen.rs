//! What the terminal can show: width, colour, characters beyond ASCII. Found out once, from the environment.

use std::{
    env,
    io::{self, IsTerminal},
};

pub(crate) use aion_abi::seen::exact;
use aion_abi::seen::is_wild;
use clap::ValueEnum;
use unicode_width::UnicodeWidthStr;

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    #[default]
    Auto,
    /// Always, also into a pipe
    Always,
    /// Never
    Never,
}

/// How a piece of text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warn,
    Bad,
    Faint,
    Strong,
}

/// The terminal, or the lack of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns of standard output; `None` where it is not a terminal: lines are not wrapped there.
    pub(crate) width: Option<usize>,
    /// Whether standard output takes colour.
    pub(crate) colour: bool,
    /// Whether standard error takes colour.
    pub(crate) colour_err: bool,
    /// Whether characters beyond ASCII can be shown.
    pub(crate) unicode: bool,
    /// Whether standard error is a terminal, so that progress may be drawn and redrawn there.
    pub(crate) live: bool,
}

impl Screen {
    /// Looks at the process's own streams and environment.
    pub(crate) fn of_process(colour: Colour) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let plain = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        let coloured = |terminal| match colour {
            Colour::Auto => terminal && !plain,
            Colour::Always => true,
            Colour::Never => false,
        };
        Self {
            width: out.then(columns),
            colour: coloured(out),
            colour_err: coloured(err),
            unicode: locale_is_utf8(|name| env::var(name).ok()),
            live: err && env::var_os("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    /// `text` in the colour of its tone, for standard output.
    pub(crate) fn paint(&self, text: &str, tone: Tone) -> String {
        paint(self.colour, text, tone)
    }

    /// As [`Screen::paint`], for standard error.
    pub(crate) fn paint_err(&self, text: &str, tone: Tone) -> String {
        paint(self.colour_err, text, tone)
    }

    /// `fancy` where it can be shown, else `plain`.
    pub(crate) fn pick<'a>(&self, fancy: &'a str, plain: &'a str) -> &'a str {
        if self.unicode { fancy } else { plain }
    }

    /// Breaks `text` at spaces into lines no wider than the terminal less `indent`. A word that is wider stands
    /// alone on its line. Without a terminal it stays one line.
    pub(crate) fn wrap(&self, text: &str, indent: usize) -> Vec<String> {
        let Some(width) = self.width else {
            return text.lines().map(str::to_owned).collect();
        };
        let room = width.saturating_sub(indent).max(20);
        text.lines()
            .flat_map(|line| wrap_line(line, room))
            .collect()
    }
}

fn wrap_line(line: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].width() + 1 + word.width() > room {
            lines.push(word.to_owned());
            continue;
        }
        if !lines[last].is_empty() {
            lines[last].push(' ');
        }
        lines[last].push_str(word);
    }
    lines
}

fn paint(colour: bool, text: &str, tone: Tone) -> String {
    if !colour || text.is_empty() {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
        Tone::Strong => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).max(40))
}

/// The first of the three variables that is set decides, as POSIX has it.
fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// What text from elsewhere may not do: move the cursor, recolour the screen, set its title. Control characters
/// but newline and tab become visible.
pub(crate) fn tame(text: &str) -> String {
    if !text.chars().any(is_wild) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| match c {
            '\r' => String::new(),
            c if is_wild(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
impl Screen {
    /// A screen of `width` columns for tests.
    pub(crate) fn test(width: Option<usize>, colour: bool, unicode: bool) -> Self {
        Self {
            width,
            colour,
            colour_err: colour,
            unicode,
            live: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_to_the_width_and_only_there() {
        let screen = Screen::test(Some(40), false, true);
        let text = "one two three four five six seven eight nine ten";
        for line in screen.wrap(text, 10) {
            assert!(line.width() <= 30, "{line:?}");
        }
        assert_eq!(screen.wrap(text, 10).join(" "), text);
        assert_eq!(Screen::test(None, false, true).wrap(text, 10), [text]);
    }

    #[test]
    fn a_word_wider_than_the_screen_is_kept_whole() {
        let screen = Screen::test(Some(40), false, true);
        let digest = "sha256:".to_owned() + &"0".repeat(64);
        assert_eq!(screen.wrap(&format!("see {digest}"), 0), ["see", &digest]);
    }

    #[test]
    fn without_colour_no_escape_is_written() {
        let plain = Screen::test(None, false, true);
        assert_eq!(plain.paint("x", Tone::Bad), "x");
        assert_eq!(
            Screen::test(None, true, true).paint("x", Tone::Bad),
            "\x1b[31mx\x1b[0m"
        );
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let check = |set: &[(&str, &str)], expect: bool| {
            let found = locale_is_utf8(|name| {
                let found = set.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(found, expect, "{set:?}");
        };
        check(&[("LANG", "en_US.UTF-8")], true);
        check(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], false);
        check(&[("LC_ALL", ""), ("LANG", "C.utf8")], true);
        check(&[], false);
    }

    #[test]
    fn an_answer_cannot_move_the_cursor_or_turn_text_around() {
        assert_eq!(tame("a\x1b[2Jb\r\nc\td"), "a\\u{1b}[2Jb\nc\td");
        assert_eq!(tame("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(tame("Grüße ✓"), "Grüße ✓");
    }

    #[test]
    fn what_is_agreed_to_is_tame_and_an_answer_may_join() {
        let text = exact("a\u{1b}b\u{200d}c");
        assert_eq!(tame(&text), text, "tables tame it once more");
        assert_eq!(tame("👩\u{200d}🚀"), "👩\u{200d}🚀", "an answer may join");
    }
}
