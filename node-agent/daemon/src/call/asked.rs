//! Calls that a person is asked about, as the admin interface tells them: rows of the kernel, in the words of
//! `aion_abi::approval`.

use aion_abi::{
    approval::{Answered, Approval, MAX_SHOWN, Scope, Shown, Standing, Word},
    date::UnixMillis,
};
use aion_kernel::{ApprovalId, ApprovalRow, CallId, Kind, Name, StandingWord};

/// `family.verb` and its target.
pub(crate) fn capability(kind: Kind, target: Option<&Name>) -> String {
    match target {
        Some(target) => format!("{}:{target}", kind.as_str()),
        None => kind.as_str().to_owned(),
    }
}

/// With the property or command of a device that it is about: a word counts for no other.
fn of_point(capability: String, point: Option<&Name>) -> String {
    match point {
        Some(point) => format!("{capability}.{point}"),
        None => capability,
    }
}

/// What a person is asked about: a call, or what the server of a tool asks while one runs. That is no syscall, and no grant names it.
pub(crate) fn wanted(kind: Kind, target: Option<&Name>, within: Option<CallId>) -> String {
    let call = capability(kind, target);
    match within {
        Some(_) => call.replacen("tool.call", "tool.ask", 1),
        None => call,
    }
}

pub(crate) fn word_of(word: aion_kernel::Word) -> Word {
    match word {
        aion_kernel::Word::Approved { .. } => Word::Approved,
        aion_kernel::Word::Denied => Word::Denied,
        aion_kernel::Word::Expired => Word::Expired,
        aion_kernel::Word::Withdrawn => Word::Withdrawn,
    }
}

/// An approval; what it shows is read apart.
pub(crate) fn approval(id: ApprovalId, row: &ApprovalRow) -> Approval {
    Approval {
        approval: id.0,
        turn: row.turn.0,
        agent: format!("{}/{}", row.tenant, row.agent),
        capability: of_point(
            wanted(row.kind, row.target.as_ref(), row.within),
            row.point.as_ref(),
        ),
        question: row.within.is_some(),
        rule: row.rule.as_str().to_owned(),
        asked_at_ms: UnixMillis(row.asked_at.0),
        until_ms: UnixMillis(row.until.0),
        shown: None,
        digest: row.body.digest.to_string(),
        answered: row.answered.as_ref().map(answered),
    }
}

pub(crate) fn standing(id: ApprovalId, word: &StandingWord) -> Standing {
    Standing {
        approval: id.0,
        agent: format!("{}/{}", word.tenant, word.agent),
        capability: of_point(
            capability(word.kind, word.target.as_ref()),
            word.point.as_ref(),
        ),
        until_ms: UnixMillis(word.until.0),
        by: word.by.as_ref().map(|by| by.as_str().to_owned()),
        given_at_ms: UnixMillis(word.given_at.0),
    }
}

/// A word, and for how much it counts.
pub(crate) fn answered(answered: &aion_kernel::Answered) -> Answered {
    let (scope, until_ms) = match answered.word {
        aion_kernel::Word::Approved { scope } => match scope {
            aion_kernel::Scope::Once => (Some(Scope::Once), None),
            aion_kernel::Scope::Turn => (Some(Scope::Turn), None),
            aion_kernel::Scope::Until { date } => (Some(Scope::Until), Some(UnixMillis(date.0))),
        },
        _ => (None, None),
    };
    Answered {
        word: word_of(answered.word),
        scope,
        until_ms,
        by: answered.by.as_ref().map(|by| by.as_str().to_owned()),
        at_ms: UnixMillis(answered.at.0),
    }
}

/// As much of the request as is shown, of its first bytes; that it is not all of it is said.
pub(crate) fn shown(part: &[u8], size: u64) -> Shown {
    let part = &part[..part.len().min(MAX_SHOWN)];
    let text = String::from_utf8_lossy(part);
    let whole = part.len() as u64 == size && matches!(text, std::borrow::Cow::Borrowed(_));
    Shown {
        text: text.into_owned(),
        size,
        cut: !whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_whole_is_said_to_be_cut() {
        let short = br#"{"name":"mail.send"}"#;
        let short = shown(short, short.len() as u64);
        assert_eq!(
            (short.text.as_str(), short.cut),
            (r#"{"name":"mail.send"}"#, false)
        );
        let long = shown(&vec![b'a'; MAX_SHOWN], MAX_SHOWN as u64 + 1);
        assert_eq!(
            (long.text.len(), long.size),
            (MAX_SHOWN, MAX_SHOWN as u64 + 1)
        );
        assert!(long.cut && shown(&[0xff], 1).cut);
    }
}
