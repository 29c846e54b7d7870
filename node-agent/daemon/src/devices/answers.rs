//! What agents and people are told of devices.

use std::collections::BTreeMap;

use aion_abi::{
    code::Code,
    device::{EdgeNode, Messages, Page, SeenDevice},
    problem::Problem,
    syscall::device::{
        Described, HistoryRequest, HistoryResponse, ListRequest, ListResponse, MAX_DEVICES,
        MAX_POINTS, ReadRequest, ReadResponse, Value,
    },
};
use aion_device::EdgeCounts;
use aion_resolve::Key;

use super::{Devices, Entry};

/// What may be seen of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    /// That it is there, and what it can do.
    List,
    /// What it says, too.
    Read,
}

impl Devices {
    /// A page of the devices of a namespace that `may` says something of.
    ///
    /// # Errors
    /// For a page of no size.
    pub(crate) fn list(
        &self,
        namespace: &str,
        request: &ListRequest,
        may: impl Fn(&str) -> Option<May>,
    ) -> Result<ListResponse, Problem> {
        if !(1..=MAX_DEVICES).contains(&request.limit) {
            let what = format!("limit: it must be 1 to {MAX_DEVICES}");
            return Err(Problem::new(Code::BadRequest, what));
        }
        let most = request.limit as usize;
        let table = self.0.table.read();
        let first = Key::new(namespace, request.after.as_deref().unwrap_or_default());
        let after = request.after.is_some();
        let all = table.devices.range(first.clone()..);
        let own = all.take_while(|(key, _)| key.namespace == namespace);
        let own = own.skip_while(|(key, _)| after && **key == first);
        let mut shown = own.filter_map(|(key, it)| Some((it, may(&key.name)?)));
        let now = self.0.now();
        let devices = shown.by_ref().take(most).map(|(entry, may)| {
            let mut it = described(entry);
            if request.readings && may == May::Read {
                let key = entry.device.compiled.key();
                let read = entry.link.registry(|it| it.read(key, &[], now));
                it.readings = read.map(|it| it.readings).unwrap_or_default();
            }
            it
        });
        let devices = devices.collect();
        let more = shown.next().is_some();
        Ok(ListResponse { devices, more })
    }

    /// What was heard last of a device.
    ///
    /// # Errors
    /// `not-found` for a device or a property that is not there.
    pub(crate) fn read(
        &self,
        namespace: &str,
        request: &ReadRequest,
    ) -> Result<ReadResponse, Problem> {
        let entry = self.entry(namespace, &request.device)?;
        let now = self.0.now();
        let key = entry.device.compiled.key();
        entry
            .link
            .registry(|it| it.read(key, &request.properties, now))
    }

    /// What a device was.
    ///
    /// # Errors
    /// As [`Devices::read`]; `bad-request` for no points or too many.
    pub(crate) fn history(
        &self,
        namespace: &str,
        request: &HistoryRequest,
    ) -> Result<HistoryResponse, Problem> {
        if !(1..=MAX_POINTS).contains(&request.points) {
            let what = format!("points: it must be 1 to {MAX_POINTS}");
            return Err(Problem::new(Code::BadRequest, what));
        }
        let entry = self.entry(namespace, &request.device)?;
        let (key, now) = (entry.device.compiled.key(), self.0.now());
        entry.link.registry(|it| it.history(key, request, now))
    }
}

impl Devices {
    /// Some of the devices of a namespace, with what they said last.
    pub(crate) fn seen(&self, namespace: &str, after: Option<&str>, limit: u32) -> Page {
        let request = ListRequest {
            after: after.map(str::to_owned),
            limit,
            readings: false,
        };
        let listed = self
            .list(namespace, &request, |_| Some(May::List))
            .unwrap_or_default();
        let last = listed.devices.last().filter(|_| listed.more);
        let next = last.map(|it| it.name.clone());
        let seen = listed.devices.iter();
        Page {
            // One that went meanwhile is not there.
            items: seen
                .filter_map(|it| self.see(namespace, &it.name).ok())
                .collect(),
            next,
        }
    }

    /// A device with what it said last.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn see(&self, namespace: &str, device: &str) -> Result<SeenDevice, Problem> {
        let entry = self.entry(namespace, device)?;
        let (key, now) = (entry.device.compiled.key(), self.0.now());
        let (read, last_heard_ms, counts, edge_node) = entry.link.registry(|it| {
            let read = it.read(key, &[], now);
            let edge_node = it
                .edge_node(key)
                .map(|(name, counts)| of_edge(name, counts));
            (read, it.last_seen(key, now), it.counts(key), edge_node)
        });
        let counts = counts.unwrap_or_default();
        Ok(SeenDevice {
            described: Described {
                readings: read?.readings,
                ..described(&entry)
            },
            broker: entry.device.reached.broker().unwrap_or_default().to_owned(),
            url: entry.device.compiled.http().map(|it| it.url.clone()),
            silent: entry
                .link
                .asked()
                .and_then(|it| it.silent())
                .map(|it| it.why),
            last_heard_ms,
            messages: Messages {
                taken: counts.taken,
                left_out: counts.left_out + counts.lost,
                unread: counts.unread,
            },
            edge_node,
            made_safe: self.0.last_safe.of(&Key::new(namespace, device)),
        })
    }
}

impl Devices {
    /// What a person gives a property, as its type has it.
    ///
    /// # Errors
    /// `not-found`, or `bad-request` for what it cannot be.
    pub(crate) fn meant(
        &self,
        namespace: &str,
        (device, property): (&str, &str),
        value: &Value,
    ) -> Result<Value, Problem> {
        let compiled = &self.entry(namespace, device)?.device.compiled;
        let value = compiled.meant(property, value)?;
        compiled.set(property, &value).map(|_| value)
    }

    /// What a person gives a command, as its arguments have it.
    ///
    /// # Errors
    /// As [`Devices::meant`].
    pub(crate) fn meant_arguments(
        &self,
        namespace: &str,
        (device, command): (&str, &str),
        arguments: BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, Value>, Problem> {
        let compiled = &self.entry(namespace, device)?.device.compiled;
        let arguments = compiled.meant_arguments(command, arguments)?;
        compiled.command(command, &arguments).map(|_| arguments)
    }
}

fn of_edge(name: String, counts: &EdgeCounts) -> EdgeNode {
    EdgeNode {
        name,
        births: counts.births,
        asked: counts.asked,
        gaps: counts.gaps,
        duplicates: counts.duplicates,
        unborn: counts.unborn,
        old_deaths: counts.old_deaths,
        contested: counts.contested,
        unread: counts.unread,
        historical: counts.historical,
        left_out: counts.left_out,
        last: counts.last.clone(),
    }
}

fn described(entry: &Entry) -> Described {
    let compiled = &entry.device.compiled;
    let reach = entry.link.registry(|it| it.reach(compiled.key()));
    compiled.describe(reach.unwrap_or_default())
}
