//! An instance that the keeper has, and what follows from each message about it. Pure.
//!
//! What may not enter: carrying a move out, clocks and chance, what concerns several instances.

use std::sync::Arc;

use aion_api::{
    AgentInstance, AgentInstanceStatus,
    condition::{self, Judgement},
};
use aion_backoff::Backoff;
use aion_sandbox::LayerReading;

use super::{Before, Meanwhile, PrepareError, damped::Damped, standings::PAUSES, status::Found};
use crate::instance::{Prepared, SeenOf};

/// An instance at work.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) instance: Arc<AgentInstance>,
    /// That of its newest preparation, or of its draining. What comes of one before it is out of date.
    pub(super) version: u64,
    pub(super) found: Found,
    pub(super) status: Arc<AgentInstanceStatus>,
    pub(super) pauses: Backoff,
}

/// What the keeper learns about one instance.
#[derive(Debug)]
pub(super) enum Message {
    /// It is to be here. With the layers of a worker that is started now.
    Applied(Arc<AgentInstance>, Option<Arc<[LayerReading]>>),
    /// It is to be gone.
    Unwanted(Arc<AgentInstance>),
    /// Its program is judged under other trust from now on.
    Trust,
    /// What was begun with this version came to something.
    Of(u64, Outcome),
    /// The kernel was told of it, or why that cannot be.
    Admitted(Result<(), String>),
    /// A worker that is started now has these layers.
    Features(Option<Arc<[LayerReading]>>),
    /// Something was seen of its workers.
    Seen(SeenOf),
    /// The kernel has let go of it.
    Removed,
}

/// What a preparation comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    Prepared(Result<(Prepared, Judgement), PrepareError>),
    /// It is under way.
    Meanwhile(Meanwhile),
    /// The pause after a failure is over.
    TryAgain,
}

/// What is to be done about it. In order.
#[derive(Debug, PartialEq)]
pub(super) enum Move {
    /// Prepare it under the trust of this moment, with its version. What was begun before is given up.
    Prepare,
    /// Nothing of its preparation is waited for.
    EndPreparing,
    /// Tell the kernel that it is there with this program. What comes of it is the next message.
    Admit(Prepared),
    /// Log that its program was not let in.
    Warn(Judgement),
    /// Prepare it again after its next pause, unless another version comes first.
    PrepareLater,
    /// Its turns end and it takes no more, until it is admitted again.
    Withdraw,
    /// The turn that runs ends as it would and it takes no more, until it is admitted again.
    Close,
    /// The kernel is to let go of it. The kernel says when that is done, also of one that it never had.
    Remove,
    /// Judge it anew, and write what changed.
    Publish,
    /// Forget it here, and let the source go on.
    Release(Arc<AgentInstance>),
}

/// What a message makes of an instance, and what is to be done. `next` is a version that nothing was made for yet.
pub(super) fn decide(kept: Option<Kept>, message: Message, next: u64) -> (Option<Kept>, Vec<Move>) {
    match (kept, message) {
        (kept, Message::Applied(instance, layers)) => {
            let (kept, moves) = applied(kept, instance, layers, next);
            (Some(kept), moves)
        }
        (kept, Message::Unwanted(instance)) => {
            let (kept, moves) = unwanted(kept, instance, next);
            (Some(kept), moves)
        }
        (None, _) => (None, Vec::new()),
        (Some(kept), Message::Removed) if kept.found.draining => {
            (None, vec![Move::Release(kept.instance)])
        }
        (Some(mut kept), message) => {
            let moves = kept.hear(message, next);
            (Some(kept), moves)
        }
    }
}

fn applied(
    before: Option<Kept>,
    instance: Arc<AgentInstance>,
    layers: Option<Arc<[LayerReading]>>,
    next: u64,
) -> (Kept, Vec<Move>) {
    let before = match before {
        Some(mut kept) if kept.instance.spec == instance.spec && !kept.found.draining => {
            kept.instance = instance;
            return (kept, Vec::new());
        }
        before => before.map(|kept| kept.status),
    };
    let mut kept = Kept::new(instance, before);
    kept.found.layers = layers;
    let moves = kept.prepare(next);
    (kept, moves)
}

fn unwanted(before: Option<Kept>, instance: Arc<AgentInstance>, next: u64) -> (Kept, Vec<Move>) {
    let mut kept = before.unwrap_or_else(|| Kept::new(Arc::clone(&instance), None));
    kept.instance = instance;
    if kept.found.draining {
        return (kept, Vec::new());
    }
    kept.version = next;
    kept.found.draining = true;
    let moves = vec![Move::EndPreparing, Move::Remove, Move::Publish];
    (kept, moves)
}

