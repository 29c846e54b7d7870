//! Whole turns against a kernel made of maps and a scripted model.
#![allow(clippy::unwrap_used, clippy::panic)]

mod delegated;
mod documents;
mod files;
mod unchanged;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use aion_abi::date::UnixMillis;
use aion_abi::syscall::fs::{self, Entry, EntryKind};
use aion_abi::syscall::memory::{self, ForgetRequest, ForgetResponse, Hit, Method, RecallResponse};
use aion_abi::syscall::model::{Role, Usage};
use base64::Engine as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// Answers like the kernel would; keeps what was asked of it.
#[derive(Default)]
struct Kernel {
    files: RefCell<BTreeMap<String, (String, u64)>>,
    /// The bytes of files that are not in UTF-8.
    bytes: RefCell<BTreeMap<String, Vec<u8>>>,
    /// What a file becomes at each reading of a part of it.
    turning: RefCell<BTreeMap<String, VecDeque<Vec<u8>>>>,
    /// Files change so quickly that their versions stay.
    is_coarse: Cell<bool>,
    /// How many bytes were read of files.
    given: Cell<usize>,
    /// Files that are listed, and why they cannot be read.
    broken: RefCell<BTreeMap<String, Code>>,
    /// Mounts that are not there.
    gone: RefCell<Vec<String>>,
    /// So many calls are refused for this minute.
    refused: Cell<usize>,
    /// How many items fit.
    room: Cell<Option<usize>>,
    items: RefCell<Vec<Item>>,
    /// After how many calls each item was stored.
    ages: RefCell<BTreeMap<String, usize>>,
    model: RefCell<VecDeque<Result<Vec<ChatEvent>, Problem>>>,
    said: RefCell<Vec<MessageRequest>>,
    asked: RefCell<Vec<ChatRequest>>,
    calls: RefCell<Vec<Syscall>>,
}

struct Script(VecDeque<ChatEvent>);

impl Chat for Script {
    async fn next(&mut self) -> Option<ChatEvent> {
        self.0.pop_front()
    }
}

impl Syscalls for Kernel {
    type Chat = Script;

    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem> {
        self.calls.borrow_mut().push(syscall);
        if let Some(less) = self.refused.get().checked_sub(1) {
            self.refused.set(less);
            return Err(Problem::new(Code::QuotaExceeded, "calls a minute").retry_after_ms(1));
        }
        let request = serde_json::to_value(request).unwrap();
        self.answer(syscall, request)
            .map(|answer| serde_json::from_value(answer).unwrap())
    }

    async fn chat(&self, request: &ChatRequest) -> Result<Script, Problem> {
        self.asked.borrow_mut().push(request.clone());
        self.model
            .borrow_mut()
            .pop_front()
            .unwrap()
            .map(|events| Script(events.into()))
    }
}

