//! One connection from the broker's yes to its end: what is heard, what is said, and who waits for what.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::Arc,
    time::Duration,
};

use aion_abi::{code::Code, problem::Problem};
use bytes::BytesMut;
use futures::{FutureExt, StreamExt};
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    sync::mpsc::Receiver,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{Shared, flight::Flight, hello::Greeted, request::Request};
use crate::{
    device::{
        Message, Qos, Version,
        packet::{self, Accepted, Fault, Head, Incoming, Outgoing, RECEIVE_MAXIMUM, Unwritten},
        refused,
    },
    outbound::Stream,
};

/// Bytes that wait to be written, beyond which nothing is read and no publish is taken.
const HIGH: usize = 64 * 1024;
/// Packets that are read before anything else has its turn.
const AT_ONCE: usize = 32;
/// Subscriptions that wait for their answer at once, and the numbers that they have.
const ASKS: std::ops::Range<u16> = 1000..1008;
/// Bytes of filters in one packet.
const FILTERS: usize = 16 * 1024;
/// How often things are looked at where a broker is not asked whether it is there.
const LOOK: Duration = Duration::from_secs(15);

/// Speaks with the broker to the end of the connection, and says why it ended. Whatever was under way has ended then.
pub(super) async fn run(
    shared: &Shared,
    greeted: Greeted,
    mut requests: Receiver<Request>,
) -> Problem {
    let Greeted {
        mut reader,
        mut writer,
        accepted,
    } = greeted;
    let mut link = Link::new(shared, accepted);
    let mut ticks = interval_at(Instant::now() + link.tick, link.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Err(why) = link.ask() {
            return why;
        }
        // What is read at once out of the buffer would be none of the runtime's business, and a flood keeps it full.
        tokio::task::coop::consume_budget().await;
        let reads = link.out.len() < HIGH;
        let step = tokio::select! {
            packet = reader.next(), if reads => {
                let mut step = link.read(packet);
                for _ in 1..AT_ONCE {
                    if step.is_err() || link.out.len() >= HIGH {
                        break;
                    }
                    match reader.next().now_or_never() {
                        Some(packet) => step = link.read(packet),
                        None => break,
                    }
                }
                step
            }
            wrote = push(&mut writer, &mut link.out), if !link.out.is_empty() || link.unflushed => {
                link.wrote(wrote)
            }
            Some(request) = requests.recv(), if reads && link.flight.room().is_some() => {
                link.publish(request)
            }
            () = shared.wanted.changed(), if link.asks.len() + 1 < ASKS.len() => Ok(()),
            _ = ticks.tick() => link.look(),
        };
        if let Err(why) = step {
            return why;
        }
    }
}

/// Hands bytes over, or sees to it that they go.
async fn push(writer: &mut WriteHalf<Stream>, out: &mut BytesMut) -> io::Result<usize> {
    match out.is_empty() {
        true => writer.flush().await.map(|()| 0),
        false => match writer.write_buf(out).await {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            wrote => wrote,
        },
    }
}

struct Link<'a> {
    shared: &'a Shared,
    accepted: Accepted,
    /// The largest packet that is written.
    most: u32,
    /// Half of the longest silence.
    tick: Duration,
    asks_whether_it_is_there: bool,
    out: BytesMut,
    /// Bytes that were put into `out` since the connection began.
    encoded: u64,
    unflushed: bool,
    flight: Flight,
    /// Messages of the broker's whose exchange has not ended.
    exchanges: HashSet<u16>,
    asks: BTreeMap<u16, Ask>,
    heard: Instant,
    progressed: Instant,
    pinged: Option<Instant>,
}

/// A subscription that waits for its answer; without filters one that was given up.
struct Ask {
    filters: Vec<Arc<str>>,
    subscribes: bool,
    since: Instant,
}

impl<'a> Link<'a> {
    fn new(shared: &'a Shared, accepted: Accepted) -> Self {
        let now = Instant::now();
        let keep_alive = match accepted.keep_alive {
            Some(seconds) => Duration::from_secs(seconds.into()),
            None => shared.broker.keep_alive,
        };
        Self {
            shared,
            most: shared.broker.max_packet.min(accepted.max_packet),
            tick: match keep_alive.is_zero() {
                true => LOOK,
                false => keep_alive / 2,
            },
            asks_whether_it_is_there: !keep_alive.is_zero(),
            out: BytesMut::new(),
            encoded: 0,
            unflushed: false,
            flight: Flight::new(shared.name(), accepted.receive_maximum),
            exchanges: HashSet::new(),
            asks: BTreeMap::new(),
            heard: now,
            progressed: now,
            pinged: None,
            accepted,
        }
    }

    fn version(&self) -> Version {
        self.shared.broker.version
    }

    fn lost(&self, why: impl std::fmt::Display) -> Problem {
        refused::unreachable(self.shared.name(), why)
    }

