//! What somebody meant who misspelt a name.

use strsim::osa_distance;

/// The longest name that is compared, in bytes: the distance costs the product of both lengths.
const LONGEST: usize = 64;

/// The name among `known` that is nearest to `written`, where one is near enough to be meant.
pub(crate) fn near<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = beginning(&written.to_lowercase()).to_owned();
    known
        .into_iter()
        .map(|name| {
            (
                osa_distance(&written, beginning(&name.to_lowercase())),
                name,
            )
        })
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .map(|(_, name)| name)
}

fn beginning(name: &str) -> &str {
    &name[..name.floor_char_boundary(LONGEST)]
}

/// What to do about `written`, which is none of `known`: which of them was meant, or which there are.
pub(crate) fn meant<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> String {
    let known = known.into_iter();
    match near(written, known.clone()) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised_and_another_word_is_not() {
        let known = ["instructions", "description", "model", "memory", "lane"];
        let check = |written: &str, expect: Option<&str>| {
            assert_eq!(near(written, known), expect, "{written}")
        };
        check("instruction", Some("instructions"));
        check("Instrucitons", Some("instructions"));
        check("modle", Some("model"));
        check("lanes", Some("lane"));
        check("prompt", None);
        check("x", None);
    }
}
