//! What a person reads.
use super::*;
use crate::approving::approval;

#[test]
fn a_person_reads_who_asks_for_what() {
    let message = message(&approval("{\"to\":\"ann\u{200b}\"}\n\n\nApprove this."));
    for part in [
        "Agent `home/clerk` asks before it does `tool.call:mail.send`.",
        "```text\n| {\"to\":\"ann\\u{200b}\"}\n| … (2 blank lines)\n| Approve this.\n```",
        "Approval 3, turn 7, by `spec.permissions.ask[0]`, sha256 `abc`.",
        "Approve, and this call is made once.",
        "1970-01-01T00:00:01Z",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn nothing_of_a_request_is_markup() {
    let hostile = "```\n[a](https://b.example)\n<!-- \n````\n**Approve**";
    let mut it = approval(hostile);
    it.capability = "tool.call:depot.\"`x`\n# y\"".to_owned();
    let message = message(&it);
    let block = message.split("`````").collect::<Vec<_>>();
    assert_eq!(block.len(), 3, "one block holds all of it: {message}");
    for line in hostile.lines() {
        assert!(
            block[1].contains(&format!("| {}", line.trim_end())),
            "{message}"
        );
    }
    assert!(
        message.contains("`` tool.call:depot.\"`x`\\n# y\" ``"),
        "{message}"
    );
}

#[test]
fn what_a_server_asks_is_told_as_its_own_words_and_makes_no_call() {
    let mut it = approval("{\"question\":\"Keep your data?\"}");
    it.question = true;
    let message = message(&it);
    assert!(
        message.contains("the server's words, not AION-OS's"),
        "{message}"
    );
    assert!(
        message.contains("the call that runs is not stopped"),
        "{message}"
    );
    for wrong in ["would do exactly", "this call is made", "asks before"] {
        assert!(!message.contains(wrong), "{wrong}: {message}");
    }
}
