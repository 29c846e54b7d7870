//! A tool's call: a question to an agent, followed to its end, or to where its client is asked for a person's word.

use std::{collections::HashMap, sync::Arc};

use aion_abi::{
    admin::{TurnEvent, TurnRequest},
    code::Code,
    problem::Problem,
};
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{CallToolResponse, InputResponses, ProgressNotificationParam, ProgressToken},
};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::{
    approval::{self, Asker},
    result::{self, failed, nobody},
    resumed::{Of, State},
    tools::{self, ASK, Arguments},
    words::{self, Said},
};
use crate::{
    asking::{Abandoned, Asking, Heard},
    gateway::{Gateway, problem},
    nodes::Nodes,
};

/// Tells a client how its call goes, where it asked for that.
pub(super) struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    told: u32,
    /// What somebody does who would see an approval, up to its number.
    shows: &'static str,
}

impl Progress {
    pub(super) fn new(
        gateway: &Gateway,
        peer: Peer<RoleServer>,
        token: Option<ProgressToken>,
    ) -> Self {
        Self {
            peer,
            token,
            shows: match gateway.nodes {
                Nodes::One(_) => "aionctl approvals show ",
                // The number is the gateway's: it says its node.
                #[cfg(feature = "kubernetes")]
                Nodes::Many(_) => "GET /v1/approvals/",
            },
            told: 0,
        }
    }

    async fn tell(&mut self, text: String) {
        let Some(token) = &self.token else { return };
        self.told += 1;
        let told = ProgressNotificationParam::new(token.clone(), f64::from(self.told));
        // A client that does not hear it is gone, which cancels the call.
        let _ = self.peer.notify_progress(told.with_message(text)).await;
    }
}

impl Progress {
    /// A person's word is waited for, whoever says it.
    async fn waits(&mut self, approval: u64, capability: Option<&str>) {
        let about = capability.map_or_else(String::new, |it| format!(" of {it}"));
        let shows = self.shows;
        let text = format!("waits for approval{about}: {shows}{approval}");
        self.tell(text).await;
    }
}

/// How the client of a call hears of it.
pub(super) struct Client {
    pub(super) progress: Progress,
    /// How it is asked for a person's word, where it may say one.
    pub(super) asker: Option<Asker>,
}

/// Asks, and waits for the end. What the agent or the node refuses is the result of the tool; only a tool that is not there is a fault.
pub(super) async fn ask(
    gateway: &Arc<Gateway>,
    of: Of<'_>,
    client: Client,
) -> Result<CallToolResponse, ErrorData> {
    let tool = of.tool;
    let arguments = Value::Object(of.arguments.clone());
    let arguments: Arguments = match serde_json::from_value(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let (namespace, name) = tools::agent(gateway, tool);
            let found = match tool == ASK {
                true => None,
                false => gateway.agent(namespace, name).await.err(),
            };
            if let Some(problem) = found.filter(|it| it.code == Code::NotFound) {
                return Err(nobody(tool, &problem));
            }
            let wrong = Problem::new(Code::BadRequest, error.to_string());
            let wrong = wrong.remedy("give the tool one argument, question: a text");
            return Ok(failed(&wrong).into());
        }
    };
    let question = arguments.question;
    let routed = match tool == ASK {
        true => {
            let remedy = "ask one of them by its tool";
            match gateway.route(&gateway.namespace, &question, remedy).await {
                Ok(chosen) => Some(chosen),
                Err(unrouted) => return Ok(result::undecided(gateway, &unrouted).into()),
            }
        }
        false => None,
    };
    let agent = match &routed {
        Some(chosen) => (chosen.namespace.as_str(), chosen.name.as_str()),
        None => tools::agent(gateway, tool),
    };
    let request = TurnRequest {
        input: question,
        ..TurnRequest::default()
    };
    let node = Arc::clone(gateway);
    match Asking::begin(node, agent, request, None, Abandoned::Cancelled).await {
        Err(problem) if problem.code == Code::NotFound => Err(nobody(tool, &problem)),
        Err(problem) => Ok(failed(&problem).into()),
        Ok(asking) => {
            // What is chosen always has a JSON form.
            let routed = routed.and_then(|it| serde_json::to_value(it).ok());
            let call = Call::new(client, of, None);
            Ok(call.told(asking, routed).await)
        }
    }
}

