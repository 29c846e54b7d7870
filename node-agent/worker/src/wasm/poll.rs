//! `poll_oneoff`: the sleep of every WASI program.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Caller, Result};

use super::door::Door;
use super::host::Host;
use super::memory::{self, further, put, slice, u32_at, u64_at};
use super::wasi::{nanoseconds, sleep};

const SUCCESS: i32 = 0;
const BADF: u16 = 8;
const INVAL: i32 = 28;
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;
/// Subscriptions of one call.
const MAX: u32 = 1024;

const CLOCK: u8 = 0;
const READ: u8 = 1;
const WRITE: u8 = 2;

/// Something that is waited for.
struct Subscription {
    userdata: u64,
    kind: u8,
    what: What,
}

enum What {
    /// A time that is so far off.
    After(Duration),
    /// A descriptor; all are ready always.
    Descriptor(u32),
}

pub(super) fn poll_oneoff<D: Door + 'static>(
    mut caller: Caller<'_, Host<D>>,
    subscriptions: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> Result<i32> {
    if count == 0 || count > MAX {
        return Ok(INVAL);
    }
    let memory = memory::of(&mut caller)?;
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    let mut awaited = Vec::with_capacity(count as usize);
    for index in 0..count {
        match subscription(bytes, further(subscriptions, index * SUBSCRIPTION)?)? {
            Some(subscription) => awaited.push(subscription),
            None => return Ok(INVAL),
        }
    }
    let ready = |it: &&Subscription| matches!(it.what, What::Descriptor(_));
    let mut out: Vec<[u8; EVENT as usize]> = awaited
        .iter()
        .filter(ready)
        .map(|it| event(it, host))
        .collect();
    if out.is_empty() {
        let after = |it: &Subscription| match it.what {
            What::After(time) => time,
            What::Descriptor(_) => Duration::ZERO,
        };
        let first = awaited.iter().map(after).min().unwrap_or_default();
        sleep(host, first)?;
        let due = awaited.iter().filter(|it| after(it) == first);
        out = due.map(|it| event(it, host)).collect();
    }
    for (index, event) in (0..count).zip(&out) {
        put(bytes, further(events, index * EVENT)?, event)?;
    }
    let length = u32::try_from(out.len())?;
    put(bytes, happened, &length.to_le_bytes())?;
    Ok(SUCCESS)
}

fn subscription(bytes: &[u8], at: u32) -> Result<Option<Subscription>> {
    let userdata = u64_at(bytes, at)?;
    let kind = slice(bytes, further(at, 8)?, 1)?[0];
    let what = match kind {
        CLOCK => {
            let clock = match u32_at(bytes, further(at, 16)?)? {
                0 => ClockId::Realtime,
                1 => ClockId::Monotonic,
                _ => return Ok(None),
            };
            let time = u64_at(bytes, further(at, 24)?)?;
            let absolute = slice(bytes, further(at, 40)?, 1)?[0] & 1 == 1;
            let time = match absolute {
                true => time.saturating_sub(nanoseconds(clock_gettime(clock))),
                false => time,
            };
            What::After(Duration::from_nanos(time))
        }
        READ | WRITE => What::Descriptor(u32_at(bytes, further(at, 16)?)?),
        _ => return Ok(None),
    };
    Ok(Some(Subscription {
        userdata,
        kind,
        what,
    }))
}

fn event<D: Door>(of: &Subscription, host: &Host<D>) -> [u8; EVENT as usize] {
    let (error, bytes) = match (&of.what, of.kind) {
        (What::Descriptor(0), READ) => (0, host.document.len().saturating_sub(host.read) as u64),
        (What::Descriptor(1 | 2), WRITE) => (0, 1),
        (What::Descriptor(_), _) => (BADF, 0),
        (What::After(_), _) => (0, 0),
    };
    let mut event = [0; EVENT as usize];
    event[..8].copy_from_slice(&of.userdata.to_le_bytes());
    event[8..10].copy_from_slice(&error.to_le_bytes());
    event[10] = of.kind;
    event[16..24].copy_from_slice(&bytes.to_le_bytes());
    event
}
