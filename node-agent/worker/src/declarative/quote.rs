//! The answer without a model: the passages that were found, word for word, with their places. Pure.

use std::fmt::Write as _;

use aion_abi::syscall::memory::Hit;

/// So many passages at most: a person reads them.
const MOST: usize = 3;
/// A passage that fits less than this share of how well the best one fits is left out.
const WORTH: f64 = 0.35;

/// The answer made of `hits`, best first.
pub(super) fn answer(hits: &[Hit], mounts: &[String]) -> String {
    let Some(best) = hits.first() else {
        return format!(
            "Nothing in {} speaks of this. Try other words, or ask what the documents are about.",
            list(mounts)
        );
    };
    let mut text = String::new();
    for hit in hits
        .iter()
        .take(MOST)
        .filter(|hit| hit.score >= best.score * WORTH)
    {
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", place(hit));
        for line in hit.text.lines() {
            let _ = writeln!(text, "> {line}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Where a passage stands: `docs/trust.md, lines 12-20 (Keys › Rotation)`.
pub(super) fn place(hit: &Hit) -> String {
    let attribute = |name: &str| hit.attributes.get(name).map(String::as_str);
    let mut place = match (attribute("mount"), attribute("path")) {
        (Some(mount), Some(path)) => format!("{mount}/{path}"),
        _ => hit.id.clone(),
    };
    if let Some(lines) = attribute("lines") {
        match lines.split_once('-') {
            Some((first, last)) if first == last => {
                let _ = write!(place, ", line {first}");
            }
            _ => {
                let _ = write!(place, ", lines {lines}");
            }
        }
    }
    if let Some(heading) = attribute("heading") {
        let _ = write!(place, " ({heading})");
    }
    place
}

fn list(mounts: &[String]) -> String {
    match mounts {
        [] => "memory".to_owned(),
        mounts => mounts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(path: &str, lines: &str, score: f64, text: &str) -> Hit {
        Hit {
            id: "1".to_owned(),
            text: text.to_owned(),
            collection: "passages".to_owned(),
            attributes: [
                ("mount", "docs"),
                ("path", path),
                ("lines", lines),
                ("heading", "Keys"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            score,
            stored_at_ms: aion_abi::date::UnixMillis(0),
        }
    }

    #[test]
    fn passages_are_quoted_word_for_word_with_their_places() {
        let hits = [
            hit("trust.md", "3-4", 9.0, "Keys are made\nat set-up."),
            hit("cli.md", "7-7", 8.0, "aionctl bundle keygen"),
            hit("far.md", "1-1", 1.0, "unrelated"),
        ];
        assert_eq!(
            answer(&hits, &["docs".to_owned()]),
            "docs/trust.md, lines 3-4 (Keys)\n> Keys are made\n> at set-up.\n\n\
             docs/cli.md, line 7 (Keys)\n> aionctl bundle keygen"
        );
    }

    #[test]
    fn finding_nothing_is_said() {
        assert!(answer(&[], &["docs".to_owned()]).starts_with("Nothing in docs"));
    }
}
