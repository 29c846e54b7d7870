//! Devices as they are played: what each says, does and confirms, and what goes wrong with it. A broker, a clock and the screen may
//! not enter.

use std::collections::HashMap;

use aion_device::{Said, Told, Twin};
use fastrand::Rng;

use super::{
    faults::{Faults, WRONG},
    house,
};

/// How long after nobody waits for it a late word comes, in milliseconds.
const LATE_MS: u64 = 1_000;
/// Rounds of a second between two changes of a device that flaps.
const FLAP: u64 = 3;

/// A message that is to be sent, so many milliseconds from now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Out {
    pub(super) said: Said,
    pub(super) retain: bool,
    pub(super) after_ms: u64,
}

/// What happened, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    /// Messages that were said.
    pub(super) said: u64,
    /// Of those: cannot be read.
    pub(super) wrong: u64,
    /// Of those: the same again.
    pub(super) duplicate: u64,
    /// Properties that were set.
    pub(super) set: u64,
    /// Commands that were done.
    pub(super) commanded: u64,
    /// Of both: confirmed too late.
    pub(super) late: u64,
    /// Of both: not confirmed.
    pub(super) unconfirmed: u64,
    /// Messages that no device understands.
    pub(super) not_understood: u64,
    /// Messages to devices that are silent.
    pub(super) unheard: u64,
    /// Messages that did not leave: the broker was away, or too slow.
    pub(super) left_out: u64,
}

/// What devices do by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// As a house does.
    House,
    /// Properties wander.
    Wandering,
}

/// See the module.
pub(super) struct Play {
    twins: Vec<Twin>,
    silent: Vec<bool>,
    flaps: Vec<bool>,
    by_topic: HashMap<String, Vec<usize>>,
    life: Life,
    faults: Faults,
    chance: Rng,
    rounds: u64,
    pub(super) counts: Counts,
}

