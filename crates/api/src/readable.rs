//! An object of a watch, or what can be told of one that this release cannot read.
//!
//! The schema of a newer release may allow what an older one does not know. As kube's `DeserializeGuard`, this keeps one
//! such object from failing the whole list; besides, it names the field. What may not enter: what follows from it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

/// The longest reason, in bytes.
const LONGEST: usize = 1024;

/// An object, where it can be read.
#[derive(Debug, Clone)]
pub struct Readable<K>(pub Result<K, Unreadable>);

/// An object that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct Unreadable {
    /// Its metadata, which can always be read.
    pub metadata: ObjectMeta,
    /// The field, and what is wrong with it.
    pub why: String,
    /// The node that it says it is on, which can be read where something else cannot.
    pub placed: Placed,
}

/// What an object that cannot be read says of its node: an instance in its spec, a pool in its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Placed {
    /// It is on none.
    #[default]
    Nowhere,
    /// It is on this one.
    On(String),
    /// This cannot be read either.
    Unknown,
}

impl Placed {
    fn of(object: &Value) -> Self {
        let named = ["/spec/nodeName", "/status/nodeName"];
        match named.iter().find_map(|at| object.pointer(at)) {
            None | Some(Value::Null) => Self::Nowhere,
            Some(Value::String(node)) => Self::On(node.clone()),
            Some(_) => Self::Unknown,
        }
    }

    /// Whether it may be on `node`.
    #[must_use]
    pub fn may_be(&self, node: &str) -> bool {
        match self {
            Self::Nowhere => false,
            Self::On(it) => it == node,
            Self::Unknown => true,
        }
    }
}

impl Unreadable {
    /// What it is, why it cannot be read, and what to do about it.
    #[must_use]
    pub fn words(&self, kind: &str) -> String {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        format!(
            "{kind} {name} cannot be read by release {}: {}: correct that field, or run the release that wrote it",
            env!("CARGO_PKG_VERSION"),
            self.why
        )
    }
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Readable<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Value::deserialize(deserializer)?;
        if let Ok(object) = K::deserialize(&whole) {
            return Ok(Self(Ok(object)));
        }
        // Once more, with an eye on where it fails.
        let why = match serde_path_to_error::deserialize::<_, K>(&whole) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(error) => error.to_string(),
        };
        // What was written there is quoted, of whatever length.
        let why = why[..why.floor_char_boundary(LONGEST)].to_owned();
        let bare = PartialObjectMeta::<K>::deserialize(&whole).map_err(D::Error::custom)?;
        Ok(Self(Err(Unreadable {
            metadata: bare.metadata,
            why,
            placed: Placed::of(&whole),
        })))
    }
}

impl<K: Resource> Resource for Readable<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(object) => object.meta(),
            Err(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(object) => object.meta_mut(),
            Err(unreadable) => &mut unreadable.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::{MemoryPool, TrustPolicy};

    fn list(inline: &str) -> Vec<Readable<TrustPolicy>> {
        let policy = |name: &str, inline: &str| {
            json!({
                "apiVersion": "aion.dev/v1alpha1", "kind": "TrustPolicy",
                "metadata": {"name": name, "uid": "u"}, "spec": {"inline": inline},
            })
        };
        serde_json::from_value(json!([policy("a", inline), policy("b", "allow")])).unwrap()
    }

    #[test]
    fn one_that_cannot_be_read_leaves_the_others_and_names_its_field() {
        let [bad, good] = list("sometimes").try_into().unwrap();
        assert_eq!(good.0.unwrap().metadata.name.as_deref(), Some("b"));
        let bad = bad.0.unwrap_err();
        assert_eq!(bad.metadata.uid.as_deref(), Some("u"));
        let words = bad.words("TrustPolicy");
        for expected in [
            "TrustPolicy a cannot be read",
            "spec.inline: unknown variant `sometimes`",
            "run the release that wrote it",
        ] {
            assert!(words.contains(expected), "no {expected} in {words}");
        }
    }

    #[test]
    fn a_reason_quotes_a_part_of_what_is_long() {
        let [bad, _] = list(&"ä".repeat(100_000)).try_into().unwrap();
        let why = bad.0.unwrap_err().why;
        assert!(why.starts_with("spec.inline: ") && why.len() <= LONGEST);
    }

    #[test]
    fn one_that_cannot_be_read_says_on_which_node_it_is_all_the_same() {
        let placed = |status: Value| {
            let pool = json!({
                "metadata": {"name": "p"}, "spec": {"encryption": "sealed"}, "status": status,
            });
            let pool: Readable<MemoryPool> = serde_json::from_value(pool).unwrap();
            pool.0.unwrap_err().placed
        };
        let on = placed(json!({"nodeName": "a"}));
        assert_eq!(on, Placed::On("a".to_owned()));
        assert!(on.may_be("a") && !on.may_be("b"));
        for none in [Value::Null, json!({}), json!({"nodeName": null})] {
            assert_eq!(placed(none), Placed::Nowhere);
        }
        let unknown = placed(json!({"nodeName": ["a", "b"]}));
        assert!(unknown == Placed::Unknown && unknown.may_be("c"));
    }

    #[test]
    fn what_can_be_read_is_the_object_itself() {
        let all = list("refuse");
        assert!(all.iter().all(|it| it.0.is_ok()));
        assert_eq!(all[0].meta().name.as_deref(), Some("a"));
    }
}
