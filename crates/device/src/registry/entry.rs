//! One device: the last value of each property, and how a message changes it.

use std::sync::Arc;

use aion_abi::syscall::device::{Reach, Value};

use super::{Change, Heard, Limits, Link, kept::Queue, rate::Share};
use crate::{
    compiled::Compiled,
    history::Ring,
    payload::{self, Found, Unread},
    shape::{Availability, Listen, Property, What},
};

/// What was taken of a device, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were read.
    pub taken: u64,
    /// Messages beyond the device's share, each with a later one of its topic in its place.
    pub left_out: u64,
    /// Messages beyond the device's share that were lost with nothing in their place: there was no room to keep them.
    pub lost: u64,
    /// Values that could not be believed.
    pub unread: u64,
}

/// A device and what is known of it.
#[derive(Debug)]
pub(super) struct Entry {
    device: Arc<Compiled>,
    /// One for each property; none before anything was heard.
    slots: Box<[Slot]>,
    /// What it says of whether it is there.
    pub(super) there: Option<bool>,
    /// When it was heard of last, as opposed to what was kept from before.
    pub(super) seen: Option<u64>,
    pub(super) share: Share,
    pub(super) kept: Option<Box<Queue>>,
    /// When it is in the registry's list of those that have messages kept.
    pub(super) scheduled: Option<u64>,
    pub(super) counts: Counts,
}

/// A property as it was heard last.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) value: Option<Value>,
    pub(super) at: u64,
    /// The broker kept it from before.
    pub(super) retained: bool,
    /// What it was holds no longer: messages were missed since, or the device says that it does not know.
    pub(super) doubted: bool,
    /// Why the newest message about it was not believed.
    pub(super) unread: Option<Box<str>>,
    /// The newest message of its topic says nothing about it.
    pub(super) absent: bool,
    pub(super) ring: Option<Box<Ring>>,
}

/// When a message came, and whether it is one of before.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    pub(super) retained: bool,
    /// A birth of Sparkplug says it: what a metric is, and not that anything was done.
    pub(super) birth: bool,
    pub(super) at: u64,
    /// Since when nothing was missed.
    pub(super) whole_since: u64,
}

/// A payload, read once for all that it is about.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    /// It is what a metric says, which may be an empty text.
    is_metric: bool,
    whole: Result<&'a str, Unread>,
    scalars: Option<Result<Vec<Option<Found<'a>>>, Unread>>,
}

impl<'a> Parsed<'a> {
    pub(super) fn of(payload: &'a [u8], listen: &Listen, is_metric: bool) -> Self {
        let whole = payload::text(payload);
        let wants = listen.about.iter().any(|it| it.pointer.is_some());
        let scalars = wants.then(|| {
            whole
                .clone()
                .and_then(|text| payload::scalars(text, &listen.wanted))
        });
        Self {
            is_metric,
            whole,
            scalars,
        }
    }

    /// What stands where; nothing, if nothing does.
    fn at(&self, pointer: Option<usize>) -> Result<Option<Found<'_>>, Unread> {
        let Some(number) = pointer else {
            let text = self.whole.clone()?;
            // How a broker is told to forget what it retains, and nothing that a device says.
            if text.is_empty() && !self.is_metric {
                return Err(Unread::of("the message is empty"));
            }
            return Ok(Some(Found::Text(text.into())));
        };
        match &self.scalars {
            Some(Ok(scalars)) => Ok(scalars.get(number).cloned().flatten()),
            Some(Err(why)) => Err(why.clone()),
            None => Ok(None),
        }
    }
}

