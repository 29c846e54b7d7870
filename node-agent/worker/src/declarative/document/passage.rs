//! Cuts a document into passages that can be found and quoted: whole paragraphs under one heading, with
//! the lines they came from. Pure.

/// A passage aims at this many bytes: small enough to be quoted, large enough to be understood.
const AIM: usize = 900;
/// No passage is longer; a longer paragraph is cut between lines, a longer line between words.
const MAX: usize = 2_400;

/// Consecutive lines of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passage {
    /// First line, 1-based.
    pub(super) first: usize,
    /// Last line, 1-based, inclusive.
    pub(super) last: usize,
    /// The headings above it, outermost first, joined by ` › `; empty where there are none.
    pub(super) heading: String,
    /// The lines as they stand in the document.
    pub(super) text: String,
}

/// The passages of `document`, in order. Markdown headings (`#`) and underlined ones start a passage;
/// a fenced block is kept with what is around it and its lines are not read as headings.
pub(super) fn split(document: &str) -> Vec<Passage> {
    let mut cutter = Cutter::default();
    let mut lines = document.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let next = lines.peek().map_or("", |(_, next)| *next);
        cutter.line(index + 1, line, next);
    }
    cutter.finish()
}

#[derive(Default)]
struct Cutter {
    done: Vec<Passage>,
    open: Option<Passage>,
    headings: Vec<(usize, String)>,
    fence: Option<&'static str>,
}

impl Cutter {
    fn line(&mut self, number: usize, line: &str, next: &str) {
        self.track_fence(line);
        if self.fence.is_none() {
            if let Some((level, title)) = heading(line, next) {
                self.close();
                self.headings.retain(|(above, _)| *above < level);
                self.headings.push((level, title));
            } else if line.trim().is_empty() && self.length() >= AIM {
                self.close();
                return;
            }
        }
        if self.length() + line.len() > MAX {
            self.close();
        }
        for piece in pieces(line) {
            if self.length() + piece.len() > MAX {
                self.close();
            }
            self.push(number, piece);
        }
    }

    fn push(&mut self, number: usize, piece: &str) {
        if self.open.is_none() && piece.trim().is_empty() {
            return;
        }
        let headings = &self.headings;
        let open = self.open.get_or_insert_with(|| Passage {
            first: number,
            last: number,
            heading: headings
                .iter()
                .map(|(_, title)| title.as_str())
                .collect::<Vec<_>>()
                .join(" › "),
            text: String::new(),
        });
        if !open.text.is_empty() {
            open.text.push('\n');
        }
        open.text.push_str(piece);
        open.last = number;
    }

    fn length(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.text.len())
    }

    fn close(&mut self) {
        let Some(mut passage) = self.open.take() else {
            return;
        };
        let kept = passage.text.trim_end().len();
        let dropped = passage.text[kept..].matches('\n').count();
        passage.text.truncate(kept);
        passage.last -= dropped.min(passage.last - passage.first);
        if !passage.text.is_empty() {
            self.done.push(passage);
        }
    }

    fn track_fence(&mut self, line: &str) {
        let start = line.trim_start();
        match self.fence {
            Some(mark) if start.starts_with(mark) => self.fence = None,
            Some(_) => {}
            None => {
                self.fence = ["```", "~~~"]
                    .into_iter()
                    .find(|mark| start.starts_with(mark))
            }
        }
    }

    fn finish(mut self) -> Vec<Passage> {
        self.close();
        self.done
    }
}

/// Level and title, if `line` is a heading: `## Title`, or a line that `next` underlines.
fn heading(line: &str, next: &str) -> Option<(usize, String)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    if (1..=6).contains(&level) && title.starts_with(' ') {
        return Some((
            level,
            title.trim().trim_end_matches('#').trim_end().to_owned(),
        ));
    }
    let underline = next.trim_end();
    let underlined = |mark| underline.len() >= 3 && underline.chars().all(|char| char == mark);
    let is_text = line.chars().any(char::is_alphanumeric) && !line.starts_with([' ', '\t', '|']);
    match () {
        () if is_text && underlined('=') => Some((1, line.trim().to_owned())),
        () if is_text && underlined('-') => Some((2, line.trim().to_owned())),
        () => None,
    }
}

/// `line` in pieces of at most [`MAX`] bytes, cut after a space where there is one.
fn pieces(mut line: &str) -> impl Iterator<Item = &str> {
    let mut first = true;
    std::iter::from_fn(move || {
        if line.is_empty() {
            return std::mem::take(&mut first).then_some("");
        }
        first = false;
        if line.len() <= MAX {
            return Some(std::mem::take(&mut line));
        }
        let bound = line.floor_char_boundary(MAX);
        let cut = line[..bound].rfind(' ').map_or(bound, |space| space + 1);
        let (piece, rest) = line.split_at(cut);
        line = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &str, expected: &[(usize, usize, &str)]) {
        let passages = split(document);
        let got: Vec<_> = passages
            .iter()
            .map(|passage| (passage.first, passage.last, passage.heading.as_str()))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_heading_starts_a_passage_and_names_it() {
        check(
            "intro\n\n# One\ntext\n\n## Deep\nmore\n\n# Two\nend\n",
            &[
                (1, 1, ""),
                (3, 4, "One"),
                (6, 7, "One › Deep"),
                (9, 10, "Two"),
            ],
        );
    }

    #[test]
    fn an_underlined_line_is_a_heading() {
        check(
            "Title\n=====\ntext\n\nPart\n----\nmore",
            &[(1, 3, "Title"), (5, 7, "Title › Part")],
        );
    }

    #[test]
    fn a_comment_in_a_fenced_block_is_not_a_heading() {
        check(
            "# One\n```sh\n# not a heading\nls\n```\ntext",
            &[(1, 6, "One")],
        );
    }

    #[test]
    fn a_table_rule_is_not_an_underline() {
        check("| a | b |\n|---|---|\n| 1 | 2 |", &[(1, 3, "")]);
    }

    #[test]
    fn long_text_is_cut_between_paragraphs() {
        let paragraph = "word ".repeat(120);
        let document = format!("{paragraph}\n\n{paragraph}\n\n{paragraph}\n");
        check(&document, &[(1, 3, ""), (5, 5, "")]);
    }

    #[test]
    fn a_line_without_spaces_is_cut_at_a_character_boundary() {
        let passages = split(&"ü".repeat(3_000));
        assert!(passages.len() >= 3);
        assert!(passages.iter().all(|passage| passage.text.len() <= MAX));
        assert_eq!(
            passages
                .iter()
                .map(|passage| passage.text.as_str())
                .collect::<String>(),
            "ü".repeat(3_000)
        );
    }

    #[test]
    fn nothing_of_the_text_is_lost() {
        let document: String = (0..400)
            .map(|n| format!("line {n}\n{}", if n % 7 == 0 { "\n" } else { "" }))
            .collect();
        let joined: String = split(&document)
            .iter()
            .map(|passage| passage.text.clone() + "\n")
            .collect();
        for n in 0..400 {
            assert!(joined.contains(&format!("line {n}\n")));
        }
    }

    #[test]
    fn empty_documents_have_no_passages() {
        check("", &[]);
        check("\n \n\t\n", &[]);
    }
}
