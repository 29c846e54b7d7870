//! What is not in what is searched, and why: by reason, with the count and the first places. Pure.

use aion_abi::syscall::fs;

/// So many places of one reason are named.
const NAMED: usize = 3;
/// So many reasons are told apart; most are a few fixed sentences, those of a disk are not.
const REASONS: usize = 12;

/// Files, folders and links that were left out of a mount.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    reasons: Vec<Reason>,
    /// Those that the listing did not name, or whose reasons are one too many.
    others: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Reason {
    why: String,
    count: u64,
    first: Vec<String>,
}

impl LeftOut {
    /// Adds one entry.
    pub(super) fn add(&mut self, path: &str, why: impl Into<String>) {
        let why = why.into();
        let at = self.reasons.iter().position(|reason| reason.why == why);
        let at = match at {
            Some(at) => at,
            None if self.reasons.len() == REASONS => {
                self.others += 1;
                return;
            }
            None => {
                self.reasons.push(Reason {
                    why,
                    count: 0,
                    first: Vec::new(),
                });
                self.reasons.len() - 1
            }
        };
        let reason = &mut self.reasons[at];
        reason.count += 1;
        if reason.first.len() < NAMED {
            reason.first.push(shown(path));
        }
    }

    /// Adds what a page of a listing left out, unless it is hidden.
    pub(super) fn add_listed(&mut self, listed: fs::LeftOut) {
        let unnamed = listed.count.saturating_sub(listed.first.len() as u64);
        self.others += unnamed;
        for missed in listed.first {
            if !super::plan::is_hidden(&missed.path) {
                self.add(&missed.path, missed.why);
            }
        }
    }

    /// All of it in a line; nothing where nothing was left out.
    pub(super) fn sentence(&self, mount: &str) -> Option<String> {
        let mut told: Vec<String> = self
            .reasons
            .iter()
            .map(|reason| {
                let more = reason.count - reason.first.len() as u64;
                let more = match more {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!(
                    "{} ({}): {}{more}",
                    reason.count,
                    reason.why,
                    reason.first.join(", ")
                )
            })
            .collect();
        if self.others > 0 {
            told.push(format!("{} that are not named", self.others));
        }
        (!told.is_empty()).then(|| format!("left out of {mount}: {}", told.join("; ")))
    }
}

/// A path in one line of bearable length.
fn shown(path: &str) -> String {
    const LONG: usize = 120;
    let mut path: String = path
        .chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect();
    if path.chars().count() > LONG {
        let start: String = path.chars().take(LONG / 2).collect();
        let end: Vec<char> = path.chars().rev().take(LONG / 2).collect();
        path = format!("{start}…{}", end.into_iter().rev().collect::<String>());
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_told_with_its_count_and_first_places() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.sentence("docs"), None);
        for n in 0..5 {
            left_out.add(&format!("photo{n}.md"), "not a text");
        }
        left_out.add("a\nb.md", "larger than 4 MiB");
        let missed = |path: &str| fs::Missed {
            path: path.to_owned(),
            why: "a link that leads nowhere".to_owned(),
        };
        left_out.add_listed(fs::LeftOut {
            count: 40,
            first: vec![missed("old"), missed(".git/x")],
        });
        assert_eq!(
            left_out.sentence("docs").as_deref(),
            Some(
                "left out of docs: 5 (not a text): photo0.md, photo1.md, photo2.md and 2 more; \
                 1 (larger than 4 MiB): a\u{fffd}b.md; 1 (a link that leads nowhere): old; 38 that are not named"
            )
        );
    }

    #[test]
    fn neither_reasons_nor_paths_are_without_bound() {
        let mut left_out = LeftOut::default();
        for n in 0..100 {
            left_out.add(&"long/".repeat(500), format!("reason {n}"));
        }
        let sentence = left_out.sentence("docs").unwrap_or_default();
        assert!(
            sentence.len() < 3_000 && sentence.ends_with("88 that are not named"),
            "{sentence}"
        );
    }
}