impl Kernel {
    fn answer(&self, syscall: Syscall, request: Value) -> Result<Value, Problem> {
        Ok(match syscall {
            Syscall::AgentMessage => {
                self.said
                    .borrow_mut()
                    .push(serde_json::from_value(request).unwrap());
                json!({})
            }
            Syscall::FsList => {
                let request: fs::ListRequest = serde_json::from_value(request).unwrap();
                if self.gone.borrow().contains(&request.mount) {
                    return Err(Problem::new(Code::NotFound, "the folder is not there"));
                }
                let files = self.files.borrow();
                let entries = files.iter().map(|(path, (text, modified_ms))| Entry {
                    path: path.clone(),
                    kind: EntryKind::File,
                    size: text.len() as u64,
                    modified_ms: UnixMillis(*modified_ms),
                    version: (*modified_ms > 0).then(|| modified_ms.to_string()),
                });
                let page = fs::ListResponse {
                    entries: entries.collect(),
                    ..fs::ListResponse::default()
                };
                let mut digest = fs::TreeDigest::default();
                digest.page(&page);
                match request.unless.is_some() && digest.end() == request.unless {
                    true => json!({"entries": [], "more": false, "unchanged": true}),
                    false => json!(page),
                }
            }
            Syscall::FsRead => self.read(serde_json::from_value(request).unwrap())?,
            Syscall::MemoryRemember => {
                let request: RememberRequest = serde_json::from_value(request).unwrap();
                let mut items = self.items.borrow_mut();
                if self
                    .room
                    .get()
                    .is_some_and(|room| items.len() + request.items.len() > room)
                {
                    return Err(Problem::new(
                        Code::QuotaExceeded,
                        "memory pool library is full",
                    ));
                }
                let ids: Vec<_> = request.items.iter().map(|item| item.id.clone()).collect();
                items.retain(|item| item.id.is_none() || !ids.contains(&item.id));
                let now = self.calls.borrow().len();
                let aged = ids.iter().flatten().map(|id| (id.clone(), now));
                self.ages.borrow_mut().extend(aged);
                items.extend(request.items);
                json!({"ids": ids.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()})
            }
            Syscall::MemoryForget => {
                let request: ForgetRequest = serde_json::from_value(request).unwrap();
                let gone = |item: &Item| match &request {
                    ForgetRequest::Ids { ids } => {
                        item.id.as_ref().is_some_and(|id| ids.contains(id))
                    }
                    ForgetRequest::Collection {
                        collection,
                        attributes,
                    } => {
                        item.collection == *collection
                            && attributes
                                .iter()
                                .all(|(name, value)| item.attributes.get(name) == Some(value))
                    }
                };
                self.items.borrow_mut().retain(|item| !gone(item));
                serde_json::to_value(ForgetResponse { forgotten: 0 }).unwrap()
            }
            Syscall::MemoryRecall => self.recall(serde_json::from_value(request).unwrap()),
            Syscall::ToolList => {
                json!({"tools": [{"name": "calendar.read", "description": "", "parameters": {}}]})
            }
            Syscall::ToolCall => match (request["link"].as_str(), &request["arguments"]["day"]) {
                (Some(uri), _) => json!({"text": format!("the contents of {uri}")}),
                (None, Value::String(_)) => json!({
                    "text": "", "structured": {"appointments": 2},
                    "links": [{"uri": "cal://log", "name": "log"}],
                }),
                _ => return Err(Problem::new(Code::Denied, "calendar.read is not granted")),
            },
            Syscall::AgentAsk => return Err(Problem::new(Code::Cancelled, "the daemon stopped")),
            other => panic!("{other} was not expected"),
        })
    }

    /// Forgets what was stored before so many calls, as a pool does: without a word to anybody.
    fn grow_old(&self, calls: usize) {
        let ages = self.ages.borrow();
        let is_younger = |id: &String| ages.get(id).is_some_and(|age| *age > calls);
        self.items
            .borrow_mut()
            .retain(|item| item.id.as_ref().is_some_and(is_younger));
    }

    /// Items that share a word with the query; without one, the newest first.
    fn recall(&self, request: memory::RecallRequest) -> Value {
        let words: Vec<String> = request
            .query
            .to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let mut items = self.items.borrow().clone();
        if words.is_empty() {
            items.reverse();
        }
        let hits: Vec<Hit> = items
            .iter()
            .filter(|item| {
                request
                    .collection
                    .as_ref()
                    .is_none_or(|wanted| *wanted == item.collection)
            })
            .filter(|item| {
                let named = |id: &String| request.ids.contains(id);
                request.ids.is_empty() || item.id.as_ref().is_some_and(named)
            })
            .filter(|item| {
                let mut wanted = request.attributes.iter();
                wanted.all(|(name, value)| item.attributes.get(name) == Some(value))
            })
            .filter(|item| {
                words.is_empty()
                    || words
                        .iter()
                        .any(|word| item.text.to_lowercase().contains(word))
            })
            .skip(request.offset as usize)
            .take(request.k as usize)
            .map(|item| Hit {
                id: item.id.clone().unwrap_or_default(),
                text: item.text.clone(),
                collection: item.collection.clone(),
                attributes: item.attributes.clone(),
                score: 1.0,
                stored_at_ms: UnixMillis(0),
            })
            .collect();
        serde_json::to_value(RecallResponse {
            hits,
            method: Method::Lexical,
            degraded: None,
        })
        .unwrap()
    }

