//! The way of devices that are played to their broker, and back. What devices do may not enter.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::BufRead,
    thread,
    time::{Duration, Instant},
};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, SubscribeFilter};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{
    play::{Out, Play},
    told::Telling,
};
use crate::failure::{Failure, Status};

/// What may wait on its way, each way.
const WAITING: usize = 10_000;
/// Topics of one subscription.
const TOPICS: usize = 100;
/// The largest message, in bytes.
const MAX_MESSAGE: usize = 1 << 20;
/// Until the broker is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// So many times a second some of what is due is said.
const BEATS: u32 = 20;
/// Words that are on their way as it ends are given so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broker {
    host: String,
    port: u16,
}

impl Broker {
    /// Of `mqtt://HOST[:PORT]`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("mqtt://") else {
            return Err("write mqtt://HOST:PORT; devices that are played speak no TLS".to_owned());
        };
        let rest = rest.trim_end_matches('/');
        if rest.contains(['@', '/']) {
            return Err(
                "write mqtt://HOST:PORT and nothing else: they show no name and no password"
                    .to_owned(),
            );
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (
                host,
                port.parse().map_err(|_| format!("{port} is no port"))?,
            ),
            _ => (rest, 1883),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.is_empty() {
            true => Err("write mqtt://HOST:PORT".to_owned()),
            false => Ok(Self {
                host: host.to_owned(),
                port,
            }),
        }
    }
}

/// What comes from the broker.
enum Coming {
    Connected,
    Message { topic: String, payload: Vec<u8> },
    Away(String),
}

/// How long and how fast they are played.
pub(super) struct Pace {
    /// Messages a second, of devices that wander.
    pub(super) rate: u32,
    /// To the end after this.
    pub(super) lasts: Option<Duration>,
}

/// Plays until Ctrl-C, or until the time is over.
///
/// # Errors
/// No broker is there as it begins. One that goes later is waited for.
pub(super) async fn play(
    broker: &Broker,
    play: &mut Play,
    pace: &Pace,
    telling: &mut Telling<'_>,
) -> Result<(), Failure> {
    let id = format!("aion-simulator-{}", std::process::id());
    let mut options = MqttOptions::new(id, broker.host.clone(), broker.port);
    options.set_keep_alive(Duration::from_secs(15));
    options.set_max_packet_size(MAX_MESSAGE, MAX_MESSAGE);
    let (client, events) = AsyncClient::new(options, WAITING);
    let (tell, mut coming) = mpsc::channel(WAITING);
    let listens = tokio::spawn(listen(events, tell));
    let mut lines = typed();
    let mut later: BinaryHeap<Reverse<(Instant, u64)>> = BinaryHeap::new();
    let mut waiting: std::collections::HashMap<u64, Out> = std::collections::HashMap::new();
    let (mut number, mut was_there, mut owed) = (0_u64, false, 0_u32);
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
    let mut stopped = signal(SignalKind::terminate())
        .map_err(|why| Failure::new(format!("cannot wait for signals: {why}")))?;
    loop {
        let due = later.peek().map(|Reverse((at, _))| *at);
        let out = tokio::select! {
            it = coming.recv() => match it {
                Some(Coming::Connected) => {
                    let again = std::mem::replace(&mut was_there, true);
                    telling.connected(again);
                    subscribe(&client, play).await?;
                    play.hello()
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
                    telling.away(&why);
                    Vec::new()
                }
                None => return Err(Failure::new("the way to the broker broke off")),
            },
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
            () = sleep_until(ends.into()) => break,
            _ = tokio::signal::ctrl_c() => break,
            _ = stopped.recv() => break,
        };
        for it in out {
            if it.after_ms == 0 {
                send(&client, it).await?;
            } else if waiting.len() < WAITING {
                number += 1;
                later.push(Reverse((
                    Instant::now() + Duration::from_millis(it.after_ms),
                    number,
                )));
                waiting.insert(number, it);
            }
        }
    }
    for it in play.bye() {
        send(&client, it).await?;
    }
    let _ = client.disconnect().await;
    let _ = tokio::time::timeout(LAST_WORDS, listens).await;
    Ok(())
}

async fn at(due: Option<Instant>) {
    match due {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Hears the broker, and comes back to it, until nobody listens or it was left.
async fn listen(mut events: EventLoop, tell: mpsc::Sender<Coming>) {
    let mut is_away = false;
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
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => Ok(()),
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

async fn subscribe(client: &AsyncClient, play: &Play) -> Result<(), Failure> {
    let topics: Vec<_> = play.topics().cloned().collect();
    for some in topics.chunks(TOPICS) {
        let filters = some
            .iter()
            .map(|it| SubscribeFilter::new(it.clone(), QoS::AtLeastOnce));
        let asked = client.subscribe_many(filters.collect::<Vec<_>>()).await;
        asked.map_err(|why| lost(&why))?;
    }
    Ok(())
}

async fn send(client: &AsyncClient, out: Out) -> Result<(), Failure> {
    let Out { said, retain, .. } = out;
    let sent = client.publish(said.topic, QoS::AtLeastOnce, retain, said.payload);
    sent.await.map_err(|why| lost(&why))
}

fn lost(why: &rumqttc::ClientError) -> Failure {
    Failure::new(format!("the way to the broker broke off: {why}"))
}

fn no_broker(broker: &Broker, why: &str) -> Failure {
    Failure::new(format!("no broker answers: {why}"))
        .at(format!("mqtt://{}:{}", broker.host, broker.port))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_named_by_its_address_alone() {
        let broker = |host: &str, port| {
            Ok(Broker {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(
            Broker::parse("mqtt://127.0.0.1:1884/"),
            broker("127.0.0.1", 1884)
        );
        assert_eq!(Broker::parse("mqtt://hub"), broker("hub", 1883));
        assert_eq!(Broker::parse("mqtt://[::1]:9"), broker("::1", 9));
        assert_eq!(Broker::parse("mqtt://[::1]"), broker("::1", 1883));
        for wrong in [
            "127.0.0.1",
            "mqtts://hub",
            "mqtt://",
            "mqtt://u:p@hub",
            "mqtt://hub:x",
        ] {
            assert!(Broker::parse(wrong).is_err(), "{wrong}");
        }
    }
}
