//! What happens next, by chance: clients, workers, drivers, people and faults.

use super::{model::Check, world::World};
use crate::{
    Body, BodyDigest, Call, CallId, Class, Event, Exit, Failure, Finish, IdempotencyKey,
    Incarnation, Kind, Name, Resource, Ticket, TurnId, Usage,
};

const TARGETS: [&str; 4] = ["calendar.read", "calendar.write", "mail.send", "notes"];
impl World {
    /// One random thing happens.
    pub(super) fn happen(&mut self) -> Check {
        self.advance();
        if !self.safe.is_empty() && self.random.chance(15) {
            return self.a_safe_state_ends(false);
        }
        match self.random.below(100) {
            0..=37 => self.a_worker_calls(),
            38..=54 => self.a_driver_speaks(),
            55..=72 => self.a_worker_moves(),
            73..=75 => self.a_device_changes(),
            76..=79 => self.somebody_asks(),
            80..=82 => self.somebody_gives_up(),
            83..=85 => self.somebody_answers(),
            86..=88 => self.write(),
            89..=92 => self.sync(),
            93..=94 => self.feed(Event::Alarm),
            95..=96 => self.somebody_administers(),
            97 => {
                let power = self.random.chance(40);
                self.crash(power)?;
                self.remove_the_undesired()
            }
            98 => self.live_equals_folded(),
            _ if self.random.chance(50) => self.a_driver_asks(),
            _ => self.a_stray_event(),
        }
    }

    fn advance(&mut self) {
        let by = match self.random.below(100) {
            0..=79 => self.random.below(5),
            80..=97 => self.random.below(1_500),
            98 => self.random.below(60_000),
            _ if self.random.chance(20) => self.random.below(7_200_000),
            _ => 0,
        };
        self.now = self.now.plus(by);
        if self.random.chance(2) {
            self.ahead = self.random.below(7_200_000);
        }
    }

