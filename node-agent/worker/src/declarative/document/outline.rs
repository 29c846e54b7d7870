//! What stands where in a document: its headings, and what should not be cut apart.
//!
//! Markdown is read by `pulldown-cmark`, as CommonMark and GitHub's tables have it: headings of both kinds,
//! fences inside fences, comments. HTML's headings count too, and the title of a front matter. What is
//! neither Markdown nor plain text, such as a program, has no headings: `#` begins a comment there.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Ends of names of what is read for its structure; a name without an end is read so, too.
const STRUCTURED: &[&str] = &[
    "md", "markdown", "mdown", "mdwn", "mkd", "mkdn", "mdx", "qmd", "rmd", "txt", "text", "rst",
    "htm", "html", "xhtml",
];

/// What is known of the lines of a document; lines are counted from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Where a heading begins, its level from 1, and its text; in the order of lines.
    pub(super) headings: Vec<(usize, usize, String)>,
    /// Blocks that are cut between their paragraphs only where they are too long.
    pub(super) blocks: Vec<Range<usize>>,
    /// Tables; each begins with a line of names and a rule.
    pub(super) tables: Vec<Range<usize>>,
}

impl Outline {
    /// The outline of the document `name`.
    pub(super) fn of(name: &str, text: &str) -> Self {
        let file = name.rsplit('/').next().unwrap_or(name);
        let end = file
            .rsplit_once('.')
            .map(|(_, end)| end.to_ascii_lowercase());
        if end.is_some_and(|end| !STRUCTURED.contains(&end.as_str())) {
            return Self::default();
        }
        let mut outline = Self::default();
        let matter = front_matter(text);
        if let Some(title) = title(&text[..matter]) {
            outline.headings.push((0, 1, title));
        }
        let starts = line_starts(text);
        let lines = |bytes: Range<usize>| {
            let line = |at: usize| starts.partition_point(|start| *start <= at) - 1;
            let last = bytes.end.saturating_sub(1).max(bytes.start);
            line(bytes.start + matter)..line(last + matter) + 1
        };
        outline.read(&text[matter..], lines);
        outline
    }

    fn read(&mut self, text: &str, lines: impl Fn(Range<usize>) -> Range<usize>) {
        let mut depth = 0_usize;
        let mut open: Option<(usize, usize, String)> = None;
        let mut html: Option<(usize, String)> = None;
        for (event, bytes) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::BlockQuote(_) | Tag::List(_)) => depth += 1,
                Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_)) => {
                    depth = depth.saturating_sub(1)
                }
                // A heading inside a quotation or a list is of that, not of what follows it.
                Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                    open = Some((lines(bytes).start, number(level), String::new()));
                }
                Event::End(TagEnd::Heading(_)) => {
                    let titled = open.take().filter(|(.., title)| !title.trim().is_empty());
                    self.headings
                        .extend(titled.map(|(line, level, title)| (line, level, one_line(&title))));
                }
                Event::Start(Tag::CodeBlock(_)) => self.blocks.push(lines(bytes)),
                Event::Start(Tag::Table(_)) => {
                    self.blocks.push(lines(bytes.clone()));
                    self.tables.push(lines(bytes));
                }
                Event::Start(Tag::HtmlBlock) => html = Some((lines(bytes).start, String::new())),
                Event::Html(more) => {
                    if let Some((_, block)) = &mut html {
                        block.push_str(&more);
                    }
                }
                Event::End(TagEnd::HtmlBlock) => {
                    if let Some((line, block)) = html.take() {
                        self.html(line, &block);
                    }
                }
                Event::Text(more) | Event::Code(more) => {
                    if let Some((.., title)) = &mut open {
                        title.push_str(&more);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    if let Some((.., title)) = &mut open {
                        title.push(' ');
                    }
                }
                _ => {}
            }
        }
    }

    /// The headings of a block of HTML; those in a comment or in text that is shown as it is are none.
    fn html(&mut self, line: usize, block: &str) {
        let start = block.trim_start().to_ascii_lowercase();
        if ["<!--", "<pre", "<script", "<style", "<textarea"]
            .iter()
            .any(|it| start.starts_with(it))
        {
            let lines = block.lines().count().max(1);
            return self.blocks.push(line..line + lines);
        }
        let lower = block.to_ascii_lowercase();
        let mut from = 0;
        while let Some(at) = lower[from..].find("<h").map(|at| from + at) {
            from = at + 2;
            let Some(level @ '1'..='6') = lower[from..].chars().next() else {
                continue;
            };
            let close = format!("</h{level}");
            let Some(inside) = lower[from..].find('>').map(|end| from + end + 1) else {
                continue;
            };
            let Some(end) = lower[inside..].find(&close).map(|end| inside + end) else {
                continue;
            };
            let title = one_line(&without_tags(&block[inside..end]));
            if !title.is_empty() {
                let above = block[..at].matches('\n').count();
                let level = level as usize - '0' as usize;
                self.headings.push((line + above, level, title));
            }
            from = end;
        }
    }
}

fn number(level: HeadingLevel) -> usize {
    level as usize
}

fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_tags(html: &str) -> String {
    let mut inside = false;
    let text: String = html
        .chars()
        .filter(|letter| match letter {
            '<' => {
                inside = true;
                false
            }
            '>' => !std::mem::replace(&mut inside, false),
            _ => !inside,
        })
        .collect();
    // One that is written by number, or by any name of the standard.
    html_escape::decode_html_entities(&text).into_owned()
}

/// How many bytes of `text` are its front matter: YAML between two `---`, or TOML between two `+++`, before
/// anything else. A rule and a paragraph that happens to be underlined are none.
fn front_matter(text: &str) -> usize {
    let mut end = 0;
    let mut lines = text.split_inclusive('\n').map(|line| {
        end += line.len();
        (line.trim_end(), end)
    });
    let close: &[&str] = match lines.next() {
        Some(("---", _)) => &["---", "..."],
        Some(("+++", _)) => &["+++"],
        _ => return 0,
    };
    let mut is_first = true;
    for (line, end) in lines {
        if close.contains(&line) {
            return if is_first { 0 } else { end };
        }
        if is_first && !line.is_empty() && !line.starts_with('#') {
            if !is_field(line) {
                return 0;
            }
            is_first = false;
        }
    }
    0
}

/// `name: value`, `name = value`, or a table's `[name]`.
fn is_field(line: &str) -> bool {
    let named = line
        .split_once([':', '='])
        .map_or("", |(name, _)| name.trim());
    let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    is_name(named.trim_matches(['"', '\''])) || line.starts_with('[')
}

fn title(matter: &str) -> Option<String> {
    let value = matter.lines().find_map(|line| {
        let (name, value) = line.split_once([':', '='])?;
        name.trim().eq_ignore_ascii_case("title").then_some(value)
    })?;
    let value = one_line(value.trim().trim_matches(['"', '\'']));
    (!value.is_empty() && !value.starts_with(['|', '>'])).then_some(value)
}

fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, headings: &[(usize, usize, &str)]) {
        let outline = Outline::of("a.md", text);
        let got: Vec<_> = outline
            .headings
            .iter()
            .map(|(line, level, title)| (*line, *level, title.as_str()))
            .collect();
        assert_eq!(got, headings, "{text}");
    }

    #[test]
    fn headings_of_both_kinds_are_found() {
        check(
            "# One\ntext\n\nTwo\n===\n\nThree\n-\n#### Four ####\n#no\n",
            &[
                (0, 1, "One"),
                (3, 1, "Two"),
                (6, 2, "Three"),
                (8, 4, "Four"),
            ],
        );
        check(
            "A title\non *two* `lines`\n=====\n",
            &[(0, 1, "A title on two lines")],
        );
        check("* * *\n---\n\ntext\n\n---\n", &[]);
        check("> # Quoted\n\n- # Listed\n", &[]);
    }

    #[test]
    fn what_is_shown_as_it_is_has_no_headings() {
        check(
            "````md\n```sh\n# no\n```\n# no\n````\n# Yes\n",
            &[(6, 1, "Yes")],
        );
        check("~~~\n```\n# no\n~~~\n# Yes\n", &[(4, 1, "Yes")]);
        check("- item\n  ```\n  # no\n  ```\n# Yes\n", &[(4, 1, "Yes")]);
        check(
            "<!--\n# no\n-->\n<pre>\n# no\n\n# no\n</pre>\n\n# Yes\n",
            &[(9, 1, "Yes")],
        );
        assert_eq!(Outline::of("a.py", "# comment\n"), Outline::default());
        assert_eq!(Outline::of("README", "# Title\n").headings.len(), 1);
    }

    #[test]
    fn html_headings_are_headings() {
        check(
            "<div align=\"center\">\n<h1 id=\"a\"><img src=\"x\">Kiln &amp; co</h1>\n</div>\n\ntext <h2>inline</h2>\n",
            &[(1, 1, "Kiln & co")],
        );
        check("<header>\n<hr>\n<h7>no</h7><h2>never closed\n", &[]);
    }

    #[test]
    fn front_matter_is_no_heading_and_its_title_is_one() {
        check(
            "---\nowner: workshop\nstate: draft\n---\n# One\n",
            &[(4, 1, "One")],
        );
        check(
            "---\ntitle: \"The kiln\"\n---\ntext\n## Two\n",
            &[(0, 1, "The kiln"), (4, 2, "Two")],
        );
        check(
            "+++\ntitle = 'The kiln'\n+++\ntext\n",
            &[(0, 1, "The kiln")],
        );
        check(
            "---\n\nWords that are text.\n---\n",
            &[(2, 2, "Words that are text.")],
        );
        check("---\nnever: closed\n\n# One\n", &[(3, 1, "One")]);
    }

    #[test]
    fn tables_and_fences_stay_together() {
        let outline = Outline::of(
            "a.md",
            "x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nls\n\nls\n```\n",
        );
        assert_eq!(outline.tables.first(), Some(&(2..5)));
        assert_eq!(outline.blocks, [2..5, 6..11]);
    }
}
