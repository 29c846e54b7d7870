//! The folder as what the admin interface applies to: objects in, objects out.

use std::{collections::BTreeMap, sync::Arc};

use aion_abi::admin::{Applied, ApplyRequest, ApplyResponse, Change as Made};
use aion_api::{Agent, AgentInstance, AgentStatus};
use aion_device::announced::Taken;
use aion_resolve::{Key, Manifest, Object, identity, parse_manifests};
use serde_json::Value;

use super::{
    manifests::{FolderError, ObjectKey, fill_namespace},
    rejection::{rejection, taken, twice, unusable_signers},
    source::{Folder, now},
    world::World,
};

/// The kind that nobody writes: it follows from the others.
const INSTANCE: &str = "AgentInstance";

impl Folder {
    /// Takes manifests in: nothing is put in its place before all is written.
    ///
    /// # Errors
    /// Where the folder cannot be written. What is wrong with manifests is in the response.
    pub fn apply(&self, request: &ApplyRequest) -> Result<ApplyResponse, FolderError> {
        self.take_in(request, false)
    }

    /// Like [`apply`](Self::apply), but replaces and changes nothing that is there: its names must be free.
    ///
    /// # Errors
    /// As for that.
    pub fn admit(&self, request: &ApplyRequest) -> Result<ApplyResponse, FolderError> {
        self.take_in(request, true)
    }

    fn take_in(
        &self,
        request: &ApplyRequest,
        only_new: bool,
    ) -> Result<ApplyResponse, FolderError> {
        let mut objects = Vec::new();
        let mut rejected = Vec::new();
        for manifest in &request.manifests {
            match parse_manifests(&manifest.text, &manifest.file) {
                Ok(read) => objects.extend(read),
                Err(problems) => rejected.extend(problems.into_iter().map(rejection)),
            }
        }
        for Manifest { object, .. } in &mut objects {
            fill_namespace(object);
        }
        rejected.extend(twice(&objects));
        rejected.extend(unusable_signers(&objects));
        if !rejected.is_empty() {
            return Ok(ApplyResponse {
                applied: Vec::new(),
                rejected,
            });
        }
        let (mut applied, mut changed) = (Vec::new(), Vec::new());
        let mut state = self.lock();
        if only_new {
            let is_there =
                |it: &&Manifest| state.world.object(&ObjectKey::of(&it.object)).is_some();
            let rejected: Vec<_> = objects.iter().filter(is_there).map(taken).collect();
            if !rejected.is_empty() {
                return Ok(ApplyResponse {
                    applied: Vec::new(),
                    rejected,
                });
            }
        }
        for Manifest { mut object, .. } in objects {
            let key = ObjectKey::of(&object);
            let uid = fresh_uid(&object);
            let change = settle(&mut object, state.world.object(&key).as_ref(), uid);
            if change != Made::Unchanged {
                changed.push(object);
            }
            applied.push(Applied {
                kind: key.kind.to_owned(),
                namespace: (!key.namespace.is_empty()).then_some(key.namespace),
                name: key.name,
                change,
            });
        }
        if !request.dry_run {
            let (written, result) = state.files.write(&changed);
            changed.truncate(written);
            state.take(changed, &[]);
            result?;
        }
        Ok(ApplyResponse {
            applied,
            rejected: Vec::new(),
        })
    }

    /// Takes an object away; `false` where there is none.
    ///
    /// # Errors
    /// Where its file cannot be removed, or what is to be erased with it cannot be noted.
    pub fn delete(&self, key: &ObjectKey) -> Result<bool, FolderError> {
        let mut state = self.lock();
        let state = &mut *state;
        if state.world.object(key).is_none() {
            return Ok(false);
        }
        if key.kind == "Agent" {
            // Before the agent is gone: from then on nothing else would tell of them.
            for instance in state.world.instances_of(&key.key()) {
                state.going.note(instance)?;
            }
        }
        if let Err(error) = state.files.remove(key) {
            let living = |it: &&Arc<AgentInstance>| state.world.has_agent_of(it);
            for instance in state.world.instances_of(&key.key()).filter(living) {
                if let Err(error) = state.going.done(instance) {
                    tracing::warn!(%error, "the note of an instance that stays is removed later");
                }
            }
            return Err(error);
        }
        state.take(Vec::new(), std::slice::from_ref(key));
        Ok(true)
    }

