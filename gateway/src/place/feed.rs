//! What happens at a node to agents of a namespace, with turns and approvals by the numbers that are shown.

use aion_abi::event::{Cursor, Happened, Item, Told, TurnState};
use aion_client::{ClientError, Events};

use super::{Place, shown};
use crate::numbers::Tag;

/// See the module.
pub(crate) struct Feed {
    events: Events<Told>,
    tag: Option<Tag>,
}

impl Place {
    /// Follows it, behind what somebody has.
    pub(crate) async fn feed(
        &self,
        namespace: &str,
        after: Option<Cursor>,
    ) -> Result<Feed, ClientError> {
        let events = self.begun(self.node.events_in(namespace, after)).await?;
        Ok(Feed {
            events,
            tag: self.tag,
        })
    }
}

impl Feed {
    /// What is told next; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Told>, ClientError> {
        let mut told = self.events.next().await?;
        if let Some(Told {
            what: Item::Event(event),
            ..
        }) = &mut told
        {
            number(self.tag, &mut event.what)?;
        }
        Ok(told)
    }
}

fn number(tag: Option<Tag>, what: &mut Happened) -> Result<(), ClientError> {
    match what {
        Happened::Turn(turn) => {
            turn.turn = shown(tag, turn.turn)?;
            match &mut turn.state {
                TurnState::Queued {
                    caller: Some(caller),
                    ..
                } => *caller = shown(tag, *caller)?,
                TurnState::Asked { approval, .. } | TurnState::Answered { approval, .. } => {
                    *approval = shown(tag, *approval)?;
                }
                _ => {}
            }
        }
        Happened::Syscall(syscall) => syscall.turn = shown(tag, syscall.turn)?,
        Happened::Agent { .. } | Happened::Queue(_) | Happened::Log { .. } => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::event::Turn;

    use super::*;

    #[test]
    fn turns_and_approvals_have_the_numbers_that_are_asked_about() {
        let tag = Tag::of("n1");
        let mut asked = Happened::Turn(Turn {
            turn: 7,
            state: TurnState::Asked {
                approval: 3,
                capability: "memory.remember".to_owned(),
            },
        });
        number(Some(tag), &mut asked).unwrap();
        let Happened::Turn(turn) = asked else {
            unreachable!()
        };
        assert_eq!(Some(turn.turn), tag.number(7));
        let TurnState::Asked { approval, .. } = turn.state else {
            unreachable!()
        };
        assert_eq!(Some(approval), tag.number(3));
    }
}
