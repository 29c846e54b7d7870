//! Questions of servers to a person, while a call is under way. What can be said with yes or no is asked in the name of the call that it
//! came with, where its Tool allows that; any other form is declined, and whoever waits is told why. What may not enter: who is asked, and for how long.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rmcp::{
    model::{
        ElicitRequestParams, ElicitResult, ElicitationAction, InputRequest, InputRequests,
        InputResponses, PrimitiveSchemaDefinition, RequestId,
    },
    service::InboundStreamOrigin,
};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};

use super::Told;

/// The longest question, in bytes of JSON with what a yes sends: a person is shown 16 KiB, and this whole.
const LONGEST: usize = 12 * 1024;
/// The most questions that an answer asks before it is one.
const MOST: usize = 4;
/// Questions of a connection that are open at once. The transport takes no more than some that are not answered.
const OPEN: usize = 8;
/// How long the call is looked for that a question came with: it may be quicker than the call's own task.
const SOON: Duration = Duration::from_secs(1);

/// What a server wants to know before it goes on with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The call: `tool.operation`.
    pub operation: String,
    /// In the server's words.
    pub message: String,
    /// The form as the server has it, with what it says of its fields.
    pub form: Value,
    /// What the server gets with a yes: an object.
    pub sends: Value,
}

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nothing in time, or nobody could be asked.
    Nothing,
}

/// Asks a person, and waits.
pub type Asks = Arc<dyn Fn(Question) -> BoxFuture<'static, Said> + Send + Sync>;

/// Whoever waits for a call.
#[derive(Clone)]
pub struct Waits {
    /// Hears how far it is.
    pub told: Told,
    /// Asks a person for its server.
    pub asks: Asks,
}

impl Waits {
    /// Nobody does.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            told: Arc::new(|_| {}),
            asks: Arc::new(|_| Box::pin(std::future::ready(Said::Nothing))),
        }
    }
}

/// A question that a yes or a no answers.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    message: String,
    /// As the server has it: what a field is called, and what it says of it, may turn what a yes means.
    schema: Value,
    /// What a yes says.
    content: Value,
}

/// Why a question is declined.
type Declined = &'static str;

/// Reads a question.
fn form(asked: &ElicitRequestParams) -> Result<Form, Declined> {
    let ElicitRequestParams::FormElicitationParams {
        message,
        requested_schema,
        ..
    } = asked
    else {
        return Err("for a visit to a page");
    };
    let schema = serde_json::to_value(requested_schema).unwrap_or_default();
    let fields = &requested_schema.properties;
    let mut content = Map::new();
    for (name, field) in fields {
        // A yes to one boolean is true; to any other form it is one to what the server proposes.
        let is_alone = fields.len() == 1 && matches!(field, PrimitiveSchemaDefinition::Boolean(_));
        let field = serde_json::to_value(field).unwrap_or_default();
        let value = match field.get("default") {
            _ if is_alone => Value::Bool(true),
            Some(value) if !value.is_null() => value.clone(),
            _ => return Err("for more than a yes or a no"),
        };
        content.insert(name.clone(), value);
    }
    let content = Value::Object(content);
    let parts = [&Value::from(message.as_str()), &schema, &content];
    if parts.map(|it| it.to_string().len()).iter().sum::<usize>() > LONGEST {
        return Err("with more words than are shown");
    }
    Ok(Form {
        message: message.clone(),
        schema,
        content,
    })
}

impl Form {
    fn answered(self, said: Said) -> ElicitResult {
        match said {
            Said::Yes => ElicitResult::new(ElicitationAction::Accept).with_content(self.content),
            Said::No => ElicitResult::new(ElicitationAction::Decline),
            Said::Nothing => ElicitResult::new(ElicitationAction::Cancel),
        }
    }
}

/// A call that is under way.
struct Call {
    operation: String,
    waits: Waits,
    /// It was told that a question was declined.
    declined: AtomicBool,
    /// One is asked at a time, so that a server leaves room for what others ask.
    one: Semaphore,
}