    fn broken(&self, why: impl std::fmt::Display) -> Problem {
        refused::broken(self.shared.name(), why)
    }

    /// Puts a packet of ours into the bytes that wait.
    fn say(&mut self, packet: &Outgoing<'_>) -> Result<(), Unwritten> {
        let before = self.out.len();
        if before == 0 {
            self.progressed = Instant::now();
        }
        packet::write(self.version(), packet, self.most, &mut self.out)?;
        self.encoded += (self.out.len() - before) as u64;
        Ok(())
    }

    fn answer(&mut self, packet: &Outgoing<'_>) -> Result<(), Problem> {
        self.say(packet).map_err(|error| self.lost(error))
    }

    fn wrote(&mut self, wrote: io::Result<usize>) -> Result<(), Problem> {
        let bytes =
            wrote.map_err(|error| self.lost(format!("the connection was lost: {error}")))?;
        self.progressed = Instant::now();
        if bytes > 0 {
            self.flight.wrote(bytes as u64);
            self.unflushed = true;
        } else {
            self.unflushed = false;
            self.flight.flushed();
        }
        Ok(())
    }

    fn publish(&mut self, request: Request) -> Result<(), Problem> {
        let Request {
            publish,
            waiter,
            bytes,
        } = request;
        // Nobody wants it any more, and nothing of it was written.
        if waiter.gave_up() {
            return Ok(());
        }
        let name = self.shared.name();
        let unfit = |code, why: &str| refused::unfit(name, &publish.topic, code, why);
        if publish.retain && !self.accepted.retains {
            waiter.end(Err(unfit(Code::BadRequest, "the broker keeps no messages")));
            return Ok(());
        }
        if publish.qos > self.accepted.maximum_qos {
            let why = "the broker does not take this quality of service";
            waiter.end(Err(unfit(Code::BadRequest, why)));
            return Ok(());
        }
        let pkid = match publish.qos {
            Qos::AtMostOnce => 0,
            _ => self.flight.room().unwrap_or_default(),
        };
        let packet = Outgoing::Publish {
            pkid,
            publish: &publish,
        };
        match self.say(&packet) {
            Ok(()) => {
                let ends = self.encoded;
                self.flight.begin(waiter, publish.topic, publish.qos, ends);
            }
            Err(error) => {
                let code = match error {
                    Unwritten::TooLarge { .. } => Code::TooLarge,
                    Unwritten::Other(_) => Code::Internal,
                };
                waiter.end(Err(unfit(code, &error.to_string())));
            }
        }
        drop(bytes);
        Ok(())
    }

    /// Tells the broker what is wanted, as far as it has answered.
    fn ask(&mut self) -> Result<(), Problem> {
        let shared = self.shared;
        while self.asks.len() + 1 < ASKS.len() && self.out.len() < HIGH {
            let most = usize::try_from(self.most).unwrap_or(usize::MAX);
            let batch = shared.wanted.next(FILTERS.min(most.saturating_sub(16)));
            if batch.subscribe.is_empty() && batch.unsubscribe.is_empty() {
                break;
            }
            if !batch.subscribe.is_empty() {
                let pkid = self.free_ask();
                let filters = &batch.subscribe;
                self.answer(&Outgoing::Subscribe { pkid, filters })?;
                let filters = filters
                    .iter()
                    .map(|(filter, _)| Arc::clone(filter))
                    .collect();
                self.asked(pkid, filters, true);
            }
            if !batch.unsubscribe.is_empty() {
                let pkid = self.free_ask();
                let filters = &batch.unsubscribe;
                self.answer(&Outgoing::Unsubscribe { pkid, filters })?;
                self.asked(pkid, batch.unsubscribe, false);
            }
        }
        shared.wanted.say_unfit(shared.name(), &*shared.hearing);
        Ok(())
    }

    fn free_ask(&self) -> u16 {
        let free = ASKS.into_iter().find(|pkid| !self.asks.contains_key(pkid));
        free.unwrap_or(ASKS.end)
    }

    fn asked(&mut self, pkid: u16, filters: Vec<Arc<str>>, subscribes: bool) {
        let since = Instant::now();
        let ask = Ask {
            filters,
            subscribes,
            since,
        };
        self.asks.insert(pkid, ask);
    }

    fn read(&mut self, packet: Option<Result<Incoming, Fault>>) -> Result<(), Problem> {
        let packet = match packet {
            Some(Ok(packet)) => packet,
            Some(Err(Fault::Io(error))) => {
                return Err(self.lost(format!("the connection was lost: {error}")));
            }
            Some(Err(fault)) => return Err(self.broken(fault)),
            None => return Err(self.lost("the broker closed the connection")),
        };
        self.heard = Instant::now();
        self.hear(packet)
    }