/// Goes on with a call that was answered with a question, with what its client says to that.
pub(super) async fn go_on(
    gateway: &Arc<Gateway>,
    of: Of<'_>,
    (state, said): (State, Option<InputResponses>),
    mut client: Client,
) -> Result<CallToolResponse, Problem> {
    // As whoever calls now: what began it is nobody else's to see.
    let record = gateway.nodes.turn(state.turn).await.map_err(problem)?;
    let (namespace, name) = tools::agent(gateway, of.tool);
    if of.tool != ASK && record.agent != format!("{namespace}/{name}") {
        let what = format!("turn {} was not started by tool {}", state.turn, of.tool);
        let remedy = "call the tool again that asked";
        return Err(Problem::new(Code::BadRequest, what).remedy(remedy));
    }
    match (words::said(said)?, &client.asker) {
        (Said::Word(verdict), Some(Asker::Result(nodes))) => {
            approval::answered(nodes, &state, verdict).await?;
        }
        (Said::Word(_), _) => {
            let what = "this caller may not approve, or its client does not support forms";
            let remedy = "call with the key that was asked, or use aionctl approvals";
            return Err(Problem::new(Code::Denied, what).remedy(remedy));
        }
        // What is missing is asked for again.
        (Said::Missing, Some(Asker::Result(nodes))) => {
            if let Some(asked) = approval::waits(nodes, state.approval, state.turn).await {
                return Ok(State::of(&asked, state.routed).asks(&asked, of)?.into());
            }
        }
        (Said::Missing | Said::Left, _) => client.progress.waits(state.approval, None).await,
    }
    let call = Call::new(client, of, Some(state.approval));
    let mut asking = Asking::resumed(Arc::clone(gateway), state.turn);
    asking.where_abandoned(Abandoned::Cancelled);
    Ok(call.told(asking, state.routed).await)
}

/// A call under way.
struct Call<'a> {
    client: Client,
    of: Of<'a>,
    /// What its client was asked about, once each, with the question that is open.
    asked: HashMap<u64, Option<AbortOnDropHandle<()>>>,
}

impl<'a> Call<'a> {
    fn new(client: Client, of: Of<'a>, asked: Option<u64>) -> Self {
        let asked = asked.map(|it| (it, None)).into_iter().collect();
        Self { client, of, asked }
    }

    /// What comes of the turn.
    async fn told(mut self, mut asking: Asking, routed: Option<Value>) -> CallToolResponse {
        let told = self.followed(&mut asking, routed).await;
        told.unwrap_or_else(|problem| failed(&problem).into())
    }

    async fn followed(
        &mut self,
        asking: &mut Asking,
        routed: Option<Value>,
    ) -> Result<CallToolResponse, Problem> {
        let mut answer = aion_client::Answer::default();
        while let Some(heard) = asking.next().await? {
            match heard {
                Heard::Again => answer.start_again(),
                Heard::Event(TurnEvent::Progress { text, .. }) => {
                    self.client.progress.tell(text).await
                }
                Heard::Event(TurnEvent::Asked {
                    approval,
                    capability,
                    ..
                }) => {
                    let turn = asking.turn().unwrap_or_default();
                    if let Some(asked) = self.ask(approval, turn, &capability).await {
                        let state = State::of(&asked, routed);
                        let result = state.asks(&asked, self.of)?;
                        // It goes on when the client calls again, or somebody else answers.
                        asking.where_abandoned(Abandoned::GoesOn);
                        return Ok(result.into());
                    }
                }
                Heard::Event(TurnEvent::Answered { approval, .. }) => {
                    // Whoever said it: nobody is asked any longer.
                    self.asked.insert(approval, None);
                }
                Heard::Event(TurnEvent::Ended(outcome)) => {
                    if let Some(problem) = outcome.problem {
                        return Err(problem);
                    }
                    let turn = asking.turn().unwrap_or_default();
                    return Ok(result::answered(answer.text(), turn, &outcome, routed).into());
                }
                Heard::Event(event) => {
                    answer.take(&event);
                }
            }
        }
        let what = "the node did not say how the turn ended";
        Err(Problem::new(Code::OutcomeUnknown, what).remedy("see aionctl why AGENT"))
    }

    /// Asks the client in its stream; or gives the approval that it is to be asked about by a result.
    async fn ask(
        &mut self,
        approval: u64,
        turn: u64,
        capability: &str,
    ) -> Option<aion_abi::approval::Approval> {
        if self.asked.contains_key(&approval) {
            return None;
        }
        self.client.progress.waits(approval, Some(capability)).await;
        let mut open = None;
        match &self.client.asker {
            None => {}
            Some(Asker::Stream(outlet, nodes)) => {
                let asked = approval::asked(outlet.clone(), nodes.clone(), (approval, turn));
                open = Some(AbortOnDropHandle::new(tokio::spawn(asked)));
            }
            Some(Asker::Result(nodes)) => {
                let waits = approval::waits(nodes, approval, turn).await;
                if waits.is_some() {
                    return waits;
                }
            }
        }
        self.asked.insert(approval, open);
        None
    }
}
