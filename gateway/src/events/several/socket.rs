//! The subscriptions of one WebSocket where there are several nodes: each follows them by itself, as it may begin anywhere.

use std::sync::Arc;

use aion_abi::problem::Problem;
use futures::future::select_all;

use super::{
    following::{self, Following},
    marks::Marks,
};
use crate::{
    cluster::Caller,
    events::{
        Events,
        conversation::{End, Out, Told},
        subscriptions::{named, refused},
        wire::{Frame, Subscribe},
    },
};

/// Subscriptions of a socket, at most.
const MOST: usize = 4;

/// See the module.
pub(in crate::events) struct Socket {
    events: Arc<Events>,
    caller: Caller,
    all: Vec<Subscription>,
}

struct Subscription {
    id: String,
    following: Following,
}

/// What one of them has to tell, by its place; or that it ended.
pub(in crate::events) type News = (usize, Result<Vec<following::Told>, Problem>);

impl Socket {
    pub(in crate::events) fn new(events: Arc<Events>, caller: Caller) -> Self {
        Self {
            events,
            caller,
            all: Vec::new(),
        }
    }

    async fn begun(&mut self, wanted: Subscribe<Marks>) -> Result<Subscription, Problem> {
        let (id, after) = (wanted.id.clone(), wanted.after.clone());
        named(&id)?;
        let (filter, namespace) = self.events.within(wanted.filter())?;
        let is_there = |it: &Subscription| it.id == id;
        if self.all.len() >= MOST && !self.all.iter().any(is_there) {
            let what = format!("there are {MOST} subscriptions already");
            let remedy = "unsubscribe from one, or name more in one: kinds and agents are lists";
            return Err(refused(&what, remedy));
        }
        let caller = self.caller.clone();
        let taken = self.events.feeds.take(caller.name())?;
        let following = Following::begin(caller, &namespace, filter, after, taken).await?;
        Ok(Subscription { id, following })
    }
}

/// For one subscription, by its name.
fn framed(id: &str, members: &str) -> String {
    let id = serde_json::to_string(id).unwrap_or_default();
    format!("{{\"id\":[{id}],{members}}}")
}

impl Told for Socket {
    type Cursor = Marks;
    type News = News;

    async fn subscribe(&mut self, wanted: Subscribe<Marks>, out: &mut Out<'_>) -> Result<(), End> {
        let (id, after) = (wanted.id.clone(), wanted.after.clone());
        let subscription = match self.begun(wanted).await {
            Ok(subscription) => subscription,
            // One of its name that was there is there.
            Err(problem) => return out.send(&Frame::error(Some(id), problem)).await,
        };
        self.all.retain(|it| it.id != id);
        self.all.push(subscription);
        out.send(&Frame::subscribed(id, after)).await
    }

    fn unsubscribe(&mut self, id: &str) -> bool {
        let before = self.all.len();
        self.all.retain(|it| it.id != id);
        self.all.len() < before
    }

    async fn news(&mut self) -> News {
        if self.all.is_empty() {
            return std::future::pending().await;
        }
        let all = self.all.iter_mut();
        let all = all.map(|it| Box::pin(it.following.next()));
        let (told, at, _) = select_all(all).await;
        (at, told)
    }

    async fn tell(&mut self, (at, told): News, out: &mut Out<'_>) -> Result<(), End> {
        let subscription = self.all.remove(at);
        match told {
            Ok(told) => {
                for told in told {
                    out.feed(framed(&subscription.id, &told.members)).await?;
                }
                // One that always has more is asked after the others.
                self.all.push(subscription);
                out.flush().await
            }
            Err(why) => out.send(&Frame::error(Some(subscription.id), why)).await,
        }
    }

    async fn tell_standing(&mut self, out: &mut Out<'_>) -> Result<(), End> {
        for it in &mut self.all {
            if let Some(told) = it.following.standing() {
                out.feed(framed(&it.id, &told.members)).await?;
            }
        }
        out.flush().await
    }

    fn settle(&mut self) {}
}
