//! The answer without a model: the passages that were found, word for word, with their places. Pure.

use std::fmt::Write as _;

use aion_abi::syscall::memory::Hit;

use super::select::Found;

/// So many passages at most: a person reads them.
const MOST: usize = 3;
/// A passage that fits less than this share of how well the best one fits is left out,
const WORTH: f64 = 0.35;
/// unless it holds nearly all of what is wanted: where most documents hold the words, scores say little.
const HOLDS: f64 = 0.7;
/// So many other places of a passage are named.
const PLACES: usize = 20;

/// The answer made of what was found, best first.
pub(super) fn answer(found: &[Found], mounts: &[String]) -> String {
    let Some(best) = found.first() else {
        return format!(
            "Nothing in {} speaks of this. Try other words, or ask what the documents are about.",
            list(mounts)
        );
    };
    let mut text = String::new();
    for one in found
        .iter()
        .take(MOST)
        .filter(|one| one.hit.score >= best.hit.score * WORTH || one.share >= best.share * HOLDS)
    {
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", place(&one.hit));
        for line in one.hit.text.lines() {
            let _ = writeln!(text, "> {line}");
        }
        for elsewhere in elsewhere(one) {
            let _ = writeln!(text, "{elsewhere}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Where a passage stands as well, a line for those alike and one for those nearly alike.
pub(super) fn elsewhere(found: &Found) -> Vec<String> {
    let told = |how: &str, hits: &[Hit]| {
        let mut places: Vec<String> = hits.iter().take(PLACES).map(place).collect();
        if hits.len() > PLACES {
            places.push(format!("and {} more", hits.len() - PLACES));
        }
        (!places.is_empty()).then(|| format!("{how}: {}", places.join("; ")))
    };
    [
        told("The same", &found.copies),
        told("Nearly the same", &found.near),
    ]
    .into_iter()
    .flatten()
    .collect()
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

    fn found(path: &str, lines: &str, score: f64, text: &str) -> Found {
        let hit = Hit {
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
        };
        Found {
            hit,
            share: score / 9.0,
            copies: Vec::new(),
            near: Vec::new(),
        }
    }

    #[test]
    fn passages_are_quoted_word_for_word_with_their_places() {
        let mut hits = [
            found("trust.md", "3-4", 9.0, "Keys are made\nat set-up."),
            found("cli.md", "7-7", 8.0, "aionctl bundle keygen"),
            found("far.md", "1-1", 1.0, "unrelated"),
        ];
        hits[1].copies = vec![found("old/cli.md", "9-9", 8.0, "").hit];
        hits[1].near = vec![found("new.md", "1-2", 8.0, "").hit];
        assert_eq!(
            answer(&hits, &["docs".to_owned()]),
            "docs/trust.md, lines 3-4 (Keys)\n> Keys are made\n> at set-up.\n\n\
             docs/cli.md, line 7 (Keys)\n> aionctl bundle keygen\n\
             The same: docs/old/cli.md, line 9 (Keys)\nNearly the same: docs/new.md, lines 1-2 (Keys)"
        );
    }

    #[test]
    fn finding_nothing_is_said() {
        assert!(answer(&[], &["docs".to_owned()]).starts_with("Nothing in docs"));
    }
}
