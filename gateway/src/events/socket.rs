//! The subscriptions of one WebSocket where there is one node: told over the hub's ring, and each caught up with before that.

use std::{collections::VecDeque, sync::Arc};

use aion_abi::{event::Cursor, problem::Problem};

use super::{
    Events,
    catching_up::{CatchingUp, Step},
    conversation::{End, Out, Told},
    hub::Hub,
    reader::Reader,
    subscriptions::{Subscription, Subscriptions},
    wire::{Frame, Subscribe},
};

/// See the module.
pub(super) struct Socket {
    events: Arc<Events>,
    hub: Arc<Hub>,
    subscriptions: Subscriptions,
    /// Subscriptions that are to come, one after another.
    behind: VecDeque<Behind>,
    /// There while there is a subscription.
    reader: Option<Reader>,
    /// The line up to which all have been told where the feed is.
    told_at: u64,
}

/// A subscription that lacks something.
struct Behind {
    id: String,
    subscription: Subscription,
    catching_up: CatchingUp,
    after: Cursor,
    /// It has taken the place of the one of its name.
    is_begun: bool,
}

/// What comes next.
pub(super) enum News {
    /// Something that all lack.
    Line,
    /// Something that the first of those behind lacks.
    Step(Result<Step, Problem>),
}

impl Socket {
    pub(super) fn new(events: Arc<Events>, hub: Arc<Hub>) -> Self {
        Self {
            events,
            hub,
            subscriptions: Subscriptions::default(),
            behind: VecDeque::new(),
            reader: None,
            told_at: 0,
        }
    }

    /// Tells the first of those behind what it lacked, before what is to come.
    async fn step(&mut self, step: Result<Step, Problem>, out: &mut Out<'_>) -> Result<(), End> {
        let Some(mut behind) = self.behind.pop_front() else {
            return Ok(());
        };
        let id = behind.id.clone();
        let step = match step {
            Ok(step) => step,
            // One of its name that was there is there.
            Err(problem) => return out.send(&Frame::error(Some(id), problem)).await,
        };
        if !behind.is_begun {
            behind.is_begun = true;
            self.subscriptions.remove(&id);
            let subscribed = Frame::subscribed(id.clone(), Some(behind.after));
            out.send(&subscribed).await?;
        }
        match step {
            Step::Lines(lines) => {
                for line in lines {
                    let frame = self.subscriptions.frame_of(&behind.subscription, &line);
                    if let Some(frame) = frame {
                        out.feed(frame).await?;
                    }
                }
                self.behind.push_front(behind);
                out.flush().await
            }
            Step::There(number) => {
                let has = behind.catching_up.has();
                let subscription = behind.subscription.at(number, has);
                self.subscriptions.put(id.clone(), subscription);
                let is_away = self.reader.as_ref().is_some_and(Reader::is_away);
                out.send(&Frame::standing(vec![id], Some(has), is_away))
                    .await
            }
        }
    }

    /// Tells what is new: together what came together.
    async fn lines(&mut self, out: &mut Out<'_>) -> Result<(), End> {
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        for (number, line) in reader.read() {
            if let Some(frame) = self.subscriptions.frame(number, &line) {
                out.feed(frame).await?;
            }
        }
        out.flush().await
    }
}

impl Told for Socket {
    type Cursor = Cursor;
    type News = News;

    async fn subscribe(&mut self, wanted: Subscribe<Cursor>, out: &mut Out<'_>) -> Result<(), End> {
        let (id, after) = (wanted.id.clone(), wanted.after);
        let filter = self.events.named(wanted.filter());
        let allowed = self.subscriptions.check(&id, &filter, self.behind.len());
        if let Err(problem) = allowed {
            return out.send(&Frame::error(Some(id), problem)).await;
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::begin(self.hub.join()).await,
        };
        let reader = self.reader.insert(reader);
        let (at, cursor, is_away) = (reader.at(), reader.cursor(), reader.is_away());
        let subscription = Subscription::of(&id, filter, at);
        let Some(after) = after else {
            self.behind.retain(|it| it.id != id);
            self.subscriptions.put(id.clone(), subscription);
            out.send(&Frame::subscribed(id.clone(), cursor)).await?;
            if is_away {
                out.send(&Frame::standing(vec![id], cursor, true)).await?;
            }
            return Ok(());
        };
        let (hub, upstream) = (Arc::clone(&self.hub), Arc::clone(reader.upstream()));
        match CatchingUp::behind(after, hub, upstream).await {
            Ok(catching_up) => {
                self.behind.push_back(Behind {
                    id,
                    subscription,
                    catching_up,
                    after,
                    is_begun: false,
                });
                Ok(())
            }
            Err(problem) => out.send(&Frame::error(Some(id), problem)).await,
        }
    }

    fn unsubscribe(&mut self, id: &str) -> bool {
        let before = self.behind.len();
        self.behind.retain(|it| it.id != id);
        self.subscriptions.remove(id) || self.behind.len() < before
    }

    async fn news(&mut self) -> News {
        let Some(reader) = self.reader.as_mut() else {
            return std::future::pending().await;
        };
        let (at, behind) = (reader.at(), self.behind.front_mut());
        let lacked = async {
            match behind {
                Some(behind) => behind.catching_up.next(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = reader.changed() => News::Line,
            step = lacked => News::Step(step),
        }
    }

    async fn tell(&mut self, news: News, out: &mut Out<'_>) -> Result<(), End> {
        match news {
            News::Line => self.lines(out).await,
            News::Step(step) => self.step(step, out).await,
        }
    }

    async fn tell_standing(&mut self, out: &mut Out<'_>) -> Result<(), End> {
        let Some(reader) = &self.reader else {
            return Ok(());
        };
        let names = self.subscriptions.names_at(reader.at());
        if names.is_empty() || reader.is_away() || reader.at() == self.told_at {
            return Ok(());
        }
        self.told_at = reader.at();
        let standing = Frame::standing(names, reader.cursor(), false);
        out.send(&standing).await
    }

    /// Where there is no subscription nobody here holds the connection to the node.
    fn settle(&mut self) {
        if self.subscriptions.is_empty() && self.behind.is_empty() {
            self.reader = None;
        }
    }
}
