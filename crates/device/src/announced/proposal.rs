//! Devices that are announced, as resources that may be admitted: each under a name that nobody else has.

use std::collections::{BTreeMap, BTreeSet};

use aion_api::{Device, DeviceModel};

use super::{Draft, Unmapped, entity};

/// The annotation of a Device by which it is known again.
pub const IDENTITY: &str = "aion.dev/announced-as";
/// Digits of the identity that stand behind a name that several would have.
const TOLD_APART: usize = 16;

/// A device that may be admitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Its name in its namespace; no Device and no DeviceModel has it, and no other proposal.
    pub name: String,
    /// The name of its broker.
    pub broker: String,
    /// What tells it from all others of its broker.
    pub identity: String,
    /// Topics of its announcements.
    pub topics: Vec<String>,
    /// What could not be mapped.
    pub unmapped: Vec<Unmapped>,
    /// What would be admitted, if there is something of it.
    pub resources: Option<Box<(DeviceModel, Device)>>,
    /// The Device that it was admitted as.
    pub admitted_as: Option<String>,
}

/// What there is in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Names of Devices and DeviceModels.
    pub names: BTreeSet<String>,
    /// Devices that were proposals, by their broker and identity.
    pub admitted: BTreeMap<(String, String), String>,
}

impl Taken {
    /// Takes note of a device.
    pub fn device(&mut self, device: &Device) {
        let metadata = &device.metadata;
        let name = metadata.name.clone().unwrap_or_default();
        let identity = metadata
            .annotations
            .as_ref()
            .and_then(|it| it.get(IDENTITY));
        if let (Some(identity), Some(broker)) = (identity, device.spec.broker()) {
            let of = (broker.to_owned(), identity.clone());
            self.admitted.insert(of, name.clone());
        }
        self.names.insert(name);
    }
}

/// Gives the drafts of a namespace names, each with its broker. Where several would have the same, or something has it already, each
/// has its identity behind it: a device that claims another's name gets neither that nor its place. Nor does one that is called as
/// another would be with its identity: it has its own behind that. One that is announced at several brokers has the digest of its
/// identity and its broker there: whoever announces it at another gets nobody's place.
#[must_use]
pub fn named(namespace: &str, drafts: &[(String, &[Draft])], taken: &Taken) -> Vec<Proposal> {
    let all = || {
        drafts
            .iter()
            .flat_map(|(broker, drafts)| drafts.iter().map(move |it| (broker, it)))
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (_, draft) in all() {
        *counts.entry(&draft.name).or_default() += 1;
        *places.entry((&draft.name, &draft.identity)).or_default() += 1;
    }
    let mut proposals = Vec::new();
    for (broker, draft) in all() {
        let admitted = taken
            .admitted
            .get(&(broker.clone(), draft.identity.clone()));
        let alone = counts.get(draft.name.as_str()) == Some(&1)
            && !taken.names.contains(&draft.name)
            && !is_told_apart(&draft.name);
        let name = match admitted {
            Some(name) => name.clone(),
            None if alone => draft.name.clone(),
            None if places.get(&(draft.name.as_str(), draft.identity.as_str())) > Some(&1) => {
                let at = entity::identity("broker", &[draft.identity.clone(), broker.clone()]);
                format!("{}-{}", draft.name, &at[..TOLD_APART])
            }
            None => format!("{}-{}", draft.name, &draft.identity[..TOLD_APART]),
        };
        let resources = draft.specs.clone().map(|(model, mut device)| {
            let mut model = DeviceModel::new(&name, model);
            model.metadata.namespace = Some(namespace.to_owned());
            device.model.clone_from(&name);
            let mut device = Device::new(&name, device);
            device.metadata.namespace = Some(namespace.to_owned());
            device.metadata.annotations = Some(BTreeMap::from([(
                IDENTITY.to_owned(),
                draft.identity.clone(),
            )]));
            Box::new((model, device))
        });
        proposals.push(Proposal {
            name,
            broker: broker.clone(),
            identity: draft.identity.clone(),
            topics: draft.topics.clone(),
            unmapped: draft.unmapped.clone(),
            resources,
            admitted_as: admitted.cloned(),
        });
    }
    proposals.sort_by(|a, b| a.name.cmp(&b.name));
    proposals
}

/// Whether a name ends as one does that has an identity behind it, which anybody can compute of what another announces.
fn is_told_apart(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, end)| {
        end.len() == TOLD_APART && end.bytes().all(|it| it.is_ascii_hexdigit())
    })
}