impl Play {
    /// Devices that have not said anything yet. The same `seed` gives the same faults.
    pub(super) fn new(twins: Vec<Twin>, life: Life, faults: Faults, seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let mut some = |percent| twins.iter().map(|_| hits(&mut chance, percent)).collect();
        let (silent, flaps) = (some(faults.silent), some(faults.flap));
        let mut by_topic: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, twin) in twins.iter().enumerate() {
            for topic in twin.topics() {
                by_topic.entry(topic).or_default().push(at);
            }
        }
        let mut play = Self {
            twins,
            silent,
            flaps,
            by_topic,
            life,
            faults,
            chance,
            rounds: 0,
            counts: Counts::default(),
        };
        if life == Life::House {
            house::furnish(&mut play.twins);
        }
        play
    }

    /// How many devices there are.
    pub(super) fn len(&self) -> usize {
        self.twins.len()
    }

    /// The topics that devices hear.
    pub(super) fn topics(&self) -> impl Iterator<Item = &String> {
        self.by_topic.keys()
    }

    /// All that devices say of themselves, as they come.
    pub(super) fn hello(&mut self) -> Vec<Out> {
        let mut out = Vec::new();
        for at in 0..self.twins.len() {
            if !self.silent[at] {
                let twin = &self.twins[at];
                let said: Vec<_> = twin
                    .availability(true)
                    .into_iter()
                    .chain(twin.says())
                    .collect();
                self.counts.said += said.len() as u64;
                out.extend(said.into_iter().map(|said| kept(said, 0)));
            }
        }
        out
    }

    /// That they go, and that what the broker retains on these topics is nobody's.
    pub(super) fn bye(&self, retained: Vec<String>) -> Vec<Out> {
        let heard = self
            .twins
            .iter()
            .zip(&self.silent)
            .filter(|(_, silent)| !**silent);
        let said = heard.filter_map(|(twin, _)| twin.availability(false));
        // Whoever listens hears first that a device is away, as from a real one.
        let empty = retained.into_iter().map(|topic| Said {
            topic,
            payload: Vec::new(),
        });
        said.chain(empty).map(|said| kept(said, 0)).collect()
    }

    /// A second of the house, and of what flaps.
    pub(super) fn second(&mut self) -> Vec<Out> {
        self.rounds += 1;
        let mut out = Vec::new();
        if self.rounds.is_multiple_of(FLAP) {
            let online = (self.rounds / FLAP).is_multiple_of(2);
            for at in 0..self.twins.len() {
                if self.flaps[at] && !self.silent[at] {
                    let said = self.twins[at].availability(online);
                    self.counts.said += u64::from(said.is_some());
                    out.extend(said.map(|said| kept(said, 0)));
                }
            }
        }
        if self.life == Life::House {
            for (at, property) in house::second(&mut self.twins, &mut self.chance) {
                out.extend(self.say(at, property, 0));
            }
        }
        out
    }

    /// Some device says something new.
    pub(super) fn wander(&mut self) -> Vec<Out> {
        let at = self.chance.usize(0..self.twins.len().max(1));
        let Some(twin) = self.twins.get_mut(at) else {
            return Vec::new();
        };
        let properties: Vec<String> = twin.says_of().map(str::to_owned).collect();
        let Some(property) = self.chance.choice(&properties) else {
            return Vec::new();
        };
        twin.wander(property, self.chance.f64());
        let property = property.clone();
        self.say(at, &property, 0)
    }

    /// A person has a device say something: `DEVICE PROPERTY VALUE`.
    pub(super) fn typed(&mut self, line: &str) -> Result<Vec<Out>, String> {
        let mut words = line.splitn(3, char::is_whitespace).map(str::trim);
        let (Some(device), Some(property), Some(value)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(
                "write DEVICE PROPERTY VALUE, such as kitchen-window contact closed".to_owned(),
            );
        };
        let at = self.twins.iter().position(|it| it.name() == device);
        let at = at.ok_or_else(|| format!("no device {device} is played"))?;
        self.twins[at]
            .put_words(property, value)
            .map_err(|why| why.to_string())?;
        Ok(self.say(at, property, 0))
    }

    /// A message to devices: what they were told, and what they say to it.
    pub(super) fn hear(&mut self, topic: &str, payload: &[u8]) -> (Vec<(String, Told)>, Vec<Out>) {
        let (mut all, mut out) = (Vec::new(), Vec::new());
        for at in self.by_topic.get(topic).cloned().unwrap_or_default() {
            if self.silent[at] {
                self.counts.unheard += 1;
                continue;
            }
            let told = self.twins[at].hear(topic, payload);
            self.counts.not_understood += u64::from(told.is_empty());
            for it in told {
                out.extend(self.does(at, &it));
                all.push((self.twins[at].name().to_owned(), it));
            }
        }
        (all, out)
    }

    fn does(&mut self, at: usize, told: &Told) -> Vec<Out> {
        match told {
            Told::Set { .. } => self.counts.set += 1,
            Told::Command { command, .. } => {
                self.counts.commanded += 1;
                if self.life == Life::House {
                    house::command(&mut self.twins[at], command);
                }
            }
        }
        if hits(&mut self.chance, self.faults.noconfirm) {
            self.counts.unconfirmed += 1;
            return Vec::new();
        }
        let mut after_ms = 0;
        if hits(&mut self.chance, self.faults.late) {
            self.counts.late += 1;
            after_ms = self.twins[at].confirm_ms(told) + LATE_MS;
        }
        match told {
            Told::Set { property, .. } => self.say(at, property, after_ms),
            Told::Command { command, .. } => {
                let done = self.twins[at].done(command);
                self.counts.said += u64::from(done.is_some());
                let done = done.map(|said| Out {
                    said,
                    retain: false,
                    after_ms,
                });
                done.into_iter().collect()
            }
        }
    }

    /// The device says what a property is, or something that cannot be read, or both twice.
    fn say(&mut self, at: usize, property: &str, after_ms: u64) -> Vec<Out> {
        let said = self.twins[at].says_what(property);
        let Some(mut said) = said.filter(|_| !self.silent[at]) else {
            return Vec::new();
        };
        self.counts.said += 1;
        let is_wrong = hits(&mut self.chance, self.faults.wrong);
        if is_wrong {
            self.counts.wrong += 1;
            said.payload = WRONG[self.chance.usize(0..WRONG.len())].to_vec();
        }
        let one = Out {
            said,
            // A broker keeps what is so, and no nonsense. An empty message that is kept would take back what is.
            retain: !is_wrong,
            after_ms,
        };
        if hits(&mut self.chance, self.faults.duplicate) {
            self.counts.said += 1;
            self.counts.duplicate += 1;
            return vec![one.clone(), one];
        }
        vec![one]
    }
}

