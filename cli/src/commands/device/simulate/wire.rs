//! The way of devices that are played to their broker, and back. What devices do may not enter.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io::BufRead,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    broker::Broker,
    outbox::{Outbox, Word},
    play::{Out, Play},
    told::Telling,
};
use crate::failure::{Failure, Status};

/// What may wait that comes from the broker, or is to be said later.
const WAITING: usize = 10_000;
/// What the client of MQTT has before it is on the wire.
const ON_THE_WIRE: usize = 100;
/// Topics of one subscription.
const TOPICS: usize = 100;
/// The largest message, in bytes.
const MAX_MESSAGE: usize = 1 << 20;
/// Until the broker is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// So many times a second some of what is due is said.
const BEATS: u32 = 20;
/// A broker that takes no more of the last words is given so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What comes from the broker.
enum Coming {
    Connected,
    Message { topic: String, payload: Vec<u8> },
    Away(String),
}

/// How long and how fast they are played, and what is left of them.
pub(super) struct Pace {
    /// Messages a second, of devices that wander.
    pub(super) rate: u32,
    /// To the end after this.
    pub(super) lasts: Option<Duration>,
    /// What devices said stays at the broker.
    pub(super) keep: bool,
}

/// Ctrl-C, or SIGTERM. A signal that comes while nobody asks is kept.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind).map_err(|why| Failure::new(format!("cannot wait for signals: {why}")))
        };
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Plays until Ctrl-C, or until the time is over.
///
/// # Errors
/// No broker is there as it begins. One that goes later is waited for. A second Ctrl-C.
pub(super) async fn play(
    broker: &Broker,
    play: &mut Play,
    pace: &Pace,
    telling: &mut Telling<'_>,
) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let mut options = MqttOptions::new(client_id(), broker.host.clone(), broker.port);
    options.set_keep_alive(Duration::from_secs(15));
    options.set_max_packet_size(MAX_MESSAGE, MAX_MESSAGE);
    let (client, mut events) = AsyncClient::new(options, ON_THE_WIRE);
    // A device's word waits for no acknowledgement of the one before (RFC 896).
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    let (tell, mut coming) = mpsc::channel(WAITING);
    let taken = Arc::new(AtomicU64::new(0));
    tokio::spawn(listen(events, tell, Arc::clone(&taken)));
    let mut outbox = Outbox::to(client);
    let mut lines = typed();
    let mut later: BinaryHeap<Reverse<(Instant, u64)>> = BinaryHeap::new();
    let mut waiting: HashMap<u64, Out> = HashMap::new();
    let mut hello = Vec::new().into_iter().peekable();
    let (mut number, mut was_there, mut is_there, mut owed) = (0_u64, false, false, 0_u32);
    let (mut second, mut beat) = (
        interval(Duration::from_secs(1)),
        interval(Duration::from_secs(1) / BEATS),
    );
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ends = Instant::now()
        + pace
            .lasts
            .unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
    loop {
        let due = later.peek().map(|Reverse((at, _))| *at);
        let out = tokio::select! {
            () = stop.asked() => break,
            () = sleep_until(ends.into()) => break,
            it = coming.recv() => match it {
                Some(Coming::Connected) => {
                    let again = std::mem::replace(&mut was_there, true);
                    is_there = true;
                    telling.connected(again);
                    hello = greeting(play).into_iter().peekable();
                    Vec::new()
                }
                Some(Coming::Message { topic, payload }) => {
                    let (told, out) = play.hear(&topic, &payload);
                    for (device, told) in &told {
                        telling.told(device, told)?;
                    }
                    out
                }
                Some(Coming::Away(why)) if !was_there => return Err(no_broker(broker, &why)),
                Some(Coming::Away(why)) => {
                    is_there = false;
                    hello = Vec::new().into_iter().peekable();
                    telling.away(&why);
                    Vec::new()
                }
                None => return Err(Failure::new("the way to the broker broke off")),
            },
            () = outbox.room(), if hello.peek().is_some() => {
                outbox.put_some(&mut hello);
                Vec::new()
            }
            _ = second.tick(), if was_there => play.second(),
            _ = beat.tick(), if was_there && pace.rate > 0 => {
                owed += pace.rate;
                let now = owed / BEATS;
                owed %= BEATS;
                (0..now).flat_map(|_| play.wander()).collect()
            }
            Some(line) = lines.recv(), if was_there => match play.typed(&line) {
                Ok(out) => out,
                Err(why) => {
                    telling.not_typed(&why);
                    Vec::new()
                }
            },
            () = at(due) => {
                let due = later.pop().and_then(|Reverse((_, number))| waiting.remove(&number));
                due.map(|it| Out { after_ms: 0, ..it }).into_iter().collect()
            }
        };
        for it in out {
            if it.after_ms == 0 {
                // Devices live on while their broker is away, and say how they are when it is back.
                if !is_there || !outbox.put(Word::Say(it)) {
                    play.counts.left_out += 1;
                }
            } else if waiting.len() < WAITING {
                number += 1;
                later.push(Reverse((
                    Instant::now() + Duration::from_millis(it.after_ms),
                    number,
                )));
                waiting.insert(number, it);
            } else {
                play.counts.left_out += 1;
            }
        }
    }
    let retained: Vec<_> = match pace.keep {
        true => Vec::new(),
        false => outbox.retained().cloned().collect(),
    };
    if !is_there {
        telling.not_taken_back(retained.len());
        return Ok(());
    }
    telling.ending();
    let left = retained.len();
    outbox.end(play.bye(retained).into_iter().map(Word::Say).collect());
    tokio::select! {
        () = stop.asked() => Err(Failure::new("interrupted").status(Status::Interrupted)),
        ended = heard_out(&mut coming, &taken) => {
            if !ended {
                telling.not_taken_back(left);
            }
            Ok(())
        }
    }
}

