//! Approvals in simulated histories: who answers, and what a word covers, told without the kernel's code.

use std::collections::BTreeMap;

use super::{
    guards,
    model::{Check, Model, ModelTurn, ensure},
    world::World,
};
use crate::{
    ApprovalId, Body, BodyDigest, CallId, Date, Event, Fact, IdempotencyKey, Kind, Millis, Name,
    Now, Profile, Scope, TurnId, Word,
};

/// A call that was asked about, as the facts say.
pub(super) struct Question {
    turn: TurnId,
    what: What,
    until: Date,
    word: Option<Word>,
    used: bool,
    /// The call whose driver asks.
    within: Option<CallId>,
}

/// What a person sees: for this the word is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct What {
    pub(super) kind: Kind,
    pub(super) target: Option<Name>,
    /// Of the device that it moves.
    pub(super) point: Option<Name>,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) digest: BodyDigest,
}

impl What {
    /// What a word for more than this call is for.
    fn right(&self) -> (Kind, Option<&Name>, Option<&Name>) {
        (self.kind, self.target.as_ref(), self.point.as_ref())
    }
}

/// All that was asked and said.
#[derive(Default)]
pub(super) struct Questions {
    all: BTreeMap<ApprovalId, Question>,
    /// Words beyond their turn, with the agent as it was when they were given.
    standing: BTreeMap<ApprovalId, (Date, Profile)>,
    dated: Option<Now>,
}

impl Questions {
    fn date(&self, at: Millis) -> Date {
        self.dated.map_or(Date(at.0), |dated| dated.date_of(at))
    }

    /// Whether the yes to `wide` is one to more than its own call, and to that of `other`.
    fn covers(&self, wide: ApprovalId, other: ApprovalId) -> bool {
        let (Some(wide), Some(other)) = (self.all.get(&wide), self.all.get(&other)) else {
            return false;
        };
        let reaches = match wide.word {
            Some(Word::Approved { scope: Scope::Turn }) => wide.turn == other.turn,
            Some(Word::Approved { scope }) => scope != Scope::Once,
            _ => false,
        };
        let calls = wide.within.is_none() && other.within.is_none();
        reaches && calls && wide.what.right() == other.what.right()
    }

    pub(super) fn is_asking(&self, turn: TurnId) -> bool {
        let mut all = self.all.values();
        all.any(|it| it.turn == turn && it.word.is_none())
    }

    /// Whether somebody said yes to a call that begins now; a word for it alone is spent.
    pub(super) fn allow(
        &mut self,
        turn: TurnId,
        what: &What,
        profile: &Profile,
        at: Millis,
    ) -> bool {
        let today = self.date(at);
        let same_right = |it: &What| it.right() == what.right();
        let of_turn = self.all.values_mut();
        for it in of_turn.filter(|it| it.turn == turn && it.within.is_none()) {
            if matches!(it.word, Some(Word::Approved { .. })) && it.what == *what && !it.used {
                it.used = true;
                return true;
            }
        }
        let calls = self.all.iter().filter(|(_, it)| it.within.is_none());
        calls.into_iter().any(|(id, it)| {
            let whole_turn = Some(Word::Approved { scope: Scope::Turn });
            let stands = self.standing.get(id);
            let stands = stands.is_some_and(|(until, of)| {
                let same = (&of.revision, &of.grants) == (&profile.revision, &profile.grants);
                *until > today
                    && same
                    && (&of.tenant, &of.agent) == (&profile.tenant, &profile.agent)
            });
            same_right(&it.what) && ((it.turn == turn && it.word == whole_turn) || stands)
        })
    }
}

