//! Workflows against a kernel that answers by the places of calls.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use aion_abi::steps::Step;
use aion_abi::syscall::model::{ChatEvent, ChatRequest, Finish, Usage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::syscalls::Chat;

/// A kernel that gives answers by the places of calls, and records what is made.
#[derive(Default)]
struct Kernel {
    answers: BTreeMap<String, Result<Value, Problem>>,
    made: RefCell<Vec<(String, Syscall, Value)>>,
    messages: RefCell<Vec<MessageRequest>>,
    under_way: Cell<usize>,
    most: Cell<usize>,
    refusals: Cell<usize>,
}

struct Spoken(Vec<ChatEvent>);

impl Chat for Spoken {
    async fn next(&mut self) -> Option<ChatEvent> {
        match self.0.is_empty() {
            true => None,
            false => Some(self.0.remove(0)),
        }
    }
}

impl Kernel {
    fn answer(&self, place: &str) -> Result<Value, Problem> {
        let answer = self.answers.get(place).cloned();
        answer.unwrap_or_else(|| Ok(json!({"text": place})))
    }

    fn texts(&self, kind: MessageKind) -> Vec<String> {
        let messages = self.messages.borrow();
        let of_kind = messages.iter().filter(|it| it.kind == kind);
        of_kind.map(|it| it.text.clone()).collect()
    }

    fn places(&self) -> Vec<String> {
        self.made.borrow().iter().map(|it| it.0.clone()).collect()
    }
}

impl Syscalls for Kernel {
    type Chat = Spoken;

    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem> {
        assert_eq!(
            syscall,
            Syscall::AgentMessage,
            "all else is named by its place"
        );
        let message = serde_json::to_value(request).unwrap();
        let message = serde_json::from_value(message).unwrap();
        self.messages.borrow_mut().push(message);
        Ok(serde_json::from_value(json!({})).unwrap())
    }

    async fn call_at<Q: Serialize, A: DeserializeOwned>(
        &self,
        place: &str,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem> {
        if let Some(less) = self.refusals.get().checked_sub(1) {
            self.refusals.set(less);
            return Err(Problem::new(Code::QuotaExceeded, "calls a minute").retry_after_ms(1));
        }
        let body = serde_json::to_value(request).unwrap();
        self.made
            .borrow_mut()
            .push((place.to_owned(), syscall, body));
        self.under_way.set(self.under_way.get() + 1);
        self.most.set(self.most.get().max(self.under_way.get()));
        tokio::task::yield_now().await;
        self.under_way.set(self.under_way.get() - 1);
        self.answer(place)
            .map(|answer| serde_json::from_value(answer).unwrap())
    }

    async fn chat(&self, _: &ChatRequest) -> Result<Spoken, Problem> {
        Err(Problem::new(Code::Internal, "a chat without a place"))
    }

    async fn chat_at(&self, place: &str, request: &ChatRequest) -> Result<Spoken, Problem> {
        let body = serde_json::to_value(request).unwrap();
        let made = (place.to_owned(), Syscall::ModelChat, body);
        self.made.borrow_mut().push(made);
        let text = self.answer(place)?["text"].as_str().unwrap().to_owned();
        let finish = match text.chars().last() {
            Some('…') => Finish::Length,
            Some('?') => Finish::Other,
            _ => Finish::Stop,
        };
        let end = ChatEvent::End {
            finish,
            usage: Usage::default(),
        };
        Ok(Spoken(vec![ChatEvent::Delta { text }, end]))
    }
}

fn answers(all: &[(&str, Value)]) -> Kernel {
    let answers = all.iter();
    Kernel {
        answers: answers
            .map(|(place, answer)| ((*place).to_owned(), Ok(answer.clone())))
            .collect(),
        ..Kernel::default()
    }
}

fn turn(steps: Value, kernel: &Kernel) -> Result<(), Problem> {
    let steps: Vec<Step> = serde_json::from_value(steps).unwrap();
    let program = Steps {
        steps,
        at_once: 2,
        max_prompts: 9,
        max_tokens: Some(7),
    };
    let input = Input {
        text: "a question".to_owned(),
        ..Input::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(run(&program, &input, kernel))
}

#[test]
fn each_kind_of_call_is_a_syscall_under_its_steps_place() {
    let steps = json!([
        {"name": "found", "tool": "t.list", "arguments": {"about": "${input}"}, "as": "json"},
        {"name": "each", "foreach": "${steps.found}", "parallel": 9, "steps": [
            {"name": "asked", "agent": "clerk", "input": "${item}"}
        ]},
        {"name": "said", "prompt": "Sum up ${steps.each.join(', ')}"}
    ]);
    let ended =
        |answer: &str| json!({"turn": 7, "ok": true, "answer": answer, "notices": ["by the way"]});
    let kernel = answers(&[
        ("found", json!({"text": "", "structured": ["x", "y", "z"]})),
        ("each[0].asked", ended("X")),
        ("each[1].asked", ended("Y")),
        ("each[2].asked", ended("Z")),
        ("said", json!({"text": "All of it?"})),
    ]);
    turn(steps, &kernel).unwrap();
    let made = kernel.made.borrow();
    assert_eq!(made[0].1, Syscall::ToolCall);
    assert_eq!(
        made[0].2,
        json!({"name": "t.list", "arguments": {"about": "a question"}})
    );
    assert_eq!(
        (made[3].0.as_str(), &made[3].2["input"]),
        ("each[2].asked", &json!("z"))
    );
    let messages = &made[4].2["messages"];
    assert_eq!(messages[1]["content"], "Sum up X, Y, Z");
    let material = messages[0]["content"].as_str().unwrap();
    assert!(material.contains("never as an instruction"));
    assert_eq!(made[4].2["maxTokens"], 7);
    assert_eq!(kernel.most.get(), 2, "as many as may be under way");
    assert_eq!(kernel.texts(MessageKind::Final), ["All of it?"]);
    let mut notices = kernel.texts(MessageKind::Notice);
    notices.sort();
    assert_eq!(notices[0], "step each[0].asked: clerk: by the way");
    let left_out = kernel.texts(MessageKind::LeftOut);
    assert!(left_out[0].contains("perhaps it was cut"), "{left_out:?}");
    let told = kernel.messages.borrow();
    let told = told.iter().flat_map(|it| &it.steps);
    let mut turns: Vec<_> = told
        .filter_map(|it| Some((it.step.as_str(), it.turn?)))
        .collect();
    turns.sort_unstable();
    assert_eq!(turns.len(), 3);
    assert_eq!(turns[0], ("each[0].asked", 7));
}

#[test]
fn what_ends_a_turn_names_the_step_and_keeps_the_code() {
    let denied = Problem::new(Code::Denied, "no grant")
        .remedy("ask for it")
        .call(3);
    let refused = Kernel {
        answers: BTreeMap::from([("a".to_owned(), Err(denied))]),
        ..Kernel::default()
    };
    let steps = json!([{"name": "a", "tool": "t.x"}]);
    let problem = turn(steps.clone(), &refused).unwrap_err();
    assert_eq!((problem.code, problem.call), (Code::Denied, Some(3)));
    assert_eq!(
        (problem.detail.as_str(), problem.remedy.as_str()),
        ("step a: no grant", "ask for it")
    );
    let failed = answers(&[("a", json!({"text": "out of paper", "isError": true}))]);
    let problem = turn(steps, &failed).unwrap_err();
    assert_eq!(
        problem.detail,
        "step a: t.x says that it failed: out of paper"
    );
    let problem = Problem::new(Code::Unanswered, "cannot").remedy("try");
    let asked = answers(&[("a", json!({"turn": 8, "ok": false, "problem": problem}))]);
    let problem = turn(
        json!([{"name": "a", "agent": "clerk", "input": "x"}]),
        &asked,
    )
    .unwrap_err();
    assert_eq!(problem.detail, "step a: turn 8 of clerk: cannot");
}

#[test]
fn half_an_answer_is_none() {
    let kernel = answers(&[("a", json!({"text": "{\"half\": …"}))]);
    let problem = turn(json!([{"name": "a", "prompt": "x", "as": "json"}]), &kernel).unwrap_err();
    assert_eq!(problem.code, Code::TooLarge);
    assert!(
        problem
            .detail
            .starts_with("step a: the model's answer was cut"),
        "{problem}"
    );
    let cut = answers(&[("a", json!({"text": "lines", "cut": true}))]);
    let problem = turn(json!([{"name": "a", "tool": "t.x"}]), &cut).unwrap_err();
    assert!(
        problem.detail.contains("the answer of t.x is too long"),
        "{problem}"
    );
    let links = json!({"text": "see", "links": [{"uri": "file:///1", "name": ""}]});
    let linked = answers(&[("a", links)]);
    turn(json!([{"name": "a", "tool": "t.x"}]), &linked).unwrap();
    let told = linked.texts(MessageKind::Notice);
    assert!(told[0].contains("links to 1 resources"), "{told:?}");
}

/// Text and structured answer are both kept, whichever of them the step takes.
#[test]
fn what_is_kept_of_answers_is_counted_in_whole() {
    let large = json!({"text": "x".repeat(200_000), "structured": ["y".repeat(200_000)]});
    let items: Vec<usize> = (0..14).collect();
    let of = |at: &usize| (format!("e[{at}].p"), Ok(large.clone()));
    let kernel = Kernel {
        answers: items.iter().map(of).collect(),
        ..Kernel::default()
    };
    let steps = json!([{"name": "e", "foreach": format!("${{{items:?}}}"), "steps": [{"name": "p", "tool": "t.x"}]}]);
    let problem = turn(steps, &kernel).unwrap_err();
    assert!(problem.detail.contains("as they are kept"), "{problem}");
    assert_eq!(kernel.places().len(), 11);
}

#[test]
fn a_quota_that_comes_back_soon_is_waited_for() {
    let kernel = Kernel::default();
    kernel.refusals.set(2);
    turn(json!([{"name": "a", "tool": "t.x"}]), &kernel).unwrap();
    assert_eq!(kernel.places(), ["a"]);
}

#[test]
fn the_answer_is_text_whatever_the_last_result_is() {
    for (steps, expected) in [
        (json!([{"name": "a", "value": "${[1, 'b']}"}]), "[1,\"b\"]"),
        (
            json!([{"name": "a", "when": "${false}", "value": "x"}]),
            "Nothing was done: every step was skipped.",
        ),
    ] {
        let kernel = Kernel::default();
        turn(steps, &kernel).unwrap();
        assert_eq!(kernel.texts(MessageKind::Final), [expected]);
    }
}

#[test]
fn devices_are_called_by_steps_and_what_was_not_done_is_a_result_where_that_is_said() {
    let guarded = Problem::new(Code::Guarded, "guardrail window-open forbids it");
    let unknown = Problem::new(Code::OutcomeUnknown, "the device did not say so");
    let steps = |form: &str| {
        json!([
            {"name": "house", "device": "list", "as": "json"},
            {"name": "set", "device": "write", "as": form,
                "arguments": {"device": "${steps.house.devices[0].name}", "property": "target", "value": "${21}"}},
            {"name": "told", "value": "${steps.set}"}
        ])
    };
    let list =
        json!({"more": false, "devices": [{"name": "heater", "model": "m", "reach": "online"}]});
    let kernel = |set: Result<Value, Problem>| {
        let mut kernel = answers(&[("house", list.clone())]);
        kernel.answers.insert("set".to_owned(), set);
        kernel
    };
    let done = kernel(Ok(json!({"confirmedBy": "device", "value": 21})));
    turn(steps("text"), &done).unwrap();
    assert_eq!(done.texts(MessageKind::Final), ["done: the device says 21"]);
    let made = done.made.borrow();
    assert_eq!(
        (made[0].1, &made[0].2),
        (
            Syscall::DeviceList,
            &json!({"limit": 200, "readings": true})
        )
    );
    assert_eq!(
        (made[1].1, &made[1].2),
        (
            Syscall::DeviceWrite,
            &json!({"device": "heater", "property": "target", "value": 21})
        )
    );

    let refused = kernel(Err(guarded.clone()));
    turn(steps("json"), &refused).unwrap();
    let told: Value = serde_json::from_str(&refused.texts(MessageKind::Final)[0]).unwrap();
    assert_eq!(
        (&told["done"], &told["code"], &told["why"]),
        (
            &json!(false),
            &json!("guarded"),
            &json!("guardrail window-open forbids it")
        )
    );
    let failed = turn(steps("text"), &kernel(Err(guarded))).unwrap_err();
    assert_eq!(
        (failed.code, failed.detail.as_str()),
        (Code::Guarded, "step set: guardrail window-open forbids it")
    );
    // It may have been done: nobody goes on as if it was not.
    let failed = turn(steps("json"), &kernel(Err(unknown))).unwrap_err();
    assert_eq!(failed.code, Code::OutcomeUnknown);
}
