//! What happens to devices in simulated histories, by chance: what guards them, what they say, and how they come and go.

use std::collections::BTreeSet;

use super::{
    failsafe::write_part,
    fences::{CONTACT, Fence},
    guards::{DEVICES, generation_of, read, write_move},
    model::Check,
    world::World,
};
use crate::{Aim, BodyDigest, Event, Generation, Guarding, Measure, Name, WEEK_MS};

impl World {
    /// What a call would do to a device: its request says it, and its shell at times does not.
    pub(super) fn aim(&mut self, digest: &mut BodyDigest) -> Option<Aim> {
        let device = match self.random.chance(4) {
            true => 2,
            false => self.random.below(2) as u8,
        };
        digest.0 = [0; 32];
        digest.0[0] = device;
        digest.0[1] = self.random.below(3) as u8;
        digest.0[2] = self.random.below(10) as u8;
        let town = &self.model.town;
        // Parts of safe states are rare otherwise, and rarer beside what leads out of them.
        let part = digest.0[2] >= 5;
        if let Some(led_out) = town.dogs.led_out().filter(|_| part) {
            let at = DEVICES.iter().position(|it| *it == led_out.as_str());
            digest.0[0] = at.unwrap_or_default() as u8;
        }
        let (device, ..) = read(*digest);
        let generation = town.generations.get(&Name::from(device));
        digest.0[3] = generation.copied().unwrap_or_default();
        let dog = town.wanted.get(&Name::from(device));
        let dog = dog.and_then(|it| it.dog);
        if let Some(dog) = dog.filter(|_| part) {
            write_move(digest, dog.moves(digest.0[2] % 2));
        }
        let (_, point, value) = read(*digest);
        let part = dog.and_then(|it| it.part_of(point, value));
        write_part(digest, dog, part);
        let week_ms = (self.now.0 % u64::from(WEEK_MS)) as u32;
        self.random.chance(97).then(|| Aim {
            device: device.into(),
            generation: Generation(generation_of(*digest).into()),
            point: point.into(),
            value: value.map(Measure),
            safe: part,
            week_ms,
        })
    }

    pub(super) fn put_up_devices(&mut self) -> Check {
        for device in &DEVICES[..2] {
            let fence = Fence::random(&mut self.random);
            self.model.town.wanted.insert((*device).into(), fence);
        }
        self.say_what_guards()?;
        for (device, point) in [CONTACT, ("red/lamp", "level"), ("red/door", "level")] {
            self.a_point_is_heard(device, point)?;
        }
        Ok(())
    }

    fn say_what_guards(&mut self) -> Check {
        for (device, fence) in self.model.town.wanted.clone() {
            if self.random.chance(90) {
                self.is_guarded_by(&device, Some(fence))?;
            }
        }
        Ok(())
    }

    /// After each start: devices left while the node was down, and safe states became others.
    pub(super) fn say_what_is_there(&mut self) -> Check {
        for (device, fence) in self.model.town.wanted.clone() {
            match self.random.below(8) {
                0 => self.model.town.describe(&device, None, self.now),
                1 => {
                    let other = fence.with_another_safe_state();
                    self.model.town.describe(&device, Some(other), self.now);
                }
                _ => {}
            }
        }
        let first = self.random.chance(50);
        if !first {
            self.say_what_guards()?;
        }
        if self.random.chance(90) {
            let town = &mut self.model.town;
            let devices: BTreeSet<Name> = town.wanted.keys().cloned().collect();
            for device in DEVICES.map(Name::from) {
                if !devices.contains(&device) {
                    town.dogs.watched_by(&device, None);
                }
            }
            self.feed(Event::Present { devices })?;
        }
        match first {
            true => self.say_what_guards(),
            false => Ok(()),
        }
    }

