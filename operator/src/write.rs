//! The writes that every controller needs: a finalizer, a status, a deletion, a release. Each speaks of the object that
//! was seen: one of the same name that came after it is left alone, and so is what others wrote into it.
//!
//! What may not enter: what is written, which each controller decides.

use std::fmt::Debug;

use aion_api::API_VERSION;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Puts `finalizer` on `object`, as `manager`; those of others stay.
///
/// # Errors
/// The API server did not take it.
pub(crate) async fn hold<K>(
    api: &Api<K>,
    object: &K,
    manager: &str,
    finalizer: &str,
) -> Result<(), Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut applied = identity(object);
    applied["metadata"]["finalizers"] = json!([finalizer]);
    let params = PatchParams::apply(manager).force();
    let patched = api
        .patch_metadata(&object.name_any(), &params, &Patch::Apply(&applied))
        .await;
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Failure::of(format!(
            "writing the finalizer of {}",
            named(object)
        ))(error)),
    }
}

/// Writes the fields of the status that `manager` keeps. `false`: the object is gone, and there is nobody to tell.
///
/// # Errors
/// The API server did not take it.
pub(crate) async fn status<K>(
    api: &Api<K>,
    object: &K,
    manager: &str,
    status: &impl Serialize,
) -> Result<bool, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut applied = identity(object);
    applied["status"] = serde_json::to_value(status)?;
    let params = PatchParams::apply(manager).force();
    let patched = api
        .patch_status(&object.name_any(), &params, &Patch::Apply(&applied))
        .await;
    match patched {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(Failure::of(format!(
            "writing the status of {}",
            named(object)
        ))(error)),
    }
}

/// Deletes `object`, and none that came after it.
///
/// # Errors
/// The API server refused.
pub(crate) async fn delete<K>(api: &Api<K>, object: &K) -> Result<(), Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    match api
        .delete(&object.name_any(), &deletion(object.meta()))
        .await
    {
        Ok(_) => Ok(()),
        // Gone, or another by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        // Told to go: the answer is the object, which is perhaps one that cannot be read.
        Err(kube::Error::SerdeError(_)) => Ok(()),
        Err(error) => Err(Failure::of(format!("deleting {}", named(object)))(error)),
    }
}

/// Takes `finalizer` away, whoever put it there: as server-side apply, one would stay that another manager owns, too.
///
/// # Errors
/// The API server refused, or the object has changed since it was seen.
pub(crate) async fn release<K>(api: &Api<K>, object: &K, finalizer: &str) -> Result<(), Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let Some(patch) = without(finalizer, object.meta()) else {
        return Ok(());
    };
    let params = PatchParams::default();
    let patched = api
        .patch_metadata(&object.name_any(), &params, &Patch::Merge(&patch))
        .await;
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Failure::of(format!("letting go of {}", named(object)))(
            error,
        )),
    }
}

/// With the uid of what was seen.
fn deletion(seen: &ObjectMeta) -> DeleteParams {
    DeleteParams::background().preconditions(Preconditions {
        uid: seen.uid.clone(),
        resource_version: None,
    })
}

/// The finalizers of what was seen but one. With the version: a finalizer that comes at this moment is not lost.
fn without(finalizer: &str, seen: &ObjectMeta) -> Option<Value> {
    let all = seen.finalizers.as_deref().unwrap_or_default();
    let left: Vec<&String> = all.iter().filter(|it| *it != finalizer).collect();
    if left.len() == all.len() {
        return None;
    }
    Some(json!({"metadata": {
        "uid": seen.uid,
        "resourceVersion": seen.resource_version,
        "finalizers": left,
    }}))
}

/// What server-side apply knows `object` by. With the uid, one that went away meanwhile is not made anew.
fn identity<K: Resource<DynamicType = ()>>(object: &K) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": K::kind(&()),
        "metadata": {"name": object.name_any(), "uid": object.meta().uid},
    })
}

fn named<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{} {}", K::kind(&()), object.name_any())
}

#[cfg(test)]
mod tests {
    use aion_api::Agent;
    use aion_api::metadata::FINALIZER_DRAIN;

    use super::*;

    fn seen(finalizers: &[&str]) -> ObjectMeta {
        ObjectMeta {
            name: Some("a-0-x".to_owned()),
            uid: Some("u-1".to_owned()),
            resource_version: Some("7".to_owned()),
            finalizers: Some(finalizers.iter().map(|it| (*it).to_owned()).collect()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_release_takes_one_finalizer_from_the_object_that_was_seen() {
        let patch = without(FINALIZER_DRAIN, &seen(&["a.example/x", FINALIZER_DRAIN]));
        let expected = json!({"metadata": {
            "uid": "u-1", "resourceVersion": "7", "finalizers": ["a.example/x"],
        }});
        assert_eq!(patch, Some(expected));
        assert_eq!(without(FINALIZER_DRAIN, &seen(&["a.example/x"])), None);
    }

    #[test]
    fn a_deletion_and_an_apply_name_the_uid_of_what_was_seen() {
        let uid = deletion(&seen(&[])).preconditions.and_then(|it| it.uid);
        assert_eq!(uid.as_deref(), Some("u-1"));
        let agent = Agent {
            metadata: seen(&[]),
            ..Agent::default()
        };
        assert_eq!(identity(&agent)["metadata"]["uid"], "u-1");
        assert_eq!(identity(&agent)["kind"], "Agent");
    }
}
