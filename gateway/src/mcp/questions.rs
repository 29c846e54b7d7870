//! Questions to a client of the era of sessions: each stands in the stream of the call that it is about, and is answered by a message of
//! its own, which is found by who asks, the name of the client's session, and the question's id. It is here for as long as its call
//! waits for it. What may not enter: what is asked.

use std::{collections::HashMap, sync::Arc};

use aion_abi::{code::Code, problem::Problem};
use axum::body::{Body, Bytes};
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use rmcp::model::{ElicitRequestParams, ElicitResult, RequestId};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::calls::{Key, Session, key};
use crate::nodes::Nodes;

/// What the id of each begins with.
const OURS: &str = "approval-";
/// What the name of a session begins with whose client said that it answers them.
const ANSWERS: &str = "asked-";
/// Messages that may wait for the client to read.
const ROOM: usize = 8;

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Mutex<HashMap<Key, oneshot::Sender<Said>>>>);

/// What a client said.
pub(super) struct Said {
    /// What of it is an answer; `None` where it said that it cannot.
    pub(super) answer: Option<ElicitResult>,
    /// The node, asked as who said it.
    pub(super) by: Nodes,
}

/// The stream of a call, for questions about it.
#[derive(Clone)]
pub(super) struct Outlet {
    questions: Questions,
    /// Whose call it is: a question's key, with the id of the call.
    call: Key,
    stream: mpsc::Sender<Bytes>,
}

/// A name for a new session: it says whether its client answers questions, since nothing else keeps that.
pub(super) fn name(initialize: &Value) -> String {
    let elicits = &initialize["params"]["capabilities"]["elicitation"];
    // With no mode named it is forms.
    let forms =
        elicits.is_object() && (elicits.get("form").is_some() || elicits.get("url").is_none());
    match forms {
        true => format!("{ANSWERS}{}", Uuid::new_v4()),
        false => Uuid::new_v4().to_string(),
    }
}

impl Questions {
    /// A way to ask about a call, and what is to stand in its stream; `None` where its client does not answer.
    pub(super) fn about(
        &self,
        session: Session<'_>,
        call: &RequestId,
    ) -> Option<(Outlet, mpsc::Receiver<Bytes>)> {
        if !session.1.starts_with(ANSWERS) {
            return None;
        }
        let (stream, asked) = mpsc::channel(ROOM);
        let outlet = Outlet {
            questions: self.clone(),
            call: key(session, call),
            stream,
        };
        Some((outlet, asked))
    }

    /// Takes a message that may be an answer. Gives whether it is one, also to a question that nobody waits for any more.
    ///
    /// # Errors
    /// It cannot be read, or whoever sends it may say no person's word. The question stays open.
    pub(super) fn take(
        &self,
        session: Session<'_>,
        message: &Value,
        by: impl FnOnce() -> Result<Nodes, Problem>,
    ) -> Result<bool, Problem> {
        let is_answer = message.get("result").is_some() || message.get("error").is_some();
        let id = message["id"].as_str().filter(|it| it.starts_with(OURS));
        let Some(id) = id.filter(|_| is_answer && message.get("method").is_none()) else {
            return Ok(false);
        };
        let key = key(session, &RequestId::String(id.into()));
        let answer = message.get("result").cloned();
        let answer = answer.map(serde_json::from_value).transpose();
        let answer = answer.map_err(|why| {
            let what = format!("that is not an answer to {id}: {why}");
            Problem::new(Code::BadRequest, what)
                .remedy("send accept, decline or cancel as its action; the question is still open")
        })?;
        let by = by()?;
        // Who waited may have gone this moment.
        if let Some(waits) = self.0.lock().remove(&key) {
            let _ = waits.send(Said { answer, by });
        }
        Ok(true)
    }
}

impl Outlet {
    /// Asks, and waits for the answer; `None` where none comes. Dropped before, the client is told that it is asked no longer.
    pub(super) async fn ask(&self, question: &ElicitRequestParams) -> Option<Said> {
        let id = format!("{OURS}{}", Uuid::new_v4());
        let message =
            json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": question});
        let (sender, answer) = oneshot::channel();
        let (by, session, _) = &self.call;
        let key = key(
            (by.as_ref(), session),
            &RequestId::String(id.as_str().into()),
        );
        self.questions.0.lock().insert(key.clone(), sender);
        let _waiting = Waiting {
            outlet: self,
            key,
            id,
        };
        self.stream.send(event(&message)).await.ok()?;
        answer.await.ok()
    }
}

/// A question that has no answer yet.
struct Waiting<'a> {
    outlet: &'a Outlet,
    key: Key,
    id: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let asked = self.outlet.questions.0.lock().remove(&self.key).is_some();
        if asked {
            let params =
                json!({"requestId": self.id, "reason": "it is answered, or nobody waits for it"});
            let message =
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
            // A client that reads nothing is not waited for.
            let _ = self.outlet.stream.try_send(event(&message));
        }
    }
}

fn event(message: &Value) -> Bytes {
    Bytes::from(format!("data: {message}\n\n"))
}

