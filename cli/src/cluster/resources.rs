//! Resources of the Kubernetes API, whole.

use std::collections::BTreeMap;

use aion_api::{
    GROUP, VERSION,
    crd::{self, Kind},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams},
    core::GroupVersionKind,
};
use serde_json::Value;

use super::Cluster;
use crate::failure::Failure;

impl Cluster {
    /// All of a kind; in every namespace where none is named.
    pub(crate) async fn list(
        &self,
        plural: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<Value>, Failure> {
        self.listed(plural, namespace, &ListParams::default()).await
    }

    pub(super) async fn listed(
        &self,
        plural: &str,
        namespace: Option<&str>,
        which: &ListParams,
    ) -> Result<Vec<Value>, Failure> {
        let api = self.api(plural, namespace)?;
        let list = api.list(which).await;
        let list = list.map_err(|why| self.failure(&format!("list {plural}"), &why))?;
        list.items.into_iter().map(whole).collect()
    }

    pub(crate) async fn get(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, Failure> {
        let found = self.api(plural, namespace)?.get(name).await;
        let found = found.map_err(|why| self.failure(&format!("get {plural} {name}"), &why))?;
        whole(found)
    }

    pub(crate) async fn delete(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), Failure> {
        let params = DeleteParams::default();
        let deleted = self.api(plural, namespace)?.delete(name, &params).await;
        deleted
            .map(|_| ())
            .map_err(|why| self.failure(&format!("delete {plural} {name}"), &why))
    }

    /// The labels of a namespace; none where there is no such namespace, or the caller may not see it.
    pub(crate) async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.get_metadata_opt(namespace).await {
            Ok(found) => Ok(found.and_then(|it| it.metadata.labels).unwrap_or_default()),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(BTreeMap::new()),
            Err(why) => Err(self.failure("look at the namespace's labels", &why)),
        }
    }

    pub(super) fn api(
        &self,
        plural: &str,
        namespace: Option<&str>,
    ) -> Result<Api<DynamicObject>, Failure> {
        let kind = crd::kind_of_plural(plural);
        let kind = kind.ok_or_else(|| Failure::usage(format!("there is no kind {plural}")))?;
        let resource = resource(kind);
        Ok(match namespace.filter(|_| kind.namespaced) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        })
    }
}

fn resource(kind: &Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(GROUP, VERSION, kind.name);
    ApiResource::from_gvk_with_plural(&gvk, kind.plural)
}

/// As it is on the wire, without the managers of its fields, which nobody reads.
fn whole(mut object: DynamicObject) -> Result<Value, Failure> {
    object.metadata.managed_fields = None;
    serde_json::to_value(object)
        .map_err(|why| Failure::new(format!("cannot write the resource: {why}")))
}
