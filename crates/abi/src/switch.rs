//! A setting that is on or off, as people write it in a variable or an option: read in one way by every program.

/// What says neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither on nor off: write true or 1, or false or 0")]
pub struct NotASwitch(String);

/// On for `true` and `1`, off for `false` and `0`.
///
/// # Errors
/// Anything else: a setting that keeps packets on a machine is not guessed at.
pub fn parse(text: &str) -> Result<bool, NotASwitch> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(NotASwitch(text.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_on_or_off_and_nothing_is_guessed() {
        assert_eq!(parse("1"), parse("true"));
        assert_eq!(parse("0"), Ok(false));
        for text in ["", "yes", "TRUE", " true", "2"] {
            assert_eq!(parse(text), Err(NotASwitch(text.to_owned())));
        }
    }
}