impl Kept {
    /// Of which nothing was found yet. Its status is the one it comes with, or else that of `before`.
    fn new(instance: Arc<AgentInstance>, before: Option<Arc<AgentInstanceStatus>>) -> Self {
        let given = instance.status.clone().map(Arc::new);
        Self {
            status: given.or(before).unwrap_or_default(),
            instance,
            version: 0,
            found: Found {
                verified: None,
                rejected: None,
                compiling: false,
                layers: None,
                limits: Damped::default(),
                rules: Damped::default(),
                draining: false,
            },
            pauses: PAUSES,
        }
    }

    /// Begins anew what makes it ready. What was begun before, and what was to be tried again, is out of date.
    fn prepare(&mut self, next: u64) -> Vec<Move> {
        if self.found.draining {
            return Vec::new();
        }
        self.version = next;
        vec![Move::Prepare]
    }

    fn hear(&mut self, message: Message, next: u64) -> Vec<Move> {
        match message {
            // It came back while it was drained, and the kernel did not listen to that.
            Message::Removed | Message::Trust => self.prepare(next),
            Message::Of(version, outcome) if version == self.version && !self.found.draining => {
                self.came_to(outcome, next)
            }
            Message::Admitted(admitted) => {
                let reason = condition::reason::INVALID;
                let rejected = admitted.err();
                self.found.rejected =
                    rejected.map(|why| Judgement::new(condition::READY, false, reason, why));
                let mut moves = vec![Move::Publish];
                if self.found.rejected.is_some() {
                    moves.insert(0, Move::Withdraw);
                }
                moves
            }
            Message::Features(layers) => {
                self.found.layers = layers;
                vec![Move::Publish]
            }
            Message::Seen(SeenOf::Layers(layers))
                if self.found.layers.as_ref() != Some(&layers) =>
            {
                self.found.layers = Some(layers);
                vec![Move::Publish]
            }
            Message::Seen(SeenOf::Connection) => vec![Move::Publish],
            Message::Seen(SeenOf::Limits(judged)) => published(self.found.limits.hear(judged)),
            Message::Seen(SeenOf::Rules(judged)) => published(self.found.rules.hear(judged)),
            _ => Vec::new(),
        }
    }

    fn came_to(&mut self, outcome: Outcome, next: u64) -> Vec<Move> {
        match outcome {
            Outcome::TryAgain => self.prepare(next),
            Outcome::Meanwhile(Meanwhile::Revoked(verified, before)) => {
                let mut moves = vec![Move::Warn(verified.clone())];
                self.found.verified = Some(verified);
                moves.extend(end(before));
                moves.push(Move::Publish);
                moves
            }
            Outcome::Meanwhile(Meanwhile::Compiling(verified)) => {
                self.found.verified = Some(verified);
                self.found.compiling = true;
                self.found.rejected = None;
                vec![Move::Publish]
            }
            Outcome::Prepared(Ok((program, verified))) => {
                self.pauses.reset();
                self.found.verified = Some(verified);
                self.found.compiling = false;
                vec![Move::EndPreparing, Move::Admit(program)]
            }
            Outcome::Prepared(Err(error)) => {
                let mut moves = vec![Move::Warn(error.judgement.clone())];
                self.found.compiling = false;
                match error.judgement {
                    ready if ready.type_ == condition::READY => self.found.rejected = Some(ready),
                    verified => self.found.verified = Some(verified),
                }
                if error.passing {
                    moves.push(Move::PrepareLater);
                }
                moves.extend(end(error.before));
                moves.push(Move::Publish);
                moves
            }
        }
    }
}

/// What was let in under other trust takes no further turns.
fn end(before: Before) -> Option<Move> {
    match before {
        Before::GoesOn => None,
        Before::Drains => Some(Move::Close),
        Before::Ends => Some(Move::Withdraw),
    }
}

