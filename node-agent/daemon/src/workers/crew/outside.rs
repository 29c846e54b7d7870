//! Runs of programs that are elsewhere: offered in the place of a start, told as the launcher tells of its workers.

use std::sync::Arc;

use aion_abi::{boot::Program, external::Run};
use aion_kernel::{Failure, Incarnation, TurnId};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{
    Beside, Crew, CrewParts,
    launch::{failure, id},
};
use crate::{
    external::{Offer, Told},
    instance::{Instance, Prepared, SeenOf},
    launching::Launched,
    server::Listener,
};

impl CrewParts {
    /// Offers the run to a program that is registered. It has no process here, and no layer.
    pub(super) async fn offer(
        &self,
        turn: TurnId,
        incarnation: Incarnation,
        instance: &Arc<Instance>,
        beside: &mpsc::UnboundedSender<Beside>,
    ) -> Result<Launched, Failure> {
        let program = Program::External {};
        let (boot, asked) = self.boot(turn, incarnation, instance, program).await?;
        let to = asked.program.as_deref();
        let here = self.externals.wait(&instance.agent(), to).await;
        here.map_err(|why| failure("not-running", why))?;
        let internal = |why: String| failure("internal", why);
        let boot = serde_json::to_vec(&boot).map_err(|why| internal(why.to_string()))?;
        let boot = Zeroizing::new(boot);
        let session = self.session(turn, incarnation, instance);
        let listener = Listener::door(&self.doors, Arc::new(session));
        let _ = beside.send(Beside::Ready {
            id: id(instance.uid, incarnation),
            listener,
            instance: Arc::clone(instance),
            trace: asked.trace(),
        });
        let offer = Offer {
            to: asked.program,
            ..self.offered(turn, incarnation, instance)
        };
        self.externals
            .offer(offer, boot)
            .map_err(|why| failure("not-running", why))?;
        Ok(Launched {
            pid: 0,
            start_time: 0,
            layers: Vec::new(),
            doors: Vec::new(),
        })
    }

    pub(super) fn offered(
        &self,
        turn: TurnId,
        incarnation: Incarnation,
        instance: &Instance,
    ) -> Offer {
        Offer {
            id: id(instance.uid, incarnation),
            run: Run {
                turn: turn.0,
                incarnation: incarnation.0,
            },
            agent: instance.agent(),
            to: None,
        }
    }
}

impl Crew {
    pub(super) fn external(&mut self, told: Told) {
        match told {
            Told::Ended(exited) => {
                if let Some(member) = self.workers.get_mut(&exited.id) {
                    // It may be told before the member knows.
                    (member.outside, member.own_code) = (true, true);
                }
                self.exited(*exited);
            }
            Told::Connected(agent) => {
                let said = match self.parts.externals.is_connected(&agent) {
                    true => "a first program is registered",
                    false => "no program is registered any more",
                };
                self.parts.logs.add(&agent, Incarnation(0), "node", said);
                let Some((namespace, name)) = agent.split_once('/') else {
                    return;
                };
                for instance in self.parts.instances.of_agent(namespace, name) {
                    if instance.program == Prepared::External {
                        let _ = self.parts.seen.send((instance.uid, SeenOf::Connection));
                    }
                }
            }
        }
    }
}