/// The stream of a call with what is asked in it, until it ends.
pub(super) fn with(body: Body, asked: mpsc::Receiver<Bytes>) -> Body {
    let parts = body.into_data_stream();
    let all = stream::unfold((parts, asked), |(mut parts, mut asked)| async move {
        // A part is an event, or some.
        let part = tokio::select! {
            biased;
            Some(question) = asked.recv() => Ok(question),
            part = parts.next() => part?,
        };
        Some((part, (parts, asked)))
    });
    Body::from_stream(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use futures::FutureExt as _;
    use rmcp::model::{ElicitationAction, ElicitationSchema};

    use super::*;

    fn question() -> ElicitRequestParams {
        ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: "May it?".to_owned(),
            requested_schema: ElicitationSchema::new(Default::default()),
        }
    }

    fn sent(asked: &mut mpsc::Receiver<Bytes>) -> Value {
        let event = asked.try_recv().unwrap();
        let event = std::str::from_utf8(&event).unwrap();
        let data = event.strip_prefix("data: ").unwrap();
        serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap()
    }

    fn nobody() -> Result<Nodes, Problem> {
        Err(Problem::new(Code::Denied, "nobody"))
    }

    fn boss() -> Result<Nodes, Problem> {
        let address = aion_client::Address::unix(std::path::Path::new("/nowhere")).unwrap();
        Ok(Nodes::One(aion_client::Node { address }))
    }

    #[test]
    fn a_session_says_by_its_name_whether_it_answers_forms() {
        for (elicits, answers) in [
            (json!(null), false),
            (json!(true), false),
            (json!({}), true),
            (json!({"form": {}}), true),
            (json!({"url": {}}), false),
            (json!({"form": {}, "url": {}}), true),
        ] {
            let hello = json!({"params": {"capabilities": {"elicitation": elicits}}});
            let name = name(&hello);
            let questions = Questions::default();
            let way = questions.about((None, &name), &RequestId::Number(1));
            assert_eq!(way.is_some(), answers, "{hello}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_taken_from_its_own_session_alone_and_once() {
        let questions = Questions::default();
        let (key, another) = (Arc::from("key"), Arc::from("another"));
        let session = (Some(&key), "asked-a");
        let (outlet, mut asked) = questions.about(session, &RequestId::Number(1)).unwrap();
        let question = question();
        let mut waiting = Box::pin(outlet.ask(&question));
        assert!(waiting.as_mut().now_or_never().is_none());
        let message = sent(&mut asked);
        assert_eq!(message["method"], "elicitation/create");
        assert_eq!(message["params"]["message"], "May it?");
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": {"action": "accept", "content": {}}});
        let other = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
        assert!(
            !questions.take(session, &other, boss).unwrap(),
            "it answers nothing of ours"
        );
        for not_its in [
            (None, "asked-a"),
            (Some(&another), "asked-a"),
            (Some(&key), "asked-b"),
        ] {
            assert!(questions.take(not_its, &answer, boss).unwrap());
            assert!(waiting.as_mut().now_or_never().is_none(), "{not_its:?}");
        }
        let unread = json!({"id": message["id"], "result": {"action": "perhaps"}});
        for (wrong, by) in [(&unread, boss as fn() -> _), (&answer, nobody)] {
            assert!(questions.take(session, wrong, by).is_err());
            assert!(
                waiting.as_mut().now_or_never().is_none(),
                "it is open still"
            );
        }
        assert!(questions.take(session, &answer, boss).unwrap());
        let said = waiting.await.unwrap();
        assert_eq!(said.answer.unwrap().action, ElicitationAction::Accept);
        assert!(
            questions.take(session, &answer, boss).unwrap(),
            "late, and nobody's"
        );
        assert!(questions.0.lock().is_empty());
        assert!(asked.try_recv().is_err(), "it is not taken back");
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_is_taken_back() {
        let questions = Questions::default();
        let way = questions.about((None, "asked-a"), &RequestId::Number(1));
        let (outlet, mut asked) = way.unwrap();
        let question = question();
        let mut waiting = Box::pin(outlet.ask(&question));
        assert!(waiting.as_mut().now_or_never().is_none());
        let id = sent(&mut asked)["id"].clone();
        drop(waiting);
        let back = sent(&mut asked);
        assert_eq!(back["method"], "notifications/cancelled");
        assert_eq!(back["params"]["requestId"], id);
        assert!(questions.0.lock().is_empty());
    }

    #[tokio::test]
    async fn what_is_asked_stands_between_the_events_of_the_call_and_not_behind_its_end() {
        let (sender, asked) = mpsc::channel(2);
        sender
            .send(Bytes::from_static(b"data: q\n\n"))
            .await
            .unwrap();
        let parts = ["data: a\n\n", "data: b\n\n"].map(|it| Ok::<_, Infallible>(Bytes::from(it)));
        let body = with(Body::from_stream(stream::iter(parts)), asked);
        let all = axum::body::to_bytes(body, 1024).await.unwrap();
        assert_eq!(all, "data: q\n\ndata: a\n\ndata: b\n\n");
        // Whoever could ask is there still, and it has ended.
        drop(sender);
    }
}