    fn is_guarded_by(&mut self, device: &Name, fence: Option<Fence>) -> Check {
        self.what_is_due()?;
        let guards = fence.as_ref().map(Fence::compiled).transpose()?;
        let town = &mut self.model.town;
        town.dogs
            .watched_by(device, fence.as_ref().and_then(|it| it.dog));
        town.describe(device, fence.clone(), self.now);
        match fence {
            Some(fence) => {
                town.fences.insert(device.clone(), fence);
            }
            None => {
                town.fences.remove(device);
                town.heard.retain(|(of, _), _| of != device);
            }
        }
        let generation = town.generation(device);
        let guards = guards.map_or(Guarding::Gone, |guards| Guarding::By {
            guards: guards.into(),
            generation,
        });
        self.guard(device, guards)
    }

    /// It is there, and nobody can say what guards it.
    fn is_guarded_unknown(&mut self, device: &Name) -> Check {
        self.what_is_due()?;
        let town = &mut self.model.town;
        town.fences.remove(device);
        town.heard.retain(|(of, _), _| of != device);
        self.guard(device, Guarding::Unknown)?;
        let fence = self.model.town.wanted.get(device).cloned();
        match fence.filter(|_| self.random.chance(60)) {
            Some(fence) if self.random.chance(30) => {
                self.is_guarded_by(device, Some(fence.with_another_safe_state()))
            }
            Some(fence) => self.is_guarded_by(device, Some(fence)),
            None => Ok(()),
        }
    }

    /// What begins now begins before the model is told of what is new.
    fn what_is_due(&mut self) -> Check {
        let deadline = self.kernel.next_deadline();
        match deadline.is_some_and(|it| it <= self.now) {
            true => self.feed(Event::Alarm),
            false => Ok(()),
        }
    }

    /// With what is known of the points that it may look at.
    fn guard(&mut self, device: &Name, guards: Guarding) -> Check {
        let device = device.clone();
        self.feed(Event::Guard { device, guards })?;
        let heard: Vec<_> = self.model.town.heard.keys().cloned().collect();
        heard.into_iter().try_for_each(|place| {
            // It may have crashed meanwhile.
            let Some(&(value, until)) = self.model.town.heard.get(&place) else {
                return Ok(());
            };
            let (device, point) = place;
            let value = Some(Measure(value));
            self.feed(Event::Sensed {
                device,
                point,
                value,
                until,
            })
        })
    }

    fn a_point_is_heard(&mut self, device: &str, point: &str) -> Check {
        self.what_is_due()?;
        let most = if (device, point) == CONTACT { 2 } else { 8 };
        let value = self
            .random
            .chance(85)
            .then(|| self.random.below(most) as i64);
        let until = self
            .random
            .chance(30)
            .then(|| self.now.plus(self.random.below(3_000)));
        let place = (Name::from(device), Name::from(point));
        match value {
            Some(value) => self.model.town.heard.insert(place, (value, until)),
            None => self.model.town.heard.remove(&place),
        };
        self.feed(Event::Sensed {
            device: device.into(),
            point: point.into(),
            value: value.map(Measure),
            until,
        })
    }

    pub(super) fn a_device_changes(&mut self) -> Check {
        let device = self.random.pick(&DEVICES).unwrap_or("red/lamp");
        let guarded = Name::from(self.random.pick(&DEVICES[..2]).unwrap_or("red/lamp"));
        match self.random.below(15) {
            12 | 13 => self.a_safe_state_ends(false),
            14 => {
                let fence = self.model.town.wanted.get(&guarded);
                match fence.map(Fence::with_another_safe_state) {
                    Some(fence) => self.is_guarded_by(&guarded, Some(fence)),
                    None => Ok(()),
                }
            }
            0 if self.random.chance(50) => self.is_guarded_unknown(&guarded),
            0 => self.is_guarded_by(&guarded, None),
            1 | 2 => {
                let fence = Fence::random(&mut self.random);
                self.is_guarded_by(&guarded, Some(fence))
            }
            3 => self.say_what_guards(),
            4..=7 => self.a_point_is_heard(CONTACT.0, CONTACT.1),
            8 => self.a_point_is_heard(device, "knob"),
            _ => self.a_point_is_heard(device, "level"),
        }
    }

    pub(super) fn every_device_goes(&mut self) -> Check {
        for device in &DEVICES {
            self.is_guarded_by(&(*device).into(), None)?;
        }
        Ok(())
    }
}