    fn file(&self, path: &str, text: &str, modified_ms: u64) {
        self.files
            .borrow_mut()
            .insert(path.to_owned(), (text.to_owned(), modified_ms));
    }

    fn model_says(&self, text: &str, tool_calls: Vec<ToolUse>) {
        let mut events = vec![ChatEvent::Start {
            model: "local/test".to_owned(),
            left_out: Vec::new(),
        }];
        events.push(ChatEvent::Delta {
            text: text.to_owned(),
        });
        let finish = if tool_calls.is_empty() {
            Finish::Stop
        } else {
            Finish::ToolCalls
        };
        events.extend(tool_calls.into_iter().map(ChatEvent::ToolCall));
        events.push(ChatEvent::End {
            finish,
            usage: Usage::default(),
        });
        self.model.borrow_mut().push_back(Ok(events));
    }

    fn final_text(&self) -> String {
        let said = self.said.borrow();
        let finals: Vec<_> = said
            .iter()
            .filter(|said| said.kind == MessageKind::Final)
            .collect();
        assert_eq!(finals.len(), 1, "one answer a turn");
        finals[0].text.clone()
    }

    fn count(&self, syscall: Syscall) -> usize {
        self.calls
            .borrow()
            .iter()
            .filter(|called| **called == syscall)
            .count()
    }
}

fn librarian() -> Declarative {
    Declarative {
        without_model: WithoutModel::Quote,
        has_memory: true,
        knowledge: vec!["docs".to_owned()],
        max_steps: 4,
        ..Declarative::default()
    }
}

/// With a second mount, `disk`.
fn librarian_of_two() -> Declarative {
    Declarative {
        knowledge: vec!["docs".to_owned(), "disk".to_owned()],
        ..librarian()
    }
}

fn ask(text: &str) -> Input {
    Input {
        text: text.to_owned(),
        ..Input::default()
    }
}

#[tokio::test]
async fn documents_are_quoted_with_their_places() {
    let kernel = Kernel::default();
    kernel.file("trust.md", "# Keys\nA bundle is signed.\n", 1);
    run(&librarian(), &ask("signed"), &kernel).await.unwrap();
    assert_eq!(
        kernel.final_text(),
        "docs/trust.md, lines 1-2 (Keys)\n> # Keys\n> A bundle is signed."
    );
}

async fn run_again(kernel: &Kernel, text: &str) -> String {
    kernel.said.borrow_mut().clear();
    run(&librarian(), &ask(text), kernel).await.unwrap();
    kernel.final_text()
}

#[tokio::test]
async fn a_model_that_is_down_is_said_and_the_documents_are_quoted() {
    let kernel = Kernel::default();
    kernel.file("a.md", "the answer", 1);
    kernel.model.borrow_mut().push_back(Err(Problem::new(
        Code::Unreachable,
        "local does not answer",
    )));
    let program = Declarative {
        has_model: true,
        ..librarian()
    };
    run(&program, &ask("answer"), &kernel).await.unwrap();
    assert!(kernel.final_text().contains("> the answer"));
    let said = kernel.said.borrow();
    assert!(
        said.iter()
            .any(|said| said.kind == MessageKind::Notice && said.text.contains("quoting instead"))
    );
}

#[tokio::test]
async fn a_refused_tool_is_told_to_the_model_and_not_to_the_person() {
    let kernel = Kernel::default();
    let call = ToolUse {
        id: "1".to_owned(),
        name: "calendar_read".to_owned(),
        arguments: "{}".to_owned(),
    };
    kernel.model_says("", vec![call]);
    kernel.model_says("I may not read it.", Vec::new());
    let program = Declarative {
        has_model: true,
        has_tools: true,
        max_steps: 4,
        ..Declarative::default()
    };
    run(&program, &ask("what is on today?"), &kernel)
        .await
        .unwrap();
    assert_eq!(kernel.final_text(), "I may not read it.");
    let asked = kernel.asked.borrow();
    let result = asked[1]
        .messages
        .iter()
        .find(|message| message.role == Role::Tool)
        .unwrap();
    assert!(result.content.contains("denied"), "{}", result.content);
}

