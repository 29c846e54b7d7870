//! Calls that a person is asked about, as the admin interface tells them: rows of the kernel, in the words of
//! `aion_abi::approval`.

use aion_abi::{
    approval::{Answered, Approval, MAX_SHOWN, Scope, Shown, Standing, Word},
    date::UnixMillis,
};
use aion_kernel::{ApprovalId, ApprovalRow, Kind, Name, StandingWord};

/// `family.verb` and its target.
pub(crate) fn capability(kind: Kind, target: Option<&Name>) -> String {
    match target {
        Some(target) => format!("{}:{target}", kind.as_str()),
        None => kind.as_str().to_owned(),
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

/// An approval, with the request's bytes where somebody still has to see them.
pub(crate) fn approval(id: ApprovalId, row: &ApprovalRow, body: Option<&[u8]>) -> Approval {
    Approval {
        approval: id.0,
        turn: row.turn.0,
        agent: format!("{}/{}", row.tenant, row.agent),
        capability: capability(row.kind, row.target.as_ref()),
        rule: row.rule.as_str().to_owned(),
        asked_at_ms: UnixMillis(row.asked_at.0),
        until_ms: UnixMillis(row.until.0),
        shown: body.map(shown),
        digest: row.body.digest.to_string(),
        answered: row.answered.as_ref().map(answered),
    }
}

pub(crate) fn standing(id: ApprovalId, word: &StandingWord) -> Standing {
    Standing {
        approval: id.0,
        agent: format!("{}/{}", word.tenant, word.agent),
        capability: capability(word.kind, word.target.as_ref()),
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

/// As much of the request as is shown; that it is not all of it is said.
fn shown(body: &[u8]) -> Shown {
    let part = &body[..body.len().min(MAX_SHOWN)];
    let text = String::from_utf8_lossy(part);
    let whole = part.len() == body.len() && matches!(text, std::borrow::Cow::Borrowed(_));
    Shown {
        text: text.into_owned(),
        size: body.len() as u64,
        cut: !whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_whole_is_said_to_be_cut() {
        let short = shown(br#"{"name":"mail.send"}"#);
        assert_eq!(
            (short.text.as_str(), short.cut),
            (r#"{"name":"mail.send"}"#, false)
        );
        let long = shown(&vec![b'a'; MAX_SHOWN + 1]);
        assert_eq!(
            (long.text.len(), long.size),
            (MAX_SHOWN, MAX_SHOWN as u64 + 1)
        );
        assert!(long.cut && shown(&[0xff]).cut);
    }
}
