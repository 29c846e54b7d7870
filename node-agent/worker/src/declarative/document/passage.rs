//! Cuts a document into passages that can be found and quoted: whole paragraphs under one heading, with
//! the lines they came from. Pure.

use std::ops::Range;

use super::outline::Outline;

/// A passage aims at this many bytes: small enough to be quoted, large enough to be understood.
const AIM: usize = 900;
/// No passage is longer; a longer paragraph is cut between lines, a longer line between sentences or words.
const MAX: usize = 2_400;
/// The names of a table's columns are said again where it is cut, unless they are longer.
const HEAD: usize = 600;

/// Consecutive lines of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Passage {
    /// First line, 1-based.
    pub(in super::super) first: usize,
    /// Last line, 1-based, inclusive.
    pub(in super::super) last: usize,
    /// The headings above it, outermost first, joined by ` › `; empty where there are none.
    pub(in super::super) heading: String,
    /// The lines as they stand in the document; those of a table that was cut come after its first two.
    pub(in super::super) text: String,
}

/// The passages of `document`, in order. A heading starts one; a fence, a table and a comment are kept whole
/// as long as they fit.
pub(super) fn split(document: &str, outline: &Outline) -> Vec<Passage> {
    let lines: Vec<&str> = document.lines().collect();
    let mut whole = vec![false; lines.len()];
    for block in &outline.blocks {
        let block = block.start.min(lines.len())..block.end.min(lines.len());
        whole[block].fill(true);
    }
    let mut headings = outline.headings.iter().peekable();
    let mut tables = outline.tables.iter().peekable();
    let mut cutter = Cutter::default();
    for (index, line) in lines.iter().enumerate() {
        while let Some((_, level, title)) = headings.next_if(|(at, ..)| *at <= index) {
            cutter.heading(*level, title);
        }
        while tables.next_if(|table| table.end <= index).is_some() {}
        let table = tables.peek().filter(|table| table.start <= index);
        cutter.head = table.map_or(String::new(), |table| head(&lines, table, index));
        cutter.line(index + 1, line, whole[index]);
    }
    cutter.finish()
}

/// The lines that name the columns of `table`, for a passage that begins at its line `index`.
fn head(lines: &[&str], table: &Range<usize>, index: usize) -> String {
    let head = lines.get(table.start..table.start + 2).unwrap_or_default();
    let is_short = head.iter().map(|line| line.len()).sum::<usize>() <= HEAD;
    if index < table.start + 2 || !is_short {
        return String::new();
    }
    head.join("\n")
}

#[derive(Default)]
struct Cutter {
    done: Vec<Passage>,
    open: Option<Passage>,
    titles: Vec<(usize, String)>,
    /// What a passage that is opened now begins with.
    head: String,
}

impl Cutter {
    fn heading(&mut self, level: usize, title: &str) {
        self.close();
        self.titles.retain(|(above, _)| *above < level);
        self.titles.push((level, title.to_owned()));
    }

    fn line(&mut self, number: usize, line: &str, is_kept_whole: bool) {
        if !is_kept_whole && line.trim().is_empty() && self.length() >= AIM {
            self.close();
            return;
        }
        if self.length() + line.len() > MAX {
            self.close();
        }
        for piece in pieces(line) {
            if self.length() + piece.len() > MAX {
                self.close();
            }
            self.push(number, piece);
            // The rest of a line that is cut is not a row.
            self.head.clear();
        }
    }

    fn push(&mut self, number: usize, piece: &str) {
        if self.open.is_none() && piece.trim().is_empty() {
            return;
        }
        let (titles, head) = (&self.titles, &self.head);
        let open = self.open.get_or_insert_with(|| Passage {
            first: number,
            last: number,
            heading: titles
                .iter()
                .map(|(_, title)| title.as_str())
                .collect::<Vec<_>>()
                .join(" › "),
            text: head.clone(),
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

    fn finish(mut self) -> Vec<Passage> {
        self.close();
        self.done
    }
}

/// `line` in pieces of at most [`MAX`] bytes.
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
        let (piece, rest) = line.split_at(cut(line));
        line = rest;
        Some(piece)
    })
}

