//! Secrets of a cluster: `Secret` objects of the tenant's namespace, read by name.
//!
//! The node agent is let read them by a RoleBinding in each namespace; it never lists or watches them.

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret as Object;
use kube::{Api, Client};

use super::{MAX_SECRET, Secret, SecretError, SecretRef, Secrets};

/// Secrets behind the Kubernetes API.
pub struct ClusterSecrets {
    client: Client,
}

impl ClusterSecrets {
    /// Reads with the rights of `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Secrets for ClusterSecrets {
    fn read<'a>(
        &'a self,
        tenant: &'a str,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>> {
        Box::pin(async move {
            let objects: Api<Object> = Api::namespaced(self.client.clone(), tenant);
            let found = objects.get_opt(&reference.secret).await.map_err(|error| {
                SecretError::Unreadable {
                    reference: reference.clone(),
                    why: error.to_string(),
                }
            })?;
            let value = found
                .and_then(|object| object.data)
                .and_then(|mut data| data.remove(&reference.key))
                .ok_or_else(|| SecretError::Missing(reference.clone()))?;
            let unfit = |why| SecretError::Unfit {
                reference: reference.clone(),
                why,
            };
            if value.0.len() > MAX_SECRET {
                return Err(unfit("it is larger than 64 KiB"));
            }
            let text = String::from_utf8(value.0).map_err(|_| unfit("it is not UTF-8 text"))?;
            Ok(Secret::new(text))
        })
    }
}