    fn hear(&mut self, packet: Incoming) -> Result<(), Problem> {
        let due = |step: Result<(), String>, link: &Self| step.map_err(|why| link.broken(why));
        match packet {
            Incoming::Publish { head, payload } => self.message(&head, Ok(&payload)),
            Incoming::TooLarge { head, size } => self.message(&head, Err(size)),
            Incoming::Acked { pkid, refused } => {
                let step = self.flight.acked(pkid, refused);
                due(step, self)
            }
            Incoming::Received { pkid, refused } => match self.flight.received(pkid, refused) {
                Ok(true) => self.answer(&Outgoing::Release(pkid)),
                Ok(false) => Ok(()),
                Err(why) => Err(self.broken(why)),
            },
            Incoming::Completed { pkid, refused } => {
                let step = self.flight.completed(pkid, refused);
                due(step, self)
            }
            Incoming::Release { pkid } => match self.exchanges.remove(&pkid) {
                true => self.answer(&Outgoing::Completed(pkid)),
                false => Err(self.broken(format!("it releases {pkid}, which it did not send"))),
            },
            Incoming::Subscribed { pkid, refused } => self.subscribed(pkid, &refused),
            Incoming::Unsubscribed { pkid } => match self.asks.remove(&pkid) {
                Some(ask) if !ask.subscribes => Ok(()),
                _ => Err(self.broken(format!("it answers {pkid}, which was not asked"))),
            },
            Incoming::Pong => {
                self.pinged = None;
                Ok(())
            }
            Incoming::Closing(why) => {
                Err(self.lost(format!("the broker ended the connection: {why}")))
            }
            Incoming::Connected(_) => Err(self.broken("it takes the connection twice")),
        }
    }

    /// A message with its payload, or with the size for which it is passed over.
    fn message(&mut self, head: &Head, payload: Result<&[u8], u64>) -> Result<(), Problem> {
        let again = match head.qos {
            Qos::AtMostOnce => false,
            Qos::AtLeastOnce => {
                self.answer(&Outgoing::Acked(head.pkid))?;
                false
            }
            Qos::ExactlyOnce => {
                self.answer(&Outgoing::Received(head.pkid))?;
                !self.exchanges.insert(head.pkid)
            }
        };
        if self.version() == Version::V5 && self.exchanges.len() > RECEIVE_MAXIMUM.into() {
            return Err(self.broken("it has more messages under way than it may"));
        }
        if again {
            return Ok(());
        }
        let Shared {
            hearing, broker, ..
        } = self.shared;
        let dropped = |code, size, why: &str| {
            let why = refused::dropped(self.shared.name(), &head.topic, code, why);
            hearing.dropped(&head.topic, size, why);
        };
        match payload {
            Err(size) => {
                let most = broker.max_packet;
                let why = format!("{size} bytes are more than the {most} that a packet may have");
                dropped(Code::TooLarge, Some(size), &why);
            }
            Ok(_) if head.topic.chars().any(char::is_control) => {
                dropped(Code::BadRequest, None, "its topic has a control character");
            }
            Ok(payload) => hearing.message(Message {
                topic: &head.topic,
                payload,
                retained: head.retained,
            }),
        }
        Ok(())
    }

    fn subscribed(
        &mut self,
        pkid: u16,
        refused: &[Option<refused::Refusal>],
    ) -> Result<(), Problem> {
        let Some(ask) = self.asks.remove(&pkid).filter(|ask| ask.subscribes) else {
            return Err(self.broken(format!("it answers {pkid}, which was not asked")));
        };
        if ask.filters.len() != refused.len() {
            let (asked, answered) = (ask.filters.len(), refused.len());
            return Err(self.broken(format!("it answers {answered} of {asked} subscriptions")));
        }
        for (filter, refused) in ask.filters.iter().zip(refused) {
            if let Some(refusal) = refused {
                let why = refusal.of_filter(self.shared.name(), filter);
                self.shared.hearing.refused(filter, why);
            }
        }
        Ok(())
    }

    /// Looks at what the broker owes, and asks whether it is there.
    fn look(&mut self) -> Result<(), Problem> {
        let times = self.shared.times;
        if let Some(pinged) = self.pinged
            && self.heard < pinged
        {
            return Err(self.lost("the broker does not answer whether it is there"));
        }
        if !self.out.is_empty() && self.progressed.elapsed() >= self.tick {
            return Err(self.lost("the broker does not take what is sent to it"));
        }
        let since = self.asks.values().map(|ask| ask.since).min();
        if since.is_some_and(|since| since.elapsed() >= times.subscribed) {
            return Err(self.lost("the broker does not answer a subscription"));
        }
        let since = self.flight.full_since();
        if since.is_some_and(|since| since.elapsed() >= times.acknowledged) {
            return Err(self.lost("the broker acknowledges nothing that is published"));
        }
        if self.asks_whether_it_is_there {
            self.pinged = Some(Instant::now());
            self.answer(&Outgoing::Ping)?;
        }
        Ok(())
    }
}
