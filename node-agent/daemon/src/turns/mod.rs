//! Turns as people see them: what was asked, what is being said, what came of it.
//!
//! Each turn has a folder, named by the digest of its input, which the kernel remembers: so the two find
//! each other again after any crash without a second index. What may not enter: when a turn runs and how
//! it ends, which the kernel decides.

mod asked;
mod asking;
mod by_hand;
mod checkpoints;
mod ending;
mod ends;
mod folder;
mod held;
mod kept;
mod live;
mod notices;
mod outcome;
mod rights;
mod start;
mod steps;
mod table;
mod told;
mod uploads;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod crash_tests;

pub(crate) use asked::{Asked, Asker, Cause};
pub(crate) use asking::QuestionKey;
pub(crate) use checkpoints::Checkpoints;
pub(crate) use ends::Ended;
pub(crate) use folder::TurnFolder;
pub(crate) use live::Follow;
pub(crate) use rights::turn_rights;
pub(crate) use start::Known;
pub(crate) use table::{AskError, Turns};
pub(crate) use uploads::{UploadError, Uploads};

use aion_abi::admin::{INPUT_MOUNT, OUTPUT_MOUNT};

/// The mounts that every turn has, and whether it may write there.
pub(crate) fn mounts_of_a_turn() -> [(&'static str, bool); 2] {
    [(INPUT_MOUNT, false), (OUTPUT_MOUNT, true)]
}

/// Whether a mount is the turn's own, made by the node for its caller.
pub(crate) fn is_turn_mount(mount: &str) -> bool {
    mounts_of_a_turn().iter().any(|(name, _)| *name == mount)
}

#[cfg(test)]
pub(crate) fn open_in_tests(root: &std::path::Path) -> Turns {
    crash_tests::open(root, Known::default())
}

/// A turn that has answered, and its end, for tests of who tells of it.
#[cfg(test)]
pub(crate) fn ended_in_tests(
    root: &std::path::Path,
    turn: u64,
) -> (aion_kernel::BodyDigest, crate::shell::TurnEnd) {
    let (_, input) = crash_tests::answered(root, turn, "home/a");
    (input, crash_tests::end(turn))
}

/// A turn that is under way, for tests of who says something in it.
#[cfg(test)]
pub(crate) fn asked_in_tests(root: &std::path::Path, turn: u64) -> aion_kernel::BodyDigest {
    crash_tests::asked(root, turn, "home/a").1
}

/// Turns of which one is under way, and how it ends, for tests of who waits for that.
#[cfg(test)]
pub(crate) fn waited_for_in_tests(
    root: &std::path::Path,
    turn: u64,
) -> (Turns, aion_kernel::BodyDigest, crate::shell::TurnEnd) {
    let input = asked_in_tests(root, turn);
    let known = Known {
        waiting: vec![(input, aion_kernel::TurnId(turn))],
        ..Known::default()
    };
    (
        crash_tests::open(root, known),
        input,
        crash_tests::end(turn),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_of_a_turn_need_no_folder_of_the_machine() {
        assert_eq!(mounts_of_a_turn().map(|it| it.0), aion_api::TURN_MOUNTS);
    }
}
