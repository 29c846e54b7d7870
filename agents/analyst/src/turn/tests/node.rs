//! A small stand-in for the node: files and memory in maps, everything that was said in lists.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::host::{Caller, FileRef, Input};

#[derive(Default)]
pub(super) struct State {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) said: Vec<String>,
    pub(super) left: Vec<String>,
    pub(super) last: String,
    pub(super) failed: String,
    pub(super) memories: BTreeMap<String, String>,
    pub(super) refuse: BTreeMap<String, String>,
    pub(super) reads: usize,
    /// The version of the files changes after these reads.
    pub(super) changes: Vec<usize>,
}

#[derive(Default)]
pub(super) struct Node(pub(super) RefCell<State>);

impl Node {
    pub(super) fn new(files: &[(&str, &[u8])]) -> Rc<Self> {
        let node = Self::default();
        for (name, content) in files {
            let file = (format!("input/{name}"), content.to_vec());
            node.0.borrow_mut().files.extend([file]);
        }
        Rc::new(node)
    }

    /// A file as text; empty where it is not there.
    pub(super) fn text(&self, path: &str) -> String {
        let state = self.0.borrow();
        let content = state.files.get(path).cloned().unwrap_or_default();
        String::from_utf8(content).unwrap()
    }
}

impl Caller for Node {
    fn call(&self, name: &str, body: &[u8], response: &mut Vec<u8>) -> io::Result<i32> {
        let mut state = self.0.borrow_mut();
        let (status, answer) = state.answer(name, &serde_json::from_slice(body)?);
        *response = answer.to_string().into_bytes();
        Ok(status)
    }
}

impl State {
    fn answer(&mut self, name: &str, request: &Value) -> (i32, Value) {
        if let Some(detail) = self.refuse.get(name) {
            return (
                403,
                json!({"code": "denied", "detail": detail, "remedy": "ask for it"}),
            );
        }
        let text = |member: &str| request[member].as_str().unwrap_or_default().to_owned();
        let path = format!("{}/{}", text("mount"), text("path"));
        match name {
            "fs.read" => {
                self.reads += 1;
                let Some(content) = self.files.get(&path) else {
                    return (
                        404,
                        json!({"code": "not-found", "detail": "no such file", "remedy": "list what there is"}),
                    );
                };
                let number = |member: &str| request[member].as_u64().unwrap() as usize;
                let from = content.len().min(number("offset"));
                let to = content.len().min(from + number("length"));
                let version = self.changes.iter().filter(|&&at| at < self.reads).count();
                let version = version.to_string();
                if request["version"]
                    .as_str()
                    .is_some_and(|was| was != version)
                {
                    return (
                        412,
                        json!({"code": "changed", "detail": "it is not what it was", "remedy": "read it again"}),
                    );
                }
                let data = STANDARD.encode(&content[from..to]);
                (
                    200,
                    json!({"data": data, "size": content.len(), "version": version}),
                )
            }
            "fs.write" => {
                let file = self.files.entry(path).or_default();
                if text("mode") == "replace" {
                    file.clear();
                }
                file.extend(STANDARD.decode(text("data")).unwrap());
                (200, json!({"size": 1}))
            }
            "agent.message" => {
                match text("kind").as_str() {
                    "final" => self.last = text("text"),
                    "failed" => self.failed = text("text"),
                    "leftOut" => self.left.push(text("text")),
                    _ => self.said.push(text("text")),
                }
                (200, json!({}))
            }
            "memory.remember" => {
                for item in request["items"].as_array().unwrap() {
                    let member = |name: &str| item[name].as_str().unwrap().to_owned();
                    self.memories.insert(member("id"), member("text"));
                }
                (200, json!({"ids": []}))
            }
            "memory.recall" => {
                let hits: Vec<Value> = self
                    .memories
                    .values()
                    .map(|text| json!({"text": text}))
                    .collect();
                (200, json!({"hits": hits}))
            }
            _ => (404, Value::Null),
        }
    }
}

/// Runs a turn with files of the input.
pub(super) fn run(node: &Rc<Node>, question: &str, files: &[&str]) -> io::Result<()> {
    let mut input = Input::default();
    input.input.text = question.into();
    input.input.files = files
        .iter()
        .map(|path| FileRef {
            mount: "input".into(),
            path: (*path).into(),
        })
        .collect();
    let caller: Rc<dyn Caller> = Rc::<Node>::clone(node);
    crate::turn::run(&caller, &input)
}
