//! A stand-in for a model: an OpenAI-compatible endpoint that says what the test
//! wants said, faults included. It understands nothing.

mod completion;
mod embedding;
mod server;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::Value;

use crate::{StartError, loopback::Loopback};

/// What the model does with one chat request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Says this: in one piece, or word by word to a client that streams.
    Text(String),
    /// Asks for these tools.
    Calls(Vec<ScriptedCall>),
    /// Fails with an HTTP status and this message.
    Error {
        /// HTTP status code.
        status: u16,
        /// The error's message.
        message: String,
    },
    /// Lets the client wait before it does the other thing.
    After(Duration, Box<Reply>),
    /// Says this with a pause before every word.
    Paced {
        /// What it says.
        text: String,
        /// How long it rests before each word.
        pause: Duration,
    },
    /// Says that many words and drops the connection.
    Cut {
        /// What it would have said.
        text: String,
        /// How many words of it arrive.
        words: usize,
    },
}

impl Reply {
    /// [`Reply::Text`].
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// [`Reply::Calls`] with one call.
    pub fn call(name: impl Into<String>, arguments: Value) -> Self {
        Self::Calls(vec![ScriptedCall {
            name: name.into(),
            arguments: arguments.to_string(),
        }])
    }
}

/// A tool call that the model asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedCall {
    /// The tool's name.
    pub name: String,
    /// Its arguments as the model writes them: JSON, if the test is kind.
    pub arguments: String,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// `/v1/chat/completions` or `/v1/embeddings`.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body.
    pub body: Value,
}

type Answer = Box<dyn FnMut(&ModelRequest) -> Reply + Send>;

struct State {
    answer: Answer,
    requests: Vec<ModelRequest>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock())
    }
}

/// A running model endpoint; gone when dropped.
pub struct FakeModel {
    server: Loopback,
    shared: Shared,
}

impl FakeModel {
    /// Gives these replies in turn, one a chat request; after the last it fails with
    /// status 500 and says that the script is over.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn scripted(replies: impl IntoIterator<Item = Reply>) -> Result<Self, StartError> {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::answering(move |_| {
            replies.pop_front().unwrap_or_else(|| Reply::Error {
                status: 500,
                message: "the script has no reply left".to_owned(),
            })
        })
    }

    /// Gives the reply that `answer` makes of each chat request.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn answering(
        answer: impl FnMut(&ModelRequest) -> Reply + Send + 'static,
    ) -> Result<Self, StartError> {
        let state = State {
            answer: Box::new(answer),
            requests: Vec::new(),
        };
        let shared = Shared(Arc::new(Mutex::new(state)));
        let server = Loopback::serve("fake model", server::router(shared.clone()))?;
        Ok(Self { server, shared })
    }

    /// What a `ModelEndpoint` says as its base URL, `http://127.0.0.1:port/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address())
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.shared.with(|state| state.requests.clone())
    }
}