    /// Whole objects of a kind, with their status; `namespace` narrows.
    pub fn list(&self, kind: &'static str, namespace: Option<&str>) -> Vec<Value> {
        let state = self.lock();
        let fits = |it: &str| namespace.is_none_or(|namespace| it.is_empty() || it == namespace);
        if kind == INSTANCE {
            let instances = state.world.instances();
            return instances
                .filter(|(key, _)| fits(&key.namespace))
                .filter_map(|(_, it)| serde_json::to_value(state.world.told(it)).ok())
                .collect();
        }
        let keys = state.files.of_kind(kind);
        keys.filter(|key| fits(&key.namespace))
            .filter_map(|key| shown(&state.world, key))
            .collect()
    }

    /// One whole object.
    pub fn get(&self, key: &ObjectKey) -> Option<Value> {
        let state = self.lock();
        if key.kind == INSTANCE {
            let instance = state.world.instance(&key.key())?;
            return serde_json::to_value(instance).ok();
        }
        shown(&state.world, key)
    }

    /// How an agent stands, if there is one.
    pub fn agent(&self, namespace: &str, name: &str) -> Option<AgentStatus> {
        let state = self.lock();
        state.world.agent_status(&Key::new(namespace, name))
    }

    /// The labels of an agent, if there is one.
    pub fn labels(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
        let state = self.lock();
        let agent = state.world.agents().get(&Key::new(namespace, name))?;
        Some(agent.metadata.labels.unwrap_or_default())
    }

    /// Names that devices and models of a namespace have, and which of them were proposals.
    pub fn admitted(&self, namespace: &str) -> Taken {
        let state = self.lock();
        state.world.admitted(namespace)
    }

    /// How many agents there are.
    pub fn agents(&self) -> usize {
        self.lock().world.agents().len()
    }

    /// Agents that use a memory pool.
    pub fn users_of_pool(&self, namespace: &str, pool: &str) -> Vec<String> {
        let state = self.lock();
        let uses = |agent: &Agent| agent.spec.memory.as_ref().is_some_and(|it| it.pool == pool);
        let agents = state.world.agents().iter();
        agents
            .filter(|(key, agent)| key.namespace == namespace && uses(agent))
            .map(|(key, _)| key.name.clone())
            .collect()
    }

    /// Whether nothing of an agent is left here: its instances are drained, and what it left is erased.
    pub fn is_rid_of(&self, namespace: &str, agent: &str) -> bool {
        let state = self.lock();
        let agent = Key::new(namespace, agent);
        let mut all = state.world.instances_of(&agent);
        // One of its name may have been applied meanwhile.
        all.all(|it| state.world.has_agent_of(it))
    }
}

/// The uid of an object that is applied for the first time: another than that of one of the same name that
/// was deleted before.
fn fresh_uid(object: &Object) -> String {
    identity::uid(&[
        object.kind(),
        object.namespace(),
        object.name(),
        &crate::clock::timestamp().to_string(),
    ])
}

/// Fills in what an API server would: uid, generation, time. Says what changed against `before`.
pub(super) fn settle(object: &mut Object, before: Option<&Object>, uid: String) -> Made {
    let Some(before) = before else {
        let metadata = object.metadata_mut();
        metadata.uid = Some(uid);
        metadata.generation.get_or_insert(1);
        metadata.creation_timestamp.get_or_insert_with(now);
        return Made::Created;
    };
    let old = before.metadata().clone();
    let metadata = object.metadata_mut();
    metadata.uid = old.uid;
    metadata.generation = old.generation;
    metadata.creation_timestamp = old.creation_timestamp;
    if object == before {
        return Made::Unchanged;
    }
    if spec(object) != spec(before) {
        let metadata = object.metadata_mut();
        metadata.generation = Some(metadata.generation.unwrap_or(1) + 1);
    }
    Made::Configured
}

fn spec(object: &Object) -> Option<Value> {
    object.to_json().ok().map(|mut json| json["spec"].take())
}

/// An object as it is shown: with its kind, and the status that was found.
fn shown(world: &World, key: &ObjectKey) -> Option<Value> {
    let mut json = world.object(key)?.to_json().ok()?;
    json["apiVersion"] = aion_api::API_VERSION.into();
    json["kind"] = key.kind.into();
    if let Some(status) = world.status(key) {
        json["status"] = status.ok()?;
    }
    Some(json)
}