fn kept(said: Said, after_ms: u64) -> Out {
    Out {
        said,
        retain: true,
        after_ms,
    }
}

fn hits(chance: &mut Rng, percent: u8) -> bool {
    percent > 0 && chance.u8(0..100) < percent
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::fleet, *};

    fn played(faults: &str) -> Play {
        let house = fleet::house("home", "mqtt://127.0.0.1:1883").unwrap();
        Play::new(house.twins, Life::House, faults.parse().unwrap(), 1)
    }

    fn texts(out: &[Out]) -> Vec<String> {
        let text = |it: &Out| {
            let payload = String::from_utf8_lossy(&it.said.payload).into_owned();
            format!("{} {payload} after {}", it.said.topic, it.after_ms)
        };
        out.iter().map(text).collect()
    }

    #[test]
    fn the_house_does_what_it_is_told_and_says_so() {
        let mut play = played("");
        assert_eq!(play.hello().len(), 16, "each is there, and says what it is");
        let set = br#"{"occupied_heating_setpoint": 21.5}"#;
        let (told, out) = play.hear("home/heater/set", set);
        assert_eq!(told.len(), 1);
        let said =
            r#"home/heater {"local_temperature":19.5,"occupied_heating_setpoint":21.5} after 0"#;
        assert_eq!(texts(&out), [said]);
        let (_, out) = play.hear("home/front-lock/set", br#"{"state": "UNLOCK"}"#);
        assert_eq!(
            texts(&out),
            [r#"home/front-lock {"state":"UNLOCK"} after 0"#]
        );
        let out = play.typed("kitchen-window contact closed").unwrap();
        assert!(texts(&out)[0].contains(r#""contact":true"#), "{out:?}");
        for wrong in ["window", "garage contact open", "heater target 99"] {
            assert!(play.typed(wrong).is_err(), "{wrong}");
        }
        let (told, _) = play.hear("home/heater/set", b"hot");
        assert!(told.is_empty());
        assert_eq!(
            (
                play.counts.set,
                play.counts.commanded,
                play.counts.not_understood
            ),
            (1, 1, 1)
        );
        let bye = play.bye(vec!["home/heater".to_owned()]);
        assert_eq!(bye.len(), 9);
        assert_eq!(texts(&bye[7..])[1], "home/heater  after 0");
        assert!(bye.iter().all(|it| it.retain) && bye[8].said.payload.is_empty());
    }

    #[test]
    fn each_fault_does_what_it_is_called() {
        let set = br#"{"state": "ON"}"#;
        let answer = |faults: &str| {
            let mut play = played(faults);
            let (told, out) = play.hear("home/hall-lamp/set", set);
            (told.len(), out, play)
        };
        let (told, out, play) = answer("silent=100");
        assert_eq!((told, out.len(), play.counts.unheard), (0, 0, 1));
        let (told, out, play) = answer("noconfirm=100");
        assert_eq!((told, out.len(), play.counts.unconfirmed), (1, 0, 1));
        let (_, out, _) = answer("late=100");
        assert_eq!(out[0].after_ms, 6_000, "nobody waits after five seconds");
        let (_, out, _) = answer("duplicate=100");
        assert_eq!(out[0], out[1]);
        let (_, out, play) = answer("wrong=100");
        assert!(WRONG.contains(&out[0].said.payload.as_slice()) && !out[0].retain);
        assert_eq!(play.counts.wrong, 1);
        let mut play = played("flap=100");
        let flaps: Vec<_> = (0..6).map(|_| texts(&play.second())).collect();
        let says =
            |round: usize, word: &str| flaps[round].iter().filter(|it| it.contains(word)).count();
        assert_eq!((says(2, "offline"), says(5, "online")), (8, 8));
    }
}