impl Model {
    pub(super) fn approval_fact(&mut self, fact: &Fact) -> Check {
        match fact.clone() {
            Fact::ClockRead { at, date } => {
                let before = self.questions.date(at);
                let standing = &mut self.questions.standing;
                standing.retain(|_, (until, _)| *until > before);
                self.questions.dated = Some(Now { at, date });
            }
            Fact::ApprovalAsked {
                approval,
                turn,
                kind,
                target,
                point,
                key,
                within,
                body,
                until,
                ..
            } => {
                let runs = |call: &CallId| {
                    let row = self.calls.get(call);
                    row.is_some_and(|it| it.turn == turn && it.ended.is_none())
                };
                ensure!(
                    within.as_ref().is_none_or(runs),
                    "a question of a call that does not run"
                );
                let row = self
                    .turns
                    .get(&turn)
                    .ok_or("a question of an unknown turn")?;
                ensure!(
                    row.running && !row.stopping && !row.pausing && row.ended.is_none(),
                    "a question of a turn that does not run"
                );
                let digest = body.digest;
                ensure!(
                    within.is_some() || point == guards::point_of(kind, digest),
                    "approval {approval} is for {point:?}, which is not what is asked for"
                );
                let question = Question {
                    turn,
                    what: What {
                        kind,
                        target,
                        point,
                        key,
                        digest,
                    },
                    until,
                    word: None,
                    used: false,
                    within,
                };
                let new = self.questions.all.insert(approval, question).is_none();
                ensure!(new, "approval {approval} was asked for twice");
            }
            Fact::ApprovalAnswered {
                approval,
                word,
                covered_by,
                at,
                ..
            } => {
                let today = self.questions.date(at);
                let covers = covered_by.is_none_or(|of| self.questions.covers(of, approval));
                ensure!(covers, "{approval} is covered by a word for something else");
                let question = self.questions.all.get_mut(&approval);
                let question = question.ok_or("an answer to nothing")?;
                ensure!(question.word.is_none(), "{approval} has two answers");
                let late = question.until <= today;
                ensure!(
                    !late || !matches!(word, Word::Approved { .. } | Word::Denied),
                    "{approval} was answered after its time"
                );
                let once = Word::Approved { scope: Scope::Once };
                ensure!(
                    question.within.is_none()
                        || !matches!(word, Word::Approved { .. })
                        || word == once,
                    "a question of a driver has a word for more"
                );
                question.word = Some(word);
                let turn = question.turn;
                if let Word::Approved {
                    scope: Scope::Until { date },
                } = word
                {
                    ensure!(date > today, "{approval} counts until a date that is over");
                    let instance = self.turns.get(&turn).map(|row| row.instance);
                    let profile = instance.and_then(|it| self.profile(it));
                    let profile = profile.ok_or("no profile is answered")?.clone();
                    self.questions.standing.insert(approval, (date, profile));
                }
            }
            Fact::WordRevoked { approval, .. } => {
                let there = self.questions.standing.remove(&approval);
                ensure!(there.is_some(), "{approval} was no standing word");
            }
            Fact::InstanceRetiring { instance, .. } => {
                self.retiring.insert(instance);
                let agent = |it: &Profile| (it.tenant.clone(), it.agent.clone());
                let gone = self.profile(instance).map(agent);
                let mut stay = self.instances.keys();
                let stays = stay
                    .any(|it| !self.retiring.contains(it) && self.profile(*it).map(agent) == gone);
                let standing = &mut self.questions.standing;
                standing.retain(|_, (_, of)| stays || Some(agent(of)) != gone);
            }
            Fact::InstanceRemoved { instance, .. } => {
                self.retiring.remove(&instance);
            }
            Fact::CallEnded { call, .. } => {
                let mut all = self.questions.all.values();
                let open = all.any(|it| it.within == Some(call) && it.word.is_none());
                ensure!(!open, "call {call} ended with its question open");
            }
            Fact::TurnEnded { turn, .. } => {
                for question in self.questions.all.values_mut() {
                    if question.turn == turn && question.word.is_none() {
                        question.word = Some(Word::Withdrawn);
                    }
                }
            }
            Fact::TurnPausing {
                turn, ref behind, ..
            } => {
                let asks = self.questions.is_asking(turn) || !behind.is_empty();
                let can = self.is_replayable(turn) && asks;
                for other in behind {
                    let parked = self.turns.get(other).is_some_and(|it| it.parked);
                    ensure!(
                        parked && self.is_called_by(*other, turn),
                        "turn {turn} pauses for {other}, which goes on or is not its own"
                    );
                }
                let row = self.turns.get_mut(&turn).ok_or("an unknown turn pauses")?;
                ensure!(
                    can && row.running && !row.stopping && row.ended.is_none(),
                    "turn {turn} pauses without a question, or cannot run again"
                );
                row.pausing = true;
            }
            Fact::TurnParked { turn, .. } => {
                let row = self
                    .turns
                    .get_mut(&turn)
                    .ok_or("an unknown turn is parked")?;
                ensure!(
                    row.pausing && !row.stopping && row.ended.is_none(),
                    "turn {turn} is parked with its worker"
                );
                row.be_parked();
            }
            Fact::TurnResumed { turn, .. } => {
                let asking = self.questions.is_asking(turn);
                let row = self.turns.get_mut(&turn).ok_or("an unknown turn goes on")?;
                ensure!(
                    row.parked && !asking && row.ended.is_none(),
                    "turn {turn} goes on without its answer"
                );
                row.parked = false;
            }
            _ => {}
        }
        Ok(())
    }
}

impl ModelTurn {
    fn be_parked(&mut self) {
        (self.incarnation, self.running) = (None, false);
        (self.pausing, self.parked) = (false, true);
    }
}

impl World {
    /// A driver asks a person while its call runs, or one whose call is over.
    pub(super) fn a_driver_asks(&mut self) -> Check {
        let running: Vec<CallId> = self.drivers.keys().copied().collect();
        let call = self.random.pick(&running).unwrap_or(CallId(9_999));
        let ticket = self.ticket();
        let digest = BodyDigest([self.random.below(3) as u8; 32]);
        self.feed(Event::Question {
            ticket,
            call,
            body: Body { digest, size: 3 },
            rule: "its server".into(),
        })
    }

    /// A person answers something, late or twice or not asked for at times, or takes a word back.
    pub(super) fn somebody_answers(&mut self) -> Check {
        let asked: Vec<_> = self.kernel.state().approvals().map(|(id, _)| id).collect();
        let pending = |id: &ApprovalId| {
            let row = self.kernel.state().approval(*id);
            row.is_some_and(crate::ApprovalRow::is_pending)
        };
        let pending: Vec<_> = asked.iter().copied().filter(pending).collect();
        let from = if self.random.chance(80) {
            &pending
        } else {
            &asked
        };
        let approval = self.random.pick(from).unwrap_or(ApprovalId(9_999));
        let today = self.now.0 + self.ahead;
        let ticket = self.ticket();
        if self.random.chance(15) {
            let words: Vec<_> = self
                .kernel
                .state()
                .standing_words()
                .map(|it| it.0)
                .collect();
            let approval = self.random.pick(&words).unwrap_or(approval);
            return self.feed(Event::Revoke {
                ticket,
                approval,
                by: "ann".into(),
            });
        }
        let yes = match self.random.below(6) {
            0 | 1 => None,
            2 => Some(Scope::Turn),
            3 => Some(Scope::Until {
                date: Date((today + self.random.below(9_000_000)).saturating_sub(1_000)),
            }),
            _ => Some(Scope::Once),
        };
        self.feed(Event::Answer {
            ticket,
            approval,
            yes,
            by: "ann".into(),
        })
    }
}