impl Entry {
    pub(super) fn new(device: Arc<Compiled>) -> Self {
        Self {
            device,
            slots: Box::default(),
            there: None,
            seen: None,
            share: Share::default(),
            kept: None,
            scheduled: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn device(&self) -> &Arc<Compiled> {
        &self.device
    }

    pub(super) fn listen(&self, number: usize) -> &Listen {
        &self.device.shape.listens[number]
    }

    /// What is known of a property, by number.
    pub(super) fn slot(&self, number: usize) -> Option<&Slot> {
        self.slots.get(number)
    }

    pub(super) fn slot_mut(&mut self, number: usize) -> Option<&mut Slot> {
        self.slots.get_mut(number)
    }

    /// Takes a message of the device's share, if there is room.
    pub(super) fn may(&mut self, limits: &Limits, at: u64) -> bool {
        self.share.take(limits, at)
    }

    /// Puts another version of the device in place of this one. What is known stays where the same is said at the same place.
    pub(super) fn replace(&mut self, device: Arc<Compiled>) -> Arc<Compiled> {
        let old = std::mem::replace(&mut self.device, device);
        let new = &self.device;
        if old.shape == new.shape && old.parameters == new.parameters {
            return old;
        }
        let mut slots = std::mem::take(&mut self.slots);
        if !slots.is_empty() {
            let mut kept = |is: &Property| {
                let (number, was) = old.shape.property(&is.name)?;
                let stays = was.form == is.form
                    && was.wire == is.wire
                    && was.keep == is.keep
                    && old.says_the_same(was.source.as_ref(), new, is.source.as_ref());
                stays.then(|| std::mem::take(&mut slots[number]))
            };
            let properties = new.shape.properties.iter();
            self.slots = properties.map(|it| kept(it).unwrap_or_default()).collect();
        }
        let (was, is) = (
            old.shape.availability.as_ref(),
            new.shape.availability.as_ref(),
        );
        let there = |it: &Availability| it.source.clone();
        let (from, to) = (was.map(there), is.map(there));
        let same_words = was.map(Availability::words) == is.map(Availability::words);
        let same_edge = new.edge.is_some() && new.parameters == old.parameters;
        let same = same_words && old.says_the_same(from.as_ref(), new, to.as_ref());
        if !same && !same_edge {
            self.there = None;
        }
        // Nothing is left of what was heard: it may be another thing.
        if self.there.is_none() && self.slots.iter().all(|it| it.value.is_none()) {
            self.seen = None;
        }
        old
    }

    /// Whether it can be reached.
    pub(super) fn reach(&self, link: Link) -> Reach {
        match (link, self.there, self.seen) {
            (Link::Away, ..) => Reach::BrokerAway,
            (_, Some(true), _) => Reach::Online,
            (_, Some(false), _) => Reach::Offline,
            (_, None, Some(_)) if self.device.edge.is_none() => Reach::Online,
            (_, None, _) => Reach::Unknown,
        }
    }

    /// Takes what one of its topics says.
    pub(super) fn take(
        &mut self,
        number: usize,
        parsed: &Parsed<'_>,
        news: News,
        heard: &mut Vec<Heard>,
    ) {
        self.counts.taken += 1;
        // A message comes of a broker that is there.
        let before = self.reach(Link::Resumed);
        if !news.retained {
            self.seen = Some(news.at);
        }
        let device = Arc::clone(&self.device);
        for about in &device.shape.listens[number].about {
            let found = parsed.at(about.pointer);
            match about.what {
                What::Property(number) => {
                    self.property(number, &device.shape.properties[number], found, news, heard)
                }
                What::Availability => self.availability(found, heard),
                What::Done(number) if !news.retained && !news.birth => {
                    if let Ok(Some(found)) = found
                        && says_done(&found, &device, number)
                    {
                        let command = Arc::clone(&device.shape.commands[number].name);
                        heard.push(Heard::Done {
                            device: Arc::clone(&device),
                            command,
                        });
                    }
                }
                What::Done(_) => {}
            }
        }
        let reach = self.reach(Link::Resumed);
        if reach != before {
            heard.push(Heard::Reach { device, reach });
        }
    }

    fn property(
        &mut self,
        number: usize,
        property: &Property,
        found: Result<Option<Found<'_>>, Unread>,
        news: News,
        heard: &mut Vec<Heard>,
    ) {
        let read = match found {
            Ok(None) => {
                if let Some(slot) = self.slots.get_mut(number) {
                    slot.absent = true;
                }
                return;
            }
            Ok(Some(found)) => property.form.read(&property.wire, &found),
            Err(why) => Err(why),
        };
        self.make_slots();
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        slot.absent = false;
        let name = Arc::clone(&property.name);
        let value = match read {
            Ok(value) => value,
            Err(why) => {
                self.counts.unread += 1;
                slot.unread = Some(why.as_str().into());
                let device = Arc::clone(&self.device);
                heard.push(Heard::Unread {
                    device,
                    property: Some(name),
                    why: why.as_str().to_owned(),
                });
                return;
            }
        };
        slot.unread = None;
        slot.doubted = false;
        let change = if news.retained {
            // What the device said itself since the link is there is newer, or the same.
            if slot.value.as_ref() == Some(&value) && slot.at >= news.whole_since {
                return;
            }
            Change::Retained
        } else {
            if property.keep.points > 0 {
                slot.ring
                    .get_or_insert_default()
                    .push(news.at, &value, property);
            }
            match slot.value.take() {
                Some(old) if old == value => Change::Same,
                Some(old) if !slot.retained => Change::From(old),
                _ => Change::First,
            }
        };
        (slot.at, slot.retained) = (news.at, news.retained);
        slot.value = Some(value.clone());
        heard.push(Heard::Value {
            device: Arc::clone(&self.device),
            property: name,
            value,
            change,
        });
    }

    fn make_slots(&mut self) {
        if self.slots.is_empty() {
            let all = self.device.shape.properties.iter();
            self.slots = all.map(|_| Slot::default()).collect();
        }
    }

    /// What the properties of a place are is not known. That is in effect at once, and of the device's share: what is beyond it, or says
    /// what was said before, nobody hears.
    pub(super) fn unknown(
        &mut self,
        place: usize,
        why: &str,
        (limits, at): (&Limits, u64),
        heard: &mut Vec<Heard>,
    ) {
        let may = self.may(limits, at);
        self.counts.unread += 1;
        self.drop_kept_of(place);
        self.make_slots();
        let device = Arc::clone(&self.device);
        for about in &device.shape.listens[place].about {
            if let What::Property(number) = about.what
                && let Some(slot) = self.slots.get_mut(number)
            {
                let same = slot.unread.as_deref() == Some(why);
                let was = std::mem::replace(&mut slot.doubted, true);
                if was && (same || !may) {
                    continue;
                }
                slot.unread = Some(why.into());
                heard.push(Heard::Doubted {
                    device: Arc::clone(&device),
                    property: Some(Arc::clone(&device.shape.properties[number].name)),
                    why: why.to_owned(),
                });
            }
        }
    }

    /// A message of one of its topics could not be read at all.
    pub(super) fn unread(&mut self, number: usize, why: &str, heard: &mut Vec<Heard>) {
        self.counts.unread += 1;
        self.make_slots();
        let device = Arc::clone(&self.device);
        let mut properties = Vec::new();
        for about in &device.shape.listens[number].about {
            if let What::Property(number) = about.what
                && let Some(slot) = self.slots.get_mut(number)
            {
                slot.unread = Some(why.into());
                properties.push(Some(Arc::clone(&device.shape.properties[number].name)));
            }
        }
        if properties.is_empty() {
            properties.push(None);
        }
        heard.extend(properties.into_iter().map(|property| Heard::Unread {
            device: Arc::clone(&device),
            property,
            why: why.to_owned(),
        }));
    }

    /// Nothing that it said holds any longer.
    pub(super) fn doubt(&mut self, why: &str, heard: &mut Vec<Heard>) {
        self.drop_kept();
        for slot in &mut self.slots {
            slot.doubted = true;
            slot.unread = Some(why.into());
        }
        heard.push(Heard::Doubted {
            device: Arc::clone(&self.device),
            property: None,
            why: why.to_owned(),
        });
    }

    /// Whether it is there, as its edge node says.
    pub(super) fn is_there(&mut self, there: Option<bool>, at: u64, heard: &mut Vec<Heard>) {
        let before = self.reach(Link::Resumed);
        self.there = there;
        if there.is_some() {
            self.seen = Some(at);
        }
        let reach = self.reach(Link::Resumed);
        if reach != before {
            let device = Arc::clone(&self.device);
            heard.push(Heard::Reach { device, reach });
        }
    }

    fn availability(&mut self, found: Result<Option<Found<'_>>, Unread>, heard: &mut Vec<Heard>) {
        let said = match found {
            Ok(None) => return,
            Ok(Some(found)) => self.there(&found),
            Err(why) => Err(why),
        };
        match said {
            Ok(there) => self.there = Some(there),
            Err(why) => {
                self.counts.unread += 1;
                heard.push(Heard::Unread {
                    device: Arc::clone(&self.device),
                    property: None,
                    why: why.as_str().to_owned(),
                });
            }
        }
    }

    fn there(&self, found: &Found<'_>) -> Result<bool, Unread> {
        let said = found.word(false)?;
        let read = self
            .device
            .shape
            .availability
            .as_ref()
            .and_then(|it| it.read(&said));
        read.ok_or_else(|| found.not("what the device says when it is there, or when it is not"))
    }
}

/// Whether what was found is what stands there when a command was done.
fn says_done(found: &Found<'_>, device: &Compiled, number: usize) -> bool {
    match device
        .shape
        .commands
        .get(number)
        .and_then(|it| it.done.as_ref())
    {
        Some(Some(equals)) => found.word(false).is_ok_and(|said| *said == **equals),
        Some(None) => true,
        None => false,
    }
}