    fn a_worker_calls(&mut self) -> Check {
        let running = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.running && !worker.killed && !worker.hangs);
        let turns: Vec<TurnId> = running.map(|((turn, _), _)| *turn).collect();
        let Some(turn) = self.random.pick(&turns) else {
            return self.somebody_asks();
        };
        let kind = match self.random.below(100) {
            0..=11 => Kind::AgentAsk,
            12..=19 => Kind::DeviceWrite,
            _ => self.random.pick(&Kind::ALL).unwrap_or(Kind::Null),
        };
        let call = self.call(turn, kind);
        self.feed(Event::Call(call))
    }

    fn call(&mut self, turn: TurnId, kind: Kind) -> Call {
        let target = self.random.pick(&TARGETS).map(Name::from);
        let (agent, peer) = self.peer(turn, kind);
        let target = match kind {
            Kind::AgentAsk | Kind::AgentSpawn | Kind::AgentWait | Kind::AgentCancel => agent,
            _ => target,
        };
        let resource = match kind {
            Kind::ModelChat | Kind::ModelEmbed => Resource::Model(Name::from("qwen")),
            Kind::ToolCall | Kind::ToolList => Resource::Tool(Name::from("calendar")),
            Kind::FsRead | Kind::FsWrite | Kind::FsList => Resource::Files(Name::from("notes")),
            Kind::DeviceList
            | Kind::DeviceRead
            | Kind::DeviceHistory
            | Kind::DeviceWrite
            | Kind::DeviceCommand => Resource::Devices(Name::from("red/mosquitto")),
            Kind::NetConnect => Resource::Network(Name::from("default/clerk")),
            Kind::AgentMessage
            | Kind::AgentCheckpoint
            | Kind::AgentSpawn
            | Kind::AgentCancel
            | Kind::Null => Resource::Agent,
            Kind::AgentAsk | Kind::AgentWait => Resource::Turns(turn),
            Kind::MemoryRemember | Kind::MemoryRecall | Kind::MemoryForget => {
                Resource::Memory(Name::from("personal"))
            }
        };
        let mut digest = BodyDigest([self.random.below(2) as u8; 32]);
        if let Some(agent) = target.as_ref().filter(|_| kind.begins_a_turn()) {
            // A request names whom it asks: of two agents it is two requests.
            digest.0[0] = agent.as_str().len() as u8;
        }
        let aim = kind.moves_a_device().then(|| self.aim(&mut digest));
        let key = self
            .random
            .chance(40)
            .then(|| format!("{kind:?}-{}", self.random.below(6)));
        let key = match self.random.chance(70) {
            true => key.map(|key| format!("t{turn}.{key}")),
            false => key,
        };
        Call {
            ticket: self.ticket(),
            turn,
            kind,
            target: target.filter(|_| kind != Kind::Null),
            resource,
            body: Body {
                digest,
                size: self.random.below(4_096),
            },
            key: key.and_then(|key| IdempotencyKey::new(&key)),
            deadline_ms: self.random.chance(50).then(|| self.random.below(90_000)),
            reserve_tokens: if kind.class() == Class::Cost {
                self.random.below(400)
            } else {
                0
            },
            repeatable: false,
            peer,
            aim: aim.flatten(),
        }
    }

    fn a_driver_speaks(&mut self) -> Check {
        let calls: Vec<CallId> = self
            .drivers
            .iter()
            .filter(|(_, driver)| !driver.hangs)
            .map(|(id, _)| *id)
            .collect();
        let Some(call) = self.random.pick(&calls) else {
            return Ok(());
        };
        let Some(driver) = self.drivers.get(&call) else {
            return Ok(());
        };
        let (kind, reserve, told) = (driver.kind, driver.reserve, driver.told);
        let usage = match kind {
            Kind::NetConnect => Usage {
                sent_bytes: self.random.below(4_096),
                received_bytes: self.random.below(4_096),
                ..Usage::default()
            },
            _ => self.usage(reserve),
        };
        if kind.class() == Class::Cost && self.random.chance(40) {
            return self.feed(Event::Progress {
                call,
                usage: Usage {
                    input_tokens: usage.input_tokens / 2,
                    output_tokens: 0,
                    ..Usage::default()
                },
            });
        }
        let finish = match self.random.below(10) {
            _ if told && self.random.chance(70) => Finish::Stopped,
            0 => Finish::Failed(Failure {
                code: "unreachable".into(),
                detail: "nobody there".into(),
            }),
            1 if kind.class() != Class::Observe => Finish::Unknown,
            2 => Finish::Stopped,
            _ => Finish::Ok { body: None },
        };
        if self.random.chance(95) {
            self.drivers.remove(&call);
        } // else it will speak again
        self.finish(call, finish, usage)
    }

    fn usage(&mut self, reserve: u64) -> Usage {
        let overrun = if reserve > 0 && self.random.chance(3) {
            50
        } else {
            0
        };
        let input_tokens = self.random.below(reserve / 2 + 1);
        Usage {
            input_tokens,
            output_tokens: self.random.below(reserve / 2 + 1) + overrun,
            ..Usage::default()
        }
    }

    fn a_worker_moves(&mut self) -> Check {
        let workers: Vec<_> = self
            .workers
            .iter()
            .filter(|(_, worker)| !worker.hangs)
            .map(|(key, _)| *key)
            .collect();
        let Some((turn, incarnation)) = self.random.pick(&workers) else {
            return Ok(());
        };
        let Some(worker) = self.workers.get_mut(&(turn, incarnation)) else {
            return Ok(());
        };
        if !worker.at_gate && !worker.killed && self.random.chance(90) {
            worker.at_gate = true;
            let complete = self.random.chance(90);
            let layers = if complete {
                vec!["landlock".into(), "seccomp".into()]
            } else {
                vec!["landlock".into()]
            };
            return self.feed(Event::WorkerReady {
                turn,
                incarnation,
                pid: 42,
                start_time: 7,
                layers,
            });
        }
        if worker.at_gate && !worker.killed && self.random.chance(80) {
            return self.a_worker_calls();
        }
        self.a_worker_ends(turn, incarnation)
    }

    pub(super) fn a_worker_ends(&mut self, turn: TurnId, incarnation: Incarnation) -> Check {
        self.workers.remove(&(turn, incarnation));
        let exit = match self.random.below(8) {
            0 => Exit::Signal(9),
            1 => Exit::Lost,
            2 => Exit::Program(1),
            3 => Exit::OutOfMemory,
            4 => Exit::Evicted,
            5 => Exit::OutOfProcesses,
            _ => Exit::Code(0),
        };
        self.feed(Event::WorkerExited {
            turn,
            incarnation,
            exit,
        })
    }

    /// Late, doubled or invented: nothing comes of it but an answer.
    fn a_stray_event(&mut self) -> Check {
        let turn = TurnId(self.random.below(20));
        // Of a call that is still to start nobody can say that it has ended.
        let call = CallId(self.random.below(60));
        let row = self.model.calls.get(&call);
        let call = match row.is_some_and(|row| row.ended.is_some()) {
            true => call,
            false => CallId(u64::MAX),
        };
        match self.random.below(5) {
            0 => self.feed(Event::Finished {
                call,
                finish: Finish::Stopped,
                usage: Usage::default(),
            }),
            1 => self.feed(Event::WorkerExited {
                turn,
                incarnation: Incarnation(99),
                exit: Exit::Lost,
            }),
            2 => {
                let layers = vec!["seccomp".into()];
                self.feed(Event::WorkerReady {
                    turn,
                    incarnation: Incarnation(99),
                    pid: 1,
                    start_time: 1,
                    layers,
                })
            }
            3 => self.feed(Event::Disconnected {
                ticket: Ticket(u64::MAX),
            }),
            _ => {
                let call = self.call(turn, Kind::Null);
                self.feed(Event::Call(call))
            }
        }
    }
}
