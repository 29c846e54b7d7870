//! Secrets of a cluster: `Secret` objects of the tenant's namespace, read by name.
//!
//! The node agent is let read them by a RoleBinding in each namespace; it never lists or watches them.

use aion_abi::tenant::Tenant;
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
    fn text<'a>(
        &'a self,
        tenant: &'a Tenant,
        reference: &'a SecretRef,
    ) -> BoxFuture<'a, Result<Secret, SecretError>> {
        Box::pin(async move {
            let objects: Api<Object> = Api::namespaced(self.client.clone(), tenant.as_str());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::{
        Json, Router, extract::Path, http::StatusCode, response::IntoResponse, routing::get,
    };
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    async fn secrets() -> ClusterSecrets {
        let app = Router::new().route(
            "/api/v1/namespaces/{namespace}/secrets/{name}",
            get(|Path((namespace, name)): Path<(String, String)>| async move {
                match (namespace.as_str(), name.as_str()) {
                    // `hunter2` and a line end.
                    ("team", "openai") => Json(json!({
                        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"key": "aHVudGVyMgo="}
                    }))
                    .into_response(),
                    ("team", "forbidden") => (
                        StatusCode::FORBIDDEN,
                        Json(json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "not yours", "code": 403})),
                    )
                        .into_response(),
                    _ => (
                        StatusCode::NOT_FOUND,
                        Json(json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "none", "code": 404})),
                    )
                        .into_response(),
                }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        ClusterSecrets::new(Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap())
    }

    #[tokio::test]
    async fn a_secret_is_read_by_name_in_its_own_namespace() {
        let secrets = secrets().await;
        let wanted = |secret: &str, key: &str| SecretRef {
            secret: secret.into(),
            key: key.into(),
        };
        assert_eq!(
            secrets
                .read(&"team".into(), &wanted("openai", "key"))
                .await
                .unwrap()
                .expose(),
            "hunter2"
        );
        for (tenant, secret, key) in [
            ("team", "openai", "none"),
            ("team", "none", "key"),
            ("other", "openai", "key"),
        ] {
            let error = secrets
                .read(&tenant.into(), &wanted(secret, key))
                .await
                .unwrap_err();
            assert!(matches!(error, SecretError::Missing(_)), "{error}");
        }
        let error = secrets
            .read(&"team".into(), &wanted("forbidden", "key"))
            .await
            .unwrap_err();
        assert!(matches!(error, SecretError::Unreadable { .. }), "{error}");
    }
}