#[tokio::test]
async fn what_is_structured_is_told_and_a_link_is_read_once_there_is_one() {
    let kernel = Kernel::default();
    let asks = |id: &str, name: &str, arguments: &str| {
        vec![ToolUse {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        }]
    };
    kernel.model_says("", asks("1", "calendar_read", r#"{"day": "today"}"#));
    kernel.model_says("", asks("2", "link_read", r#"{"uri": "cal://log"}"#));
    kernel.model_says("", asks("3", "link_read", r#"{"uri": "cal://other"}"#));
    kernel.model_says("Done.", Vec::new());
    let program = Declarative {
        has_model: true,
        has_tools: true,
        max_steps: 8,
        ..Declarative::default()
    };
    run(&program, &ask("When?"), &kernel).await.unwrap();
    let asked = kernel.asked.borrow();
    let offered = |at: usize| asked[at].tools.iter().any(|it| it.name == "link_read");
    assert!(!offered(0) && offered(1), "offered once there is a link");
    let heard: Vec<&str> = asked[3]
        .messages
        .iter()
        .filter(|it| it.role == Role::Tool)
        .map(|it| it.content.as_str())
        .collect();
    assert_eq!(
        heard[..2],
        [r#"{"appointments":2}"#, "the contents of cal://log"]
    );
    assert!(
        heard[2].contains("no answer of this turn links to \"cal://other\""),
        "{heard:?}"
    );
}

#[tokio::test]
async fn without_a_model_and_without_quoting_the_turn_fails_with_a_remedy() {
    let problem = run(&Declarative::default(), &ask("hello"), &Kernel::default())
        .await
        .unwrap_err();
    assert!(
        problem.remedy.contains("spec.model.use"),
        "{}",
        problem.remedy
    );
}

#[tokio::test]
async fn what_a_model_thinks_is_no_answer_and_tools_that_it_does_not_take_are_said() {
    let kernel = Kernel::default();
    let say = |text: &str| ChatEvent::Delta {
        text: text.to_owned(),
    };
    let events = vec![
        ChatEvent::Start {
            model: "local/reed".to_owned(),
            left_out: ["tools", "maxTokens", "messages"].map(str::to_owned).into(),
        },
        say("how high is it? Two feet, it says in the book of the mill, so two feet."),
        ChatEvent::Withdrawn,
        say("Two feet."),
        ChatEvent::End {
            finish: Finish::Stop,
            usage: Usage::default(),
        },
    ];
    kernel.model.borrow_mut().push_back(Ok(events));
    let program = Declarative {
        has_model: true,
        has_memory: true,
        max_steps: 2,
        ..Declarative::default()
    };
    run(&program, &ask("how high?"), &kernel).await.unwrap();
    assert_eq!(kernel.final_text(), "Two feet.");
    let said = kernel.said.borrow();
    for what in [
        "local/reed takes no tools",
        "local/reed does not take maxTokens",
        "oldest messages do not fit into the context of local/reed",
    ] {
        let told =
            |said: &MessageRequest| said.kind == MessageKind::Notice && said.text.contains(what);
        assert!(said.iter().any(told), "{what}: {said:?}");
    }
    let items = kernel.items.borrow();
    let remembered = format!("{items:?}");
    assert!(
        remembered.contains("Two feet.") && !remembered.contains("book of the mill"),
        "{remembered}"
    );
}

#[tokio::test]
async fn steps_are_bounded() {
    let kernel = Kernel::default();
    let call = ToolUse {
        id: "1".to_owned(),
        name: "none".to_owned(),
        arguments: "{}".to_owned(),
    };
    for _ in 0..2 {
        kernel.model_says("", vec![call.clone()]);
    }
    let program = Declarative {
        has_model: true,
        max_steps: 2,
        ..Declarative::default()
    };
    let problem = run(&program, &ask("loop"), &kernel).await.unwrap_err();
    assert_eq!(problem.code, Code::QuotaExceeded);
    assert_eq!(kernel.asked.borrow().len(), 2);
}
