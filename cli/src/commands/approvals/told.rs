//! Approvals as they are printed. A program wrote the requests, to be agreed to: nothing in them may pass for something
//! else, or out of sight.

use aion_abi::{
    approval::{Approval, Word},
    date::UnixMillis,
    seen::quoted,
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::places::{Id, Listed};
use crate::{
    context::Context,
    render::{
        age,
        screen::{Tone, exact},
        table::{Field, table},
    },
};

/// How much of a request stands in a row.
const IN_A_ROW: usize = 100;
/// Lines that every terminal shows at once.
const A_SCREEN: usize = 12;
/// In place of a request.
const GONE: &str = "(the node does not keep the request any more)";

/// What waits, and what was answered: a row each.
pub(super) fn asked(context: &Context, listed: &[Listed]) -> String {
    let headings = ["id", "agent", "turn", "wants", "asked", "state", "request"];
    let now = crate::clock::now();
    let rows: Vec<_> = listed
        .iter()
        .flat_map(|place| place.all.items.iter().map(|it| (place.id(it.approval), it)))
        .map(|(id, it)| {
            vec![
                Field::plain(id.to_string()),
                Field::plain(exact(&it.agent)),
                Field::plain(it.turn.to_string()),
                Field::plain(exact(&it.capability)),
                Field::plain(ago(it.asked_at_ms, now)),
                state(it),
                Field::plain(in_a_row(&id, it)),
            ]
        })
        .collect();
    table(&context.screen, &headings, &rows)
}

fn state(it: &Approval) -> Field {
    match it.answered.as_ref().map(|answered| answered.word) {
        None => Field::toned("waits", Tone::Warn),
        Some(word @ Word::Approved) => Field::toned(word.as_str(), Tone::Good),
        Some(word) => Field::plain(word.as_str()),
    }
}

/// Words that stand: a row each.
pub(super) fn standing(context: &Context, listed: &[Listed]) -> String {
    let headings = ["id", "agent", "may", "until", "by"];
    let zone = TimeZone::system();
    let rows: Vec<_> = listed
        .iter()
        .flat_map(|place| {
            place
                .all
                .standing
                .iter()
                .map(|it| (place.id(it.approval), it))
        })
        .map(|(id, it)| {
            vec![
                Field::plain(id.to_string()),
                Field::plain(exact(&it.agent)),
                Field::plain(exact(&it.capability)),
                Field::plain(age::clock(it.until_ms, &zone)),
                Field::plain(exact(it.by.as_deref().unwrap_or_default())),
            ]
        })
        .collect();
    table(&context.screen, &headings, &rows)
}

/// The request in a few words: what a tool is given where it is given nothing besides, else the beginning of all of it.
/// What is left out is marked.
pub(super) fn in_a_row(id: &Id, it: &Approval) -> String {
    let Some(shown) = &it.shown else {
        return GONE.to_owned();
    };
    let text = arguments(it, &shown.text).unwrap_or(&shown.text);
    let line = exact(text).replace('\n', " ");
    let cut = shown.cut || line.chars().count() > IN_A_ROW;
    let line: String = line.chars().take(IN_A_ROW).collect();
    match cut {
        true => format!("{line}… (cut: aionctl approvals show {id})"),
        false => line,
    }
}

/// The arguments as they stand in a call of the tool that was named above, where they and its name are all of the
/// request.
fn arguments<'a>(it: &Approval, text: &'a str) -> Option<&'a str> {
    let target = it.capability.strip_prefix("tool.call:")?;
    let before = format!("{{\"name\":{},\"arguments\":", Value::from(target));
    let rest = text.strip_prefix(&before)?.strip_suffix('}')?;
    // One value and nothing behind it: neither another field, nor the same once more.
    serde_json::from_str::<Value>(rest).ok().map(|_| rest)
}