/// A name that no other simulator has, of this machine or another: a broker closes a connection where the next one has its name.
fn client_id() -> String {
    format!(
        "aion-simulator-{}-{:08x}",
        std::process::id(),
        fastrand::u32(..)
    )
}

/// What devices do when their broker is there: they listen, and say all that they are.
fn greeting(play: &mut Play) -> Vec<Word> {
    let topics: Vec<_> = play.topics().cloned().collect();
    let listen = topics.chunks(TOPICS).map(|it| Word::Listen(it.to_vec()));
    let mut all: Vec<_> = listen.collect();
    all.extend(play.hello().into_iter().map(Word::Say));
    all
}

async fn at(due: Option<Instant>) {
    match due {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits until the broker has heard the last words and the connection is closed; `false` where it takes no more of them.
async fn heard_out(coming: &mut mpsc::Receiver<Coming>, taken: &AtomicU64) -> bool {
    let mut before = taken.load(Ordering::Relaxed);
    loop {
        let closed = async {
            loop {
                match coming.recv().await {
                    None => return true,
                    Some(Coming::Away(_)) => return false,
                    Some(_) => {}
                }
            }
        };
        if let Ok(ended) = timeout(LAST_WORDS, closed).await {
            return ended;
        }
        let now = taken.load(Ordering::Relaxed);
        if std::mem::replace(&mut before, now) == now {
            return false;
        }
    }
}

/// Hears the broker, and comes back to it, until nobody listens or it was left. Counts what the broker has `taken`.
async fn listen(mut events: EventLoop, tell: mpsc::Sender<Coming>, taken: Arc<AtomicU64>) {
    let (mut is_away, mut is_left) = (false, false);
    loop {
        let told = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                is_away = false;
                tell.send(Coming::Connected).await
            }
            Ok(Event::Incoming(Packet::Publish(it))) => {
                let message = Coming::Message {
                    topic: it.topic,
                    payload: it.payload.to_vec(),
                };
                // What devices cannot keep up with they do not hear: waiting here, nothing they say would leave.
                match tell.try_send(message) {
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                    _ => Ok(()),
                }
            }
            Ok(Event::Incoming(Packet::PubAck(_))) => {
                taken.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // The broker closes the connection, once it has read all: closed from here, what is on its way may be lost.
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => {
                is_left = true;
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(_) if is_left => return,
            Err(why) => {
                let told = match std::mem::replace(&mut is_away, true) {
                    true => Ok(()),
                    false => tell.send(Coming::Away(why.to_string())).await,
                };
                sleep(AGAIN).await;
                told
            }
        };
        if told.is_err() {
            return;
        }
    }
}

fn no_broker(broker: &Broker, why: &str) -> Failure {
    Failure::new(format!("no broker answers: {why}"))
        .at(broker)
        .remedy("start one, such as mosquitto -p 1883, or name another: --broker mqtt://HOST:PORT")
        .status(Status::Unreachable)
}

/// Lines of standard input, as long as there are any.
fn typed() -> mpsc::Receiver<String> {
    let (line, lines) = mpsc::channel(16);
    // A thread of its own: a read of a terminal ends when somebody types, and nobody waits for it as the program ends.
    thread::spawn(move || {
        for it in std::io::stdin().lock().lines() {
            let Ok(it) = it else { return };
            if !it.trim().is_empty() && line.blocking_send(it.trim().to_owned()).is_err() {
                return;
            }
        }
    });
    lines
}
