//! The corpus of documents (`tests/corpus/documents`) on the real drivers: a folder, an index, whole turns.
//! `cargo test -p aion-worker corpus -- --nocapture` gives a line for each case.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aion_abi::date::UnixMillis;
use aion_abi::syscall::agent::MessageRequest;
use aion_drivers::embed::HttpEmbedder;
use aion_drivers::files::{FilesDriver, FolderFiles, Mount, MountTable, Origin};
use aion_drivers::memory::{
    Means, MemoryConfig, MemoryDriver, Pool, PoolId, PoolQuota, Reading, Tier, TieredMemory,
};
use aion_drivers::outbound::{NodeAddresses, Outbound, Place, Rule};
use aion_drivers::secrets::{SecretFolder, Secrets};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

/// A question of a case; `make.py` beside the cases says what the fields are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    ask: String,
    #[serde(default)]
    quotes: Vec<String>,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    never: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
}

/// A node that does what it is asked.
struct Node {
    files: FolderFiles,
    mounts: MountTable,
    memory: TieredMemory,
    pool: Pool,
    said: RefCell<Vec<MessageRequest>>,
}

/// No model is asked.
struct Nothing;

impl Chat for Nothing {
    async fn next(&mut self) -> Option<ChatEvent> {
        None
    }
}

impl Syscalls for Node {
    type Chat = Nothing;

    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        syscall: Syscall,
        request: &Q,
    ) -> Result<A, Problem> {
        let asked = serde_json::to_value(request).unwrap();
        let (files, memory) = (&self.files, &self.memory);
        fn read<T: DeserializeOwned>(asked: serde_json::Value) -> T {
            serde_json::from_value(asked).unwrap()
        }
        let answer = match syscall {
            Syscall::AgentMessage => {
                self.said.borrow_mut().push(read(asked));
                json!({})
            }
            Syscall::FsList => json!(files.list(&self.mounts, read(asked)).await?),
            Syscall::FsRead => json!(files.read(&self.mounts, read(asked)).await?),
            Syscall::MemoryRecall => json!(memory.recall(&self.pool, read(asked)).await?),
            Syscall::MemoryRemember => json!(memory.remember(&self.pool, read(asked)).await?),
            Syscall::MemoryForget => json!(memory.forget(&self.pool, read(asked)).await?),
            other => panic!("{other} was not expected"),
        };
        Ok(read(answer))
    }

    async fn chat(&self, _: &ChatRequest) -> Result<Nothing, Problem> {
        panic!("no model is there")
    }
}

impl Node {
    fn of(docs: &Path, home: &Path) -> Self {
        let outbound = Arc::new(Outbound::new(Rule {
            offline: true,
            place: Place::Standalone,
            nodes: NodeAddresses::none(),
        }));
        let secrets: Arc<dyn Secrets> = Arc::new(SecretFolder::new(home.join("secrets")));
        let memory = MemoryConfig::shipped().unwrap().open(&Means {
            folder: home.join("memory"),
            outbound: Arc::clone(&outbound),
            secrets: Arc::clone(&secrets),
            embedder: Arc::new(HttpEmbedder::new(outbound, secrets)),
            now: || Reading {
                date: UnixMillis(1_800_000_000_000),
                ..Reading::default()
            },
        });
        let mount = Mount {
            folder: docs.to_owned(),
            writable: false,
            origin: Origin::Mapped,
            account: None,
        };
        Self {
            files: FolderFiles::new([home.to_owned()]),
            mounts: MountTable::new().with("docs", mount),
            memory: memory.unwrap(),
            pool: Pool {
                id: PoolId {
                    tenant: "default".into(),
                    pool: "library".into(),
                    uid: "u1".into(),
                },
                tier: Tier::Long,
                backend: None,
                owner: None,
                quota: PoolQuota::default(),
                retention_days: None,
                embedding: None,
            },
            said: RefCell::default(),
        }
    }

    /// The answer to a question, and the notices that came with it.
    async fn asks(&self, question: &str) -> (String, String) {
        self.said.borrow_mut().clear();
        let program = Declarative {
            without_model: WithoutModel::Quote,
            has_memory: true,
            knowledge: vec!["docs".to_owned()],
            ..Declarative::default()
        };
        let input = Input {
            text: question.to_owned(),
            ..Input::default()
        };
        run(&program, &input, self).await.unwrap();
        let said = self.said.borrow();
        let of = |kind: MessageKind| {
            let texts = said.iter().filter(|said| said.kind == kind);
            texts
                .map(|said| said.text.as_str())
                .collect::<Vec<_>>()
                .join("\n")
        };
        (of(MessageKind::Final), of(MessageKind::Notice))
    }
}

impl Asked {
    /// What is wrong with an answer.
    fn faults(&self, answer: &str, notes: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut rest = answer;
        for quote in &self.quotes {
            match rest.find(quote.as_str()) {
                Some(at) => rest = &rest[at + quote.len()..],
                None => faults.push(format!("{:?} is not quoted (in that order)", quote)),
            }
        }
        let missing = self
            .holds
            .iter()
            .filter(|part| !answer.contains(part.as_str()));
        faults.extend(missing.map(|part| format!("{part:?} is not there")));
        let wrong = self
            .never
            .iter()
            .filter(|part| answer.contains(part.as_str()));
        faults.extend(wrong.map(|part| format!("{part:?} is there")));
        let untold = self
            .notes
            .iter()
            .filter(|part| !notes.contains(part.as_str()));
        faults.extend(untold.map(|part| format!("{part:?} is not noted: {notes}")));
        let asked = &self.ask;
        faults
            .into_iter()
            .map(|fault| format!("{asked:?}: {fault}\n{answer}"))
            .collect()
    }
}

#[tokio::test]
async fn every_case_of_the_corpus_has_its_outcome() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/documents");
    let entries = std::fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    cases.sort();
    assert!(
        cases.len() > 30,
        "{} cases in {}",
        cases.len(),
        corpus.display()
    );
    let mut faults = Vec::new();
    for case in &cases {
        let questions: Vec<Asked> = serde_json::from_slice(&std::fs::read(case).unwrap()).unwrap();
        let home = tempfile::tempdir().unwrap();
        let node = Node::of(&case.with_extension(""), home.path());
        let before = faults.len();
        for question in questions {
            let (answer, notes) = node.asks(&question.ask).await;
            faults.extend(question.faults(&answer, &notes));
        }
        let outcome = if faults.len() == before {
            "ok"
        } else {
            "FAILED"
        };
        println!(
            "corpus documents/{} ... {outcome}",
            case.file_stem().unwrap_or_default().display()
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
