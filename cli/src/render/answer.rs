//! An answer on its way to the screen: wrapped at words as it streams, emphasis shown as such. Into a pipe it goes
//! as it comes.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::screen::{Screen, tame};

/// Takes pieces of an answer in, gives what can be shown out. What it holds back, a word that may go on, comes with
/// the next piece or with [`AnswerText::finish`].
#[derive(Debug)]
pub(crate) struct AnswerText {
    width: Option<usize>,
    colour: bool,
    /// Where the next character goes.
    column: usize,
    /// The line so far, as it came: it says what a wrapped line begins with.
    line: String,
    word: String,
    spaces: usize,
    star: bool,
    bold: bool,
    fenced: bool,
}

impl AnswerText {
    pub(crate) fn new(screen: &Screen) -> Self {
        Self {
            width: screen.width,
            colour: screen.colour,
            column: 0,
            line: String::new(),
            word: String::new(),
            spaces: 0,
            star: false,
            bold: false,
            fenced: false,
        }
    }

    /// What can be shown after one more piece.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        let piece = tame(piece);
        if self.width.is_none() && !self.colour {
            return piece;
        }
        let mut out = String::new();
        for c in piece.chars() {
            match c {
                '\n' => {
                    self.end_word(&mut out);
                    self.end_line(&mut out);
                }
                ' ' => {
                    self.end_word(&mut out);
                    self.spaces += 1;
                    self.line.push(' ');
                }
                c => {
                    self.word.push(c);
                    self.line.push(c);
                }
            }
        }
        out
    }

    /// What was held back. Ends every emphasis.
    pub(crate) fn finish(&mut self) -> String {
        let mut out = String::new();
        self.end_word(&mut out);
        if self.star {
            out.push('*');
            self.star = false;
        }
        if self.bold {
            out.push_str("\x1b[0m");
            self.bold = false;
        }
        out
    }

    fn end_line(&mut self, out: &mut String) {
        if self.line.trim_start().starts_with("```") {
            self.fenced = !self.fenced;
        }
        if self.bold {
            out.push_str("\x1b[0m");
            self.bold = false;
        }
        out.push('\n');
        self.line.clear();
        self.spaces = 0;
        self.column = 0;
    }

    fn end_word(&mut self, out: &mut String) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let shown = word.replace("**", "").width();
        let spaces = std::mem::take(&mut self.spaces);
        // Code and tables mean their line ends.
        let whole = self.fenced || self.line.trim_start().starts_with('|');
        let fits = self
            .width
            .is_none_or(|width| whole || self.column + spaces + shown <= width);
        let hang = self.hang();
        if fits || self.column <= hang.width() {
            out.push_str(&" ".repeat(spaces));
            self.column += spaces;
        } else {
            out.push('\n');
            out.push_str(&hang);
            self.column = hang.width();
        }
        self.emphasise(&word, out);
    }

    /// What a line that goes on on the next one begins with.
    fn hang(&self) -> String {
        let text = self.line.trim_start();
        let indent = self.line.len() - text.len();
        let mut hang = " ".repeat(indent.min(16));
        if text.starts_with("> ") {
            hang.push_str("> ");
        } else if text.starts_with("- ") || text.starts_with("* ") {
            hang.push_str("  ");
        }
        hang
    }

    fn emphasise(&mut self, word: &str, out: &mut String) {
        for c in word.chars() {
            if c == '*' && self.colour && !self.fenced {
                if self.star {
                    self.star = false;
                    self.bold = !self.bold;
                    out.push_str(if self.bold { "\x1b[1m" } else { "\x1b[0m" });
                } else {
                    self.star = true;
                }
                continue;
            }
            if self.star {
                self.star = false;
                out.push('*');
                self.column += 1;
            }
            out.push(c);
            self.column += c.width().unwrap_or_default();
        }
        if self.star {
            // A star at a word's end: two of them stand in one word, so this one is a star.
            self.star = false;
            out.push('*');
            self.column += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(screen: Screen, pieces: &[&str]) -> String {
        let mut answer = AnswerText::new(&screen);
        let mut out: String = pieces.iter().map(|piece| answer.push(piece)).collect();
        out += &answer.finish();
        out
    }

    #[test]
    fn into_a_pipe_an_answer_goes_as_it_came() {
        let text = "A **bold**  word and\n\n    code\tx";
        assert_eq!(shown(Screen::test(None, false, true), &[text]), text);
    }

    #[test]
    fn an_answer_is_wrapped_alike_however_it_comes_in_pieces() {
        let text = "one two three four five six seven eight nine ten eleven\n\n> quoted words that go on and on until \
                    the end\n- a list item that is longer than the line is\n";
        let whole = shown(Screen::test(Some(40), false, true), &[text]);
        assert_eq!(
            whole,
            "one two three four five six seven eight\nnine ten eleven\n\n> quoted words that go on and on until\n> the \
             end\n- a list item that is longer than the\n  line is\n"
        );
        let letters: Vec<_> = text.chars().map(String::from).collect();
        let letters: Vec<_> = letters.iter().map(String::as_str).collect();
        assert_eq!(shown(Screen::test(Some(40), false, true), &letters), whole);
    }

    #[test]
    fn code_tables_and_long_words_keep_their_lines() {
        let url = format!("https://example.org/{}", "x".repeat(60));
        let text = format!(
            "```\n{}\n```\n| {} |\n{url}\n",
            "a ".repeat(40).trim_end(),
            "b ".repeat(40).trim_end()
        );
        assert_eq!(shown(Screen::test(Some(40), false, true), &[&text]), text);
    }

    #[test]
    fn emphasis_becomes_bold_and_single_stars_stay() {
        let bold = |pieces: &[&str]| shown(Screen::test(None, true, true), pieces);
        assert_eq!(bold(&["a **b c** d"]), "a \x1b[1mb c\x1b[0m d");
        assert_eq!(bold(&["a *", "*b**"]), "a \x1b[1mb\x1b[0m");
        assert_eq!(bold(&["2 * 3 = 6*"]), "2 * 3 = 6*");
        assert_eq!(
            bold(&["open **bold\nnext"]),
            "open \x1b[1mbold\x1b[0m\nnext"
        );
    }

    #[test]
    fn an_answer_cannot_recolour_the_screen() {
        assert_eq!(
            shown(Screen::test(Some(40), true, true), &["a\x1b[31mb"]),
            "a\\u{1b}[31mb"
        );
    }
}