/// Where a line that is too long is cut: after a sentence, else after a space, else before a letter that is
/// no mark of the one before; in its second half, so that no piece is a crumb.
fn cut(line: &str) -> usize {
    let bound = line.floor_char_boundary(MAX);
    let half = line.floor_char_boundary(MAX / 2);
    let after = |is_end: fn(char, char) -> bool| {
        let mut letters = line[half..bound].char_indices().rev();
        let mut next = letters.next()?;
        letters.find_map(|(at, letter)| {
            let (place, follows) = std::mem::replace(&mut next, (at, letter));
            is_end(letter, follows).then_some(half + place)
        })
    };
    after(|end, next| matches!(end, '.' | '!' | '?') && next == ' ')
        .or_else(|| after(|end, _| matches!(end, '。' | '！' | '？' | '．' | '।' | '។')))
        .or_else(|| after(|end, _| end.is_whitespace()))
        .or_else(|| after(|_, next| next.is_alphanumeric()))
        .unwrap_or(bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(document: &str, expected: &[(usize, usize, &str)]) {
        let passages = split(document, &Outline::of("a.md", document));
        let got: Vec<_> = passages
            .iter()
            .map(|passage| (passage.first, passage.last, passage.heading.as_str()))
            .collect();
        assert_eq!(got, expected);
    }

    fn texts(document: &str) -> Vec<String> {
        let passages = split(document, &Outline::of("a.md", document));
        passages.into_iter().map(|passage| passage.text).collect()
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
        check(
            "Title\n=====\ntext\n\nPart\n----\nmore",
            &[(1, 3, "Title"), (5, 7, "Title › Part")],
        );
        check(
            "# One\n```sh\n# not a heading\nls\n```\ntext",
            &[(1, 6, "One")],
        );
        check("| a | b |\n|---|---|\n| 1 | 2 |", &[(1, 3, "")]);
    }

    #[test]
    fn long_text_is_cut_between_paragraphs_and_a_fence_is_not() {
        let paragraph = "word ".repeat(120);
        let document = format!("{paragraph}\n\n{paragraph}\n\n{paragraph}\n");
        check(&document, &[(1, 3, ""), (5, 5, "")]);
        check(&format!("```\n{document}```\n"), &[(1, 7, "")]);
    }

    #[test]
    fn a_table_that_is_cut_says_its_columns_again() {
        let rows = "| glaze of the day | 1240 |\n".repeat(200);
        let passages = texts(&format!("| name | degrees |\n|---|---|\n{rows}"));
        assert!(passages.len() > 2);
        for passage in passages {
            assert!(
                passage.starts_with("| name | degrees |\n|---|---|\n| glaze"),
                "{passage}"
            );
        }
    }

    #[test]
    fn a_long_line_is_cut_where_it_reads_well() {
        let passages = texts(&"ü".repeat(3_000));
        assert!(passages.len() >= 3);
        assert!(passages.iter().all(|passage| passage.len() <= MAX));
        assert_eq!(passages.concat(), "ü".repeat(3_000));
        for (sentence, end) in [
            ("The kiln cools. ", '.'),
            ("窯は冷えます。", '。'),
            ("kiln ", 'n'),
        ] {
            let passages = texts(&sentence.repeat(600));
            assert!(passages.len() > 1);
            for passage in passages {
                assert!(passage.trim_end().ends_with(end), "{passage}");
            }
        }
    }

    #[test]
    fn empty_documents_have_no_passages() {
        check("", &[]);
        check("\n \n\t\n", &[]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        /// Whatever is written in Markdown, every line is in a passage, in order, and none is too long.
        #[test]
        fn nothing_of_a_document_is_lost(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("\n".to_owned()), Just("---\n".to_owned()), Just("===\n".to_owned()),
                    Just("```\n".to_owned()), Just("````md\n".to_owned()), Just("~~~\n".to_owned()),
                    Just("> ".to_owned()), Just("- ".to_owned()), Just("    ".to_owned()), Just("\t".to_owned()),
                    Just("<!--".to_owned()), Just("-->\n".to_owned()), Just("<h2>".to_owned()),
                    Just("</h2>\n".to_owned()), Just("<pre>\n".to_owned()), Just("|---|---|\n".to_owned()),
                    Just("title: x\n".to_owned()), Just("\\".to_owned()), Just("[a]: b\n".to_owned()),
                    "#{1,7} [a-z]{1,5}\n", "\\|[a-z]{1,4}\\|[0-9]{1,4}\\|\n", "[a-zé猫]{1,9} ", "[a-z ]{0,30}\n",
                    "[ก-๛ひ]{700,900}\n", any::<String>(),
                ],
                0..40,
            ),
        ) {
            let document = pieces.concat().replace('\r', "\n");
            let outline = Outline::of("a.md", &document);
            let lines: Vec<&str> = document.lines().collect();
            for (line, level, title) in &outline.headings {
                prop_assert!(*line < lines.len().max(1));
                prop_assert!((1..=6).contains(level) && !title.contains('\n'));
            }
            let passages = split(&document, &outline);
            let mut last = 1;
            for passage in &passages {
                prop_assert!(passage.first >= last && passage.first <= passage.last && passage.last <= lines.len());
                prop_assert!(passage.text.len() <= MAX + HEAD + 2 && !passage.text.trim().is_empty());
                last = passage.last;
            }
            for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let held: String = passages
                    .iter()
                    .filter(|passage| (passage.first..=passage.last).contains(&(index + 1)))
                    .map(|passage| passage.text.replace('\n', ""))
                    .collect();
                let bare = |text: &str| text.chars().filter(|it| !it.is_whitespace()).collect::<String>();
                prop_assert!(bare(&held).contains(&bare(line)), "line {} of {:?}: {:?}", index + 1, document, held);
            }
        }
    }
}
