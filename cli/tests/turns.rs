//! `ask`, `run` and `logs` against a stand-in of the daemon.

#![allow(clippy::unwrap_used, clippy::panic)]

mod admin;

use admin::{Answer, Node};
use serde_json::{Value, json};

const TURNS: &str = "POST /api/v1/namespaces/default/agents/librarian/turns";

fn ended(ok: bool) -> Value {
    json!({"event": "ended", "ok": ok, "tokens": 0, "syscalls": 4, "elapsedMs": 1200})
}

#[test]
fn an_answer_streams_to_standard_output_and_nothing_else_does() {
    let node = Node::start();
    node.on(
        TURNS,
        Answer::events(&[
            json!({"event": "queued", "turn": 7}),
            json!({"event": "started", "incarnation": 1}),
            json!({"event": "progress", "text": "reading"}),
            json!({"event": "delta", "text": "Mounts are "}),
            json!({"event": "delta", "text": "names."}),
            json!({"event": "final", "text": "Mounts are names."}),
            ended(true),
        ]),
    );
    let ran = node.aionctl(&["ask", "librarian", "What are", "mounts?"]);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str(), ran.status),
        ("Mounts are names.\n", "", 0)
    );
    assert_eq!(node.body_of(TURNS), json!({"input": "What are mounts?"}));
}

#[test]
fn an_answer_that_comes_whole_is_shown_once() {
    let node = Node::start();
    node.on(
        TURNS,
        Answer::events(&[
            json!({"event": "queued", "turn": 7}),
            json!({"event": "final", "text": "All of it\n"}),
            ended(true),
        ]),
    );
    assert_eq!(node.aionctl(&["ask", "librarian", "?"]).out, "All of it\n");
}

#[test]
fn a_turn_is_taken_up_again_where_the_connection_broke() {
    let node = Node::start();
    node.on(
        TURNS,
        Answer::events(&[
            json!({"event": "queued", "turn": 7}),
            json!({"event": "delta", "text": "Half an "}),
        ]),
    );
    node.on(
        "GET /api/v1/turns/7/events",
        Answer::events(&[
            json!({"event": "queued", "turn": 7}),
            json!({"event": "delta", "text": "Half "}),
            json!({"event": "delta", "text": "an answer"}),
            ended(true),
        ]),
    );
    let ran = node.aionctl(&["ask", "librarian", "?"]);
    assert_eq!((ran.out.as_str(), ran.status), ("Half an answer\n", 0));
}

#[test]
fn a_turn_that_ran_again_is_shown_from_its_start() {
    let node = Node::start();
    node.on(
        TURNS,
        Answer::events(&[
            json!({"event": "queued", "turn": 7}),
            json!({"event": "delta", "text": "First words"}),
        ]),
    );
    node.on(
        "GET /api/v1/turns/7/events",
        Answer::events(&[
            json!({"event": "delta", "text": "Other words"}),
            ended(true),
        ]),
    );
    assert_eq!(
        node.aionctl(&["ask", "librarian", "?"]).out,
        "First words\n\nOther words\n"
    );
}

#[test]
fn a_turn_that_ended_badly_says_why_and_what_to_do() {
    let node = Node::start();
    let mut end = ended(false);
    end["problem"] = json!({
        "type": "urn:aion:problem:unreachable", "title": "unreachable", "status": 502, "code": "unreachable",
        "detail": "nothing answers at http://127.0.0.1:11434/v1", "remedy": "start the service",
    });
    node.on(
        TURNS,
        Answer::events(&[json!({"event": "queued", "turn": 7}), end]),
    );
    let ran = node.aionctl(&["ask", "librarian", "?"]);
    assert_eq!(ran.status, 1);
    assert_eq!(
        ran.err,
        "error: nothing answers at http://127.0.0.1:11434/v1\n   at: turn 7\n   do: start the service\n"
    );
}

#[test]
fn an_agent_that_does_not_exist_has_a_status_of_its_own() {
    let node = Node::start();
    node.on(
        TURNS,
        Answer::problem(&json!({
            "type": "urn:aion:problem:not-found", "title": "not found", "status": 404, "code": "not-found",
            "detail": "there is no agent default/librarian", "remedy": "aionctl get agents",
        })),
    );
    let ran = node.aionctl(&["ask", "librarian", "?"]);
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.err.contains("do: aionctl get agents"), "{ran:?}");
}

#[test]
fn a_script_gets_the_answer_as_one_object() {
    let node = Node::start();
    node.on(
        TURNS,
        Answer::events(&[
            json!({"event": "queued", "turn": 7}),
            json!({"event": "final", "text": "42"}),
            ended(true),
        ]),
    );
    let ran = node.aionctl(&["ask", "librarian", "?", "-o", "json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&value["answer"], &value["turn"], &value["outcome"]["ok"]),
        (&json!("42"), &json!(7), &json!(true))
    );
}

#[test]
fn files_go_up_and_come_down() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("my sales.csv"), "a,b\n1,2\n").unwrap();
    let uploads = "POST /api/v1/namespaces/default/agents/analyst/uploads?name=my+sales.csv";
    let turns = "POST /api/v1/namespaces/default/agents/analyst/turns";
    let mut end = ended(true);
    end["files"] =
        json!([{"path": "report.md", "size": 8}, {"path": "figures/plot.svg", "size": 6}]);
    node.on(
        uploads,
        Answer::json(&json!({"upload": "u1", "name": "my sales.csv", "size": 8})),
    )
    .on(
        turns,
        Answer::events(&[
            json!({"event": "queued", "turn": 9}),
            json!({"event": "final", "text": "Done."}),
            end,
        ]),
    )
    .on(
        "GET /api/v1/turns/9/files/report.md",
        Answer::bytes(b"# Report"),
    )
    .on(
        "GET /api/v1/turns/9/files/figures/plot.svg",
        Answer::bytes(b"<svg/>"),
    );
    let ran = node.aionctl_in(folder.path(), &["run", "analyst", "--file", "my sales.csv"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.out.starts_with("Done.\n"), "{ran:?}");
    assert!(ran.out.contains("analyst-9/figures/plot.svg"), "{ran:?}");
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
    assert_eq!(read("analyst-9/report.md"), "# Report");
    assert_eq!(read("analyst-9/figures/plot.svg"), "<svg/>");
    assert_eq!(node.body_of(turns), json!({"input": "", "uploads": ["u1"]}));
    let sent = node
        .asked()
        .into_iter()
        .find(|(route, _)| route == uploads)
        .unwrap()
        .1;
    assert_eq!(&sent[..], b"a,b\n1,2\n");
}

