//! A node agent's identity, made the way a cluster makes it.
//!
//! The admission policies read `authentication.kubernetes.io/node-name`, which the
//! API server puts into a token only when the token is bound to a Pod that is on a
//! Node. A token file cannot say it, and impersonation would prove another path.

use super::ControlPlane;
use crate::StartError;

impl ControlPlane {
    /// The token that a DaemonSet's Pod on `node` would be given for
    /// `service_account`; Node, namespace, ServiceAccount and Pod are made where
    /// they do not exist. Valid for an hour.
    ///
    /// # Errors
    /// As [`ControlPlane::kubectl`].
    pub fn token_bound_to_node(
        &self,
        node: &str,
        namespace: &str,
        service_account: &str,
    ) -> Result<String, StartError> {
        let pod = format!("{service_account}-{node}");
        let of = |kind: &str, name: &str| serde_json::json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        self.apply(&of("Node", node).to_string())?;
        self.apply(&of("Namespace", namespace).to_string())?;
        let mut account = of("ServiceAccount", service_account);
        account["metadata"]["namespace"] = namespace.into();
        self.apply(&account.to_string())?;
        let mut place = of("Pod", &pod);
        place["metadata"]["namespace"] = namespace.into();
        place["spec"] = serde_json::json!({
            "nodeName": node,
            "serviceAccountName": service_account,
            "containers": [{"name": "agent", "image": "none.invalid/agent:0"}],
        });
        self.apply(&place.to_string())?;
        let token = self.kubectl(&[
            "--namespace",
            namespace,
            "create",
            "token",
            service_account,
            "--bound-object-kind=Pod",
            &format!("--bound-object-name={pod}"),
        ])?;
        Ok(token.trim().to_owned())
    }
}