/// An approval with all that is shown of its request.
pub(super) fn whole(id: &Id, it: &Approval) -> String {
    let zone = TimeZone::system();
    let mut lines = vec![
        format!("approval  {id}"),
        format!("agent     {}", exact(&it.agent)),
        format!("turn      {}", it.turn),
        match it.question {
            false => format!("wants     {}", exact(&it.capability)),
            true => format!(
                "asks      {}: in the words of the tool's server; an approval tells it yes, and makes no call",
                exact(&it.capability)
            ),
        },
        format!("rule      {}", exact(&it.rule)),
        format!("asked     {}", age::clock(it.asked_at_ms, &zone)),
        format!("until     {}", age::clock(it.until_ms, &zone)),
    ];
    if let Some(answered) = &it.answered {
        let by = answered.by.as_deref().unwrap_or("nobody");
        lines.push(format!(
            "answer    {} by {}",
            answered.word.as_str(),
            exact(by)
        ));
    }
    lines.push(format!("sha256    {}", it.digest));
    lines.push(String::new());
    let Some(shown) = &it.shown else {
        lines.push(GONE.to_owned());
        return format!("{}\n", lines.join("\n"));
    };
    let request = quoted(&shown.text);
    let long = request.len() > A_SCREEN || shown.text.len() > A_SCREEN * 80;
    lines.extend(request);
    if shown.cut {
        let all = age::size(shown.size);
        lines.push(format!("… (cut, or not all text: the request has {all})"));
    }
    if long {
        // What stood above may have left the screen.
        lines.push(format!("\napproval  {id}: {}", exact(&it.capability)));
    }
    format!("{}\n", lines.join("\n"))
}

fn ago(then: UnixMillis, now: Timestamp) -> String {
    let then = i64::try_from(then.0).ok();
    let then = then.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    then.map_or_else(String::new, |then| age::since(then, now))
}

#[cfg(test)]
mod tests {
    use aion_abi::approval::Shown;

    use super::*;

    fn approval(text: &str, cut: bool) -> Approval {
        Approval {
            approval: 3,
            turn: 7,
            agent: "home/clerk".into(),
            capability: "tool.call:mail.send".into(),
            question: false,
            rule: "r".into(),
            asked_at_ms: UnixMillis(0),
            until_ms: UnixMillis(0),
            shown: Some(Shown {
                text: text.into(),
                size: text.len() as u64,
                cut,
            }),
            digest: String::new(),
            answered: None,
        }
    }

    fn id() -> Id {
        Id {
            node: Some("node-a".into()),
            number: 3,
        }
    }

    fn row(text: &str, cut: bool) -> String {
        in_a_row(&id(), &approval(text, cut))
    }

    #[test]
    fn what_does_not_fit_in_a_row_is_marked() {
        let short = r#"{"name":"mail.send","arguments":{"to":"ann"}}"#;
        assert_eq!(row(short, false), r#"{"to":"ann"}"#);
        let long = row(&"x".repeat(300), false);
        assert!(
            long.contains("cut: aionctl approvals show node-a/3"),
            "{long}"
        );
        assert!(row(short, true).contains("(cut"));
        let hidden = row("{\"arguments\":\"a\u{1b}[2Jb\"}", false);
        assert!(!hidden.contains('\u{1b}'), "{hidden}");
    }

    #[test]
    fn a_request_with_more_than_name_and_arguments_is_shown_whole() {
        for text in [
            r#"{"name":"mail.send","arguments":{},"link":"file:///a"}"#,
            r#"{"link":"file:///a","name":"mail.send","arguments":{}}"#,
            r#"{"name":"mail.send","arguments":{},"arguments":{"to":"eve"}}"#,
            r#"{"name":"mail.drop","arguments":{"to":"ann"}}"#,
            r#"{"arguments":{"to":"ann"}}"#,
        ] {
            assert_eq!(row(text, false), text);
        }
        // What is said twice is seen twice.
        let twice = r#"{"name":"mail.send","arguments":{"to":"ann","to":"eve"}}"#;
        assert_eq!(row(twice, false), r#"{"to":"ann","to":"eve"}"#);
    }

    #[test]
    fn a_request_hides_no_character_and_no_line() {
        let text = format!(
            "a\u{200b}b\u{2028}c\u{e0041}\rd\n{}approval  9\n",
            " \n".repeat(50)
        );
        let told = whole(&id(), &approval(&text, false));
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines[0], "approval  node-a/3");
        let request = [
            "| a\\u{200b}b\\u{2028}c\\u{e0041}\\u{d}d",
            "| … (50 blank lines)",
            "| approval  9",
        ];
        assert_eq!(lines[lines.len() - 3..], request);
        let long = whole(&id(), &approval(&"x\n".repeat(50), false));
        let last = "approval  node-a/3: tool.call:mail.send";
        assert_eq!(long.lines().last(), Some(last));
    }

    #[test]
    fn a_request_that_is_kept_no_longer_is_said_to_be() {
        let mut gone = approval("", false);
        gone.shown = None;
        assert_eq!(in_a_row(&id(), &gone), GONE);
        assert!(whole(&id(), &gone).ends_with(&format!("{GONE}\n")));
    }
}
