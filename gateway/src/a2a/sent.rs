//! A message as a client sends it, whatever it is for: who it is from, what it speaks of, and how it is to be answered. What may not
//! enter: what its parts mean.

use aion_abi::turn::{MAX_MESSAGE_ID, TurnRequest};

use super::{
    fault::{Fault, Kind},
    task::context,
    wire::{Message, Part, PushConfig, SendMessage},
};

/// See the module.
pub(super) struct Sent {
    pub(super) message_id: String,
    /// The context that the client named.
    pub(super) context: Option<String>,
    /// The task that it speaks of.
    pub(super) task: Option<String>,
    pub(super) parts: Vec<Part>,
    /// It does not wait for the answer.
    pub(super) returns: bool,
    /// To whom the end of its task is told.
    pub(super) push: Option<PushConfig>,
}

impl Sent {
    pub(super) fn of(asked: SendMessage) -> Result<Self, Fault> {
        if asked.tenant.is_some_and(|it| !it.is_empty()) {
            let remedy = "leave it out: the path says which agent is meant";
            return Err(Fault::params("tenant is not supported here", remedy));
        }
        let mut configuration = asked.configuration;
        let push = configuration
            .as_mut()
            .and_then(|it| it.task_push_notification_config.take());
        let configuration = configuration.as_ref();
        history(configuration.and_then(|it| it.history_length))?;
        let returns = configuration.and_then(|it| it.return_immediately);
        let message = asked.message;
        checked(&message)?;
        let context_id = message.context_id.filter(|it| !it.is_empty());
        Ok(Self {
            message_id: message.message_id,
            context: context_id.as_deref().map(context).transpose()?,
            task: message.task_id.filter(|it| !it.is_empty()),
            parts: message.parts,
            returns: returns.unwrap_or_default(),
            push,
        })
    }
}

/// No history is kept, so that every length is as good as another, if it is one.
pub(super) fn history(length: Option<i32>) -> Result<(), Fault> {
    match length.is_some_and(|it| it < 0) {
        true => Err(Fault::params(
            "historyLength is negative",
            "say 0 or more, or leave it out",
        )),
        false => Ok(()),
    }
}

fn checked(message: &Message) -> Result<(), Fault> {
    if message.message_id.is_empty() {
        let remedy = "give a UUID, the same for each try of one message";
        return Err(Fault::params("message.messageId is empty", remedy));
    }
    if !TurnRequest::is_message_id(&message.message_id) {
        let what = format!(
            "message.messageId is longer than {MAX_MESSAGE_ID} bytes, or has control characters"
        );
        return Err(Fault::params(what, "give a UUID"));
    }
    if message.role != "ROLE_USER" {
        return Err(Fault::params(
            "message.role is not ROLE_USER",
            "say ROLE_USER",
        ));
    }
    if message.parts.is_empty() {
        let remedy = "give the question as a part with text";
        return Err(Fault::params("message.parts is empty", remedy));
    }
    let references = message.reference_task_ids.as_ref();
    if references.is_some_and(|it| !it.is_empty()) {
        return Err(Fault::new(
            Kind::UnsupportedOperation,
            "message.referenceTaskIds: an agent is not told of other tasks",
            "send with the question what it is about",
        ));
    }
    Ok(())
}