impl Call {
    async fn ask(&self, asked: &ElicitRequestParams) -> ElicitResult {
        match form(asked) {
            Ok(form) => {
                let Ok(_one) = self.one.try_acquire() else {
                    return form.answered(Said::Nothing);
                };
                let question = Question {
                    operation: self.operation.clone(),
                    message: form.message.clone(),
                    form: form.schema.clone(),
                    sends: form.content.clone(),
                };
                let said = (self.waits.asks)(question).await;
                form.answered(said)
            }
            Err(why) => {
                if !self.declined.swap(true, Ordering::Relaxed) {
                    let operation = &self.operation;
                    (self.waits.told)(format!("{operation}: its server asks {why}: declined"));
                }
                ElicitResult::new(ElicitationAction::Decline)
            }
        }
    }
}

/// The calls of a connection that are under way.
pub(super) struct UnderWay {
    calls: Mutex<HashMap<RequestId, Arc<Call>>>,
    more: Notify,
    open: Semaphore,
    /// A call was given up, and nobody knows whether the server still works for it: a question may be about that one.
    given_up: AtomicBool,
    /// The Tool has it ask people.
    pub(super) asks_people: bool,
}

/// A call is, while this lives.
pub(super) struct Begun {
    under_way: Arc<UnderWay>,
    id: RequestId,
    /// The server answered.
    pub(super) answered: bool,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.answered {
            self.under_way.given_up.store(true, Ordering::Relaxed);
        }
        self.under_way.calls.lock().remove(&self.id);
    }
}

impl UnderWay {
    pub(super) fn new(asks_people: bool) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            more: Notify::default(),
            open: Semaphore::new(OPEN),
            given_up: AtomicBool::default(),
            asks_people,
        })
    }

    pub(super) fn begin(self: &Arc<Self>, id: &RequestId, operation: &str, waits: &Waits) -> Begun {
        let call = Call {
            operation: operation.to_owned(),
            waits: waits.clone(),
            declined: AtomicBool::default(),
            one: Semaphore::new(1),
        };
        self.calls.lock().insert(id.clone(), Arc::new(call));
        self.more.notify_waiters();
        Begun {
            under_way: Arc::clone(self),
            id: id.clone(),
            answered: false,
        }
    }

    /// The call that a question came with. Where the connection cannot say it, it is the only one, as far as no other was given up on it;
    /// where it says that it is of none, nobody's.
    fn of(&self, origin: Option<&InboundStreamOrigin>) -> Option<Arc<Call>> {
        let calls = self.calls.lock();
        match origin {
            Some(InboundStreamOrigin::OutboundRequest(id)) => calls.get(id).cloned(),
            None if calls.len() == 1 && !self.given_up.load(Ordering::Relaxed) => {
                calls.values().next().cloned()
            }
            _ => None,
        }
    }

    /// Asks about the call that the question came with; `None` where that is not known, or enough are open, and nobody is asked.
    pub(super) async fn ask(
        &self,
        asked: &ElicitRequestParams,
        origin: Option<&InboundStreamOrigin>,
    ) -> Option<ElicitResult> {
        let found = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if let Some(call) = self.of(origin) {
                    return call;
                }
                more.await;
            }
        };
        let _open = self.open.try_acquire().ok()?;
        let call = timeout(SOON, found).await.ok()?;
        Some(call.ask(asked).await)
    }

    /// Answers what a call asks in the place of its result.
    ///
    /// # Errors
    /// It asks what no person is asked; nobody was asked anything then.
    pub(super) async fn answers(
        &self,
        id: &RequestId,
        asked: &InputRequests,
    ) -> Result<InputResponses, Declined> {
        let call = self.calls.lock().get(id).cloned();
        let call = call.ok_or("it has a question, and its call is over")?;
        if asked.len() > MOST {
            return Err("it has more questions than are answered at once");
        }
        for asked in asked.values() {
            match asked {
                InputRequest::Elicitation(_) if !self.asks_people => {
                    return Err(
                        "it has a question to a person before it answers, and spec.asksPeople of the Tool does not allow that",
                    );
                }
                InputRequest::Elicitation(_) | InputRequest::ListRoots(_) => {}
                _ => {
                    return Err(
                        "it has a question to a model before it answers, and none is asked",
                    );
                }
            }
        }
        let mut answers = InputResponses::new();
        for (name, asked) in asked {
            let answer = match asked {
                InputRequest::Elicitation(asked) => {
                    serde_json::to_value(call.ask(&asked.params).await)
                }
                _ => Ok(json!({"roots": []})),
            };
            let answer = answer.map_err(|_| "an answer to its question has no JSON form")?;
            answers.insert(name.clone(), answer);
        }
        Ok(answers)
    }
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