fn published(changed: bool) -> Vec<Move> {
    changed.then_some(Move::Publish).into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_api::AgentInstanceSpec;
    use aion_sandbox::Layer;

    use super::*;

    fn instance(revision: &str) -> Arc<AgentInstance> {
        let spec = AgentInstanceSpec {
            revision: revision.into(),
            ..AgentInstanceSpec::default()
        };
        Arc::new(AgentInstance::new("a", spec))
    }

    fn apply(kept: Option<Kept>, revision: &str, next: u64) -> (Option<Kept>, Vec<Move>) {
        decide(kept, Message::Applied(instance(revision), None), next)
    }

    fn drain(kept: Option<Kept>, next: u64) -> (Option<Kept>, Vec<Move>) {
        decide(kept, Message::Unwanted(instance("1")), next)
    }

    fn program() -> Prepared {
        Prepared::Declarative {
            instructions: "help".into(),
        }
    }

    fn prepared() -> Outcome {
        let verified = Judgement::new(condition::VERIFIED, true, "Inline", "inline");
        Outcome::Prepared(Ok((program(), verified)))
    }

    fn failed(type_: &'static str, passing: bool, before: Before) -> (Judgement, Outcome) {
        let judgement = Judgement::new(type_, false, "Down", "the registry does not answer");
        let error = PrepareError {
            judgement: judgement.clone(),
            passing,
            before,
        };
        (judgement, Outcome::Prepared(Err(error)))
    }

    #[test]
    fn what_is_applied_is_prepared_admitted_and_published() {
        let (kept, moves) = apply(None, "1", 7);
        assert_eq!(moves, [Move::Prepare]);
        assert_eq!(kept.as_ref().unwrap().version, 7);
        let (kept, moves) = decide(kept, Message::Of(7, prepared()), 8);
        assert_eq!(moves, [Move::EndPreparing, Move::Admit(program())]);
        let (kept, moves) = decide(kept, Message::Admitted(Ok(())), 9);
        assert_eq!(moves, [Move::Publish]);
        let found = kept.unwrap().found;
        assert!(found.verified.is_some() && found.rejected.is_none());
    }

    #[test]
    fn what_the_kernel_cannot_have_is_withdrawn_and_says_why() {
        let (kept, _) = apply(None, "1", 1);
        let (kept, moves) = decide(kept, Message::Admitted(Err("no uid".into())), 2);
        assert_eq!(moves, [Move::Withdraw, Move::Publish]);
        let rejected = kept.unwrap().found.rejected.unwrap();
        assert_eq!(
            (rejected.type_, &*rejected.message),
            (condition::READY, "no uid")
        );
    }

    #[test]
    fn the_same_spec_again_changes_nothing_and_another_is_prepared() {
        let (kept, _) = apply(None, "1", 1);
        let (kept, moves) = apply(kept, "1", 2);
        assert_eq!(moves, []);
        assert_eq!(kept.as_ref().unwrap().version, 1);
        let (kept, moves) = apply(kept, "2", 3);
        assert_eq!(moves, [Move::Prepare]);
        assert_eq!(kept.unwrap().version, 3);
    }

    #[test]
    fn what_an_older_version_comes_to_is_dropped() {
        let (kept, _) = apply(None, "1", 1);
        let (kept, moves) = decide(kept, Message::Trust, 2);
        assert_eq!(moves, [Move::Prepare]);
        let (kept, moves) = decide(kept, Message::Of(1, prepared()), 3);
        assert_eq!(moves, []);
        let (kept, moves) = decide(kept, Message::Of(1, Outcome::TryAgain), 4);
        assert_eq!(moves, []);
        let (kept, moves) = decide(kept, Message::Of(2, Outcome::TryAgain), 5);
        assert_eq!(moves, [Move::Prepare]);
        assert_eq!(kept.unwrap().version, 5);
    }

    #[test]
    fn what_passes_is_tried_again_and_what_was_let_in_goes_on_only_where_it_stands() {
        let (kept, _) = apply(None, "1", 1);
        let (judgement, outcome) = failed(condition::VERIFIED, true, Before::GoesOn);
        let (kept, moves) = decide(kept, Message::Of(1, outcome), 2);
        assert_eq!(
            moves,
            [
                Move::Warn(judgement.clone()),
                Move::PrepareLater,
                Move::Publish
            ]
        );
        assert_eq!(kept.as_ref().unwrap().found.verified, Some(judgement));
        let (judgement, outcome) = failed(condition::READY, false, Before::Ends);
        let (kept, moves) = decide(kept, Message::Of(1, outcome), 3);
        assert_eq!(
            moves,
            [Move::Warn(judgement.clone()), Move::Withdraw, Move::Publish]
        );
        assert_eq!(kept.unwrap().found.rejected, Some(judgement));
    }

    #[test]
    fn what_is_revoked_is_closed_or_ended_before_another_signature_is_found() {
        for (before, ending) in [
            (Before::Drains, Move::Close),
            (Before::Ends, Move::Withdraw),
        ] {
            let (kept, _) = apply(None, "1", 1);
            let (kept, _) = decide(kept, Message::Of(1, prepared()), 2);
            let (kept, _) = decide(kept, Message::Trust, 3);
            let revoked = Judgement::new(condition::VERIFIED, false, "Revoked", "by a key");
            let meanwhile = Outcome::Meanwhile(Meanwhile::Revoked(revoked.clone(), before));
            let (kept, moves) = decide(kept, Message::Of(3, meanwhile), 4);
            assert_eq!(moves, [Move::Warn(revoked), ending, Move::Publish]);
            let (kept, moves) = decide(kept, Message::Of(3, prepared()), 5);
            assert_eq!(moves, [Move::EndPreparing, Move::Admit(program())]);
            let verified = kept.unwrap().found.verified.unwrap();
            assert_eq!(verified.status, condition::Status::True);
        }
    }

    #[test]
    fn what_is_compiled_is_verified_and_rejected_no_more() {
        let (kept, _) = apply(None, "1", 1);
        let (_, outcome) = failed(condition::READY, true, Before::GoesOn);
        let (kept, _) = decide(kept, Message::Of(1, outcome), 2);
        let verified = Judgement::new(condition::VERIFIED, true, "Signed", "by a key");
        let compiling = Outcome::Meanwhile(Meanwhile::Compiling(verified.clone()));
        let (kept, moves) = decide(kept, Message::Of(1, compiling), 3);
        assert_eq!(moves, [Move::Publish]);
        let found = kept.unwrap().found;
        assert!(found.compiling && found.rejected.is_none());
        assert_eq!(found.verified, Some(verified));
    }

    #[test]
    fn what_is_drained_is_prepared_no_more_and_released_once_the_kernel_let_go() {
        let (kept, _) = apply(None, "1", 1);
        let (kept, moves) = drain(kept, 2);
        assert_eq!(moves, [Move::EndPreparing, Move::Remove, Move::Publish]);
        let (kept, moves) = drain(kept, 3);
        assert_eq!(moves, []);
        for message in [
            Message::Trust,
            Message::Of(1, prepared()),
            Message::Of(2, prepared()),
        ] {
            let (_, moves) = decide(drain(None, 2).0, message, 4);
            assert_eq!(moves, []);
        }
        let (kept, moves) = decide(kept, Message::Removed, 5);
        assert!(kept.is_none());
        assert!(matches!(moves[..], [Move::Release(_)]));
    }

    #[test]
    fn one_that_nobody_had_is_drained_too() {
        let (kept, moves) = drain(None, 1);
        assert_eq!(moves, [Move::EndPreparing, Move::Remove, Move::Publish]);
        assert!(kept.unwrap().found.draining);
    }

    #[test]
    fn one_that_comes_back_while_it_is_drained_is_prepared_then_and_again_when_it_was_removed() {
        let (kept, _) = apply(None, "1", 1);
        let (kept, _) = drain(kept, 2);
        let (kept, moves) = apply(kept, "1", 3);
        assert_eq!(moves, [Move::Prepare]);
        let (kept, moves) = decide(kept, Message::Removed, 4);
        assert_eq!(moves, [Move::Prepare]);
        assert_eq!(kept.unwrap().version, 4);
    }

    #[test]
    fn layers_are_published_when_they_change() {
        let layers: Arc<[_]> = Arc::new([LayerReading::enforced(Layer::Seccomp, "mode 2")]);
        let (kept, _) = apply(None, "1", 1);
        let (kept, moves) = decide(kept, Message::Seen(SeenOf::Layers(Arc::clone(&layers))), 2);
        assert_eq!(moves, [Move::Publish]);
        let (kept, moves) = decide(kept, Message::Seen(SeenOf::Layers(layers)), 3);
        assert_eq!(moves, []);
        let (kept, moves) = decide(kept, Message::Features(None), 4);
        assert_eq!(moves, [Move::Publish]);
        assert_eq!(kept.unwrap().found.layers, None);
    }

    #[test]
    fn what_is_told_of_an_unknown_one_does_nothing() {
        let unknown = [
            Message::Trust,
            Message::Removed,
            Message::Of(0, prepared()),
            Message::Features(None),
        ];
        for message in unknown {
            let (kept, moves) = decide(None, message, 1);
            assert!(kept.is_none() && moves.is_empty());
        }
    }
}