#[test]
fn a_node_that_names_a_file_outside_of_the_folder_writes_nothing() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let mut end = ended(true);
    end["files"] = json!([{"path": "../evil", "size": 4}]);
    node.on(
        TURNS,
        Answer::events(&[json!({"event": "queued", "turn": 9}), end]),
    );
    let ran = node.aionctl_in(folder.path(), &["run", "librarian", "make a file"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("outside of the folder"), "{ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn logs_are_shown_with_their_times_or_plain() {
    let node = Node::start();
    let lines = [
        json!({"atMs": 0, "incarnation": 1, "source": "node", "text": "worker started"}),
        json!({"atMs": 1000, "incarnation": 1, "source": "stderr", "text": "a warning"}),
    ];
    node.on(
        "GET /api/v1/namespaces/default/agents/analyst/logs?follow=false",
        Answer::events(&lines),
    );
    let ran = node.aionctl(&["logs", "analyst"]);
    assert_eq!(
        ran.out,
        "1970-01-01 00:00:00    1 node   worker started\n1970-01-01 00:00:01    1 stderr a warning\n"
    );
    let plain = node.aionctl(&["logs", "analyst", "--plain"]);
    assert_eq!(plain.out, "worker started\na warning\n");
}

/// What a person must know beside an answer, on standard error; each once, whole, and where nothing but a pipe is.
#[test]
fn every_notice_goes_to_standard_error_whole_and_once() {
    let long = format!("left out of docs: {}", "a.pdf (not text), ".repeat(40));
    let notice = |text: &str| json!({"event": "notice", "text": text});
    let mut end = ended(true);
    end["notices"] = json!([long, "the tool x cannot be used: gone"]);
    end["noticesBeyond"] = json!(3);
    let node = Node::start();
    let events = [
        json!({"event": "queued", "turn": 7}),
        notice(&long),
        json!({"event": "delta", "text": "Half a "}),
        notice("the tool x cannot be used: gone"),
        json!({"event": "delta", "text": "line"}),
        notice(&long),
        end,
    ];
    node.on(TURNS, Answer::events(&events));
    let ran = node.aionctl(&["ask", "librarian", "?"]);
    let told = format!(
        "note: {long}\nnote: the tool x cannot be used: gone\nnote: 3 more notices are not kept\n"
    );
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str(), ran.status),
        ("Half a line\n", told.as_str(), 0)
    );
    node.on(TURNS, Answer::events(&events));
    let ran = node.aionctl(&["ask", "librarian", "?", "-o", "json"]);
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed["outcome"]["notices"][0], json!(long));
    assert_eq!(ran.err, told);
}

#[test]
fn an_answer_that_lacks_a_part_of_what_was_given_has_a_status_of_its_own() {
    let mut end = ended(true);
    end["notices"] = json!(["3 rows were not read"]);
    end["incomplete"] = json!(true);
    let node = Node::start();
    let left_out = json!({"event": "notice", "text": "3 rows were not read", "leftOut": true});
    let answer = json!({"event": "final", "text": "The rest."});
    node.on(
        TURNS,
        Answer::events(&[json!({"event": "queued", "turn": 7}), left_out, answer, end]),
    );
    let ran = node.aionctl(&["ask", "librarian", "?", "-o", "json"]);
    assert_eq!(ran.status, 6);
    assert!(
        ran.err
            .starts_with("note: 3 rows were not read\nwarning: answered"),
        "{}",
        ran.err
    );
    let printed: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(printed["outcome"]["incomplete"], json!(true));
    assert_eq!(printed["answer"], json!("The rest."));
}

fn restarting() -> Answer {
    Answer::problem(&json!({
        "type": "urn:aion:problem:restarting", "title": "restarting", "status": 503, "code": "restarting",
        "detail": "the node agent is being stopped", "remedy": "retry", "retryAfterMs": 2000,
    }))
}

#[test]
fn a_node_that_is_being_replaced_is_waited_for_and_the_question_is_asked_under_one_key() {
    let node = Node::start();
    node.on(TURNS, restarting());
    // The turn was taken, and nobody heard of it.
    node.on(TURNS, Answer::events(&[]));
    let queued = json!({"event": "queued", "turn": 7});
    node.on(TURNS, Answer::events(std::slice::from_ref(&queued)));
    let events = "GET /api/v1/turns/7/events";
    node.on(events, restarting());
    let answer = json!({"event": "final", "text": "Here I am."});
    node.on(events, Answer::events(&[queued, answer, ended(true)]));
    let ran = node.aionctl(&["ask", "librarian", "?"]);
    assert_eq!(
        (ran.out.as_str(), ran.status),
        ("Here I am.\n", 0),
        "{ran:?}"
    );
    assert!(ran.err.contains("waiting for it to come back"), "{ran:?}");
    let keys = node.keys_of(TURNS);
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(
        keys.iter().all(|key| key.len() == 36 && *key == keys[0]),
        "{keys:?}"
    );
}
