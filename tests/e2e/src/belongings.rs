//! What a story has in the control plane that its program shares: what it makes is noted and taken away at its end,
//! and what is there then that was not before is named.
//!
//! Nothing but the rights of the admin and of the operator's account is used: it needs no operator that runs, and
//! no node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aion_testkit::{ControlPlane, StartError, until};

use crate::cluster::BOUND;

const SYSTEM: &str = "aion-system";

/// What tests write.
const KINDS: &str = "aion,crd,validatingadmissionpolicies,validatingadmissionpolicybindings,namespaces,nodes,pods,\
    leases,secrets,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings";

/// What every namespace is given a moment after it was made.
const GIVEN: [(&str, &str); 2] = [
    ("ServiceAccount", "default"),
    ("ConfigMap", "kube-root-ca.crt"),
];

/// What does not go before somebody lets go of it, or holds a place on a node.
const HELD: [&str; 5] = ["Agent", "AgentInstance", "MemoryPool", "Pod", "Lease"];

/// A line an object: what [`Object::read`] reads.
const COLUMNS: &str = r#"jsonpath={range .items[*]}{.kind}{"\t"}{.metadata.namespace}{"\t"}{.metadata.name}{"\t"}{.metadata.generation}{"\t"}{.metadata.deletionTimestamp}{"\t"}{.metadata.finalizers}{"\n"}{end}"#;

struct Object {
    kind: String,
    namespace: String,
    name: String,
    /// Grows when its spec is changed.
    generation: String,
    is_going: bool,
    is_held: bool,
}

impl Object {
    fn read(line: &str) -> Option<Self> {
        let mut columns = line.split('\t').map(str::to_owned);
        let mut next = || columns.next();
        Some(Self {
            kind: next()?,
            namespace: next()?,
            name: next()?,
            generation: next()?,
            is_going: !next()?.is_empty(),
            is_held: !next()?.is_empty(),
        })
    }

    fn is(&self, kind: &str, namespace: &str, name: &str) -> bool {
        (&*self.kind, &*self.namespace, &*self.name) == (kind, namespace, name)
    }

    /// As kubectl takes it.
    fn argument(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// What one story made, and what was there before it.
pub(crate) struct Belongings {
    cluster: &'static ControlPlane,
    before: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    nodes: BTreeSet<String>,
    /// Kind, in small letters, and name.
    objects: BTreeSet<(String, String)>,
}

impl Belongings {
    pub(crate) fn none_yet(cluster: &'static ControlPlane) -> Result<Self, StartError> {
        Ok(Self {
            cluster,
            before: names(&objects(cluster)?),
            namespaces: BTreeSet::new(),
            nodes: BTreeSet::new(),
            objects: BTreeSet::new(),
        })
    }

    /// Notes a namespace, with everything in it.
    pub(crate) fn namespace(&mut self, name: &str) {
        self.namespaces.insert(name.to_owned());
    }

    /// Notes a Node, with what its node agent writes of it.
    pub(crate) fn node(&mut self, name: &str) {
        self.nodes.insert(name.to_owned());
    }

    /// Notes an object outside of namespaces.
    pub(crate) fn object(&mut self, kind: &str, name: &str) {
        self.objects.insert((kind.to_owned(), name.to_owned()));
    }

    /// Takes away what was noted.
    ///
    /// # Errors
    /// What is left besides, and what was there before and is not any more or is another now.
    pub(crate) fn take_away(&self) -> Result<(), String> {
        let now = until("the end of what the story made", BOUND, || {
            let there = objects(self.cluster).map_err(|error| error.to_string())?;
            let own = there.iter().filter(|it| self.is_own(it) && !is_over(it));
            let own: Vec<_> = own.map(Object::argument).collect();
            if own.is_empty() {
                return Ok(names(&there));
            }
            self.remove(&there).map_err(|error| error.to_string())?;
            Err(own.join(", "))
        });
        let now = now.map_err(|error| error.to_string())?;
        let left: Vec<_> = now.difference(&self.before).cloned().collect();
        let lost: Vec<_> = self.before.difference(&now).cloned().collect();
        match left.is_empty() && lost.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "left behind: {}; taken away or changed: {}",
                left.join(", "),
                lost.join(", ")
            )),
        }
    }

    fn is_own(&self, object: &Object) -> bool {
        let of_a_node = |node: &String| {
            object.is("Node", "", node)
                || object.is("KernelNode", "", node)
                || object.is("Pod", SYSTEM, &format!("aion-node-{node}"))
                || object.is("Lease", SYSTEM, &format!("aion-node.{node}"))
        };
        // Who led last, if nobody led before.
        let led =
            object.is("Lease", SYSTEM, "aion-operator") && !self.before.contains(&name(object));
        self.namespaces.contains(&object.namespace)
            || (object.kind == "Namespace" && self.namespaces.contains(&object.name))
            || self.nodes.iter().any(of_a_node)
            || self
                .objects
                .contains(&(object.kind.to_lowercase(), object.name.clone()))
            || led
    }

    fn remove(&self, there: &[Object]) -> Result<(), StartError> {
        let own: Vec<&Object> = there.iter().filter(|it| self.is_own(it)).collect();
        let stay = own.iter().filter(|it| !it.is_going);
        let goes = |it: &&&Object| it.namespace.is_empty() || HELD.contains(&&*it.kind);
        let mut batches: BTreeMap<(&str, bool), Vec<String>> = BTreeMap::new();
        for object in stay.filter(goes) {
            let batch = (&*object.namespace, object.kind == "AgentInstance");
            batches.entry(batch).or_default().push(object.argument());
        }
        for ((namespace, is_operators), objects) in batches {
            // There is no kubelet to say that a Pod has ended.
            let mut delete = vec!["delete", "--ignore-not-found", "--wait=false", "--force"];
            if !namespace.is_empty() {
                delete.extend(["-n", namespace]);
            }
            delete.extend(objects.iter().map(String::as_str));
            self.cluster.kubectl_as(&self.who(is_operators)?, &delete)?;
        }
        let held = |it: &&&Object| it.is_going && it.is_held && it.kind != "Namespace";
        for object in own.iter().filter(held) {
            self.let_go(object)?;
        }
        Ok(())
    }

    /// Nobody is there any more who would take the finalizers off.
    fn let_go(&self, object: &Object) -> Result<(), StartError> {
        let who = self.who(object.kind == "AgentInstance")?;
        let name = object.argument();
        let mut patch = vec![
            "patch",
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":null}}"#,
            &name,
        ];
        if !object.namespace.is_empty() {
            patch.extend(["-n", &object.namespace]);
        }
        match self.cluster.kubectl_as(&who, &patch) {
            Err(error) if !error.to_string().contains("NotFound") => Err(error),
            _ => Ok(()),
        }
    }

    /// Instances are the operator's alone.
    fn who(&self, is_operators: bool) -> Result<PathBuf, StartError> {
        if !is_operators {
            return Ok(self.cluster.admin());
        }
        let token = ["-n", SYSTEM, "create", "token", "aion-operator"];
        let token = self.cluster.kubectl(&token)?;
        let name = "the-end-of-a-story";
        self.cluster.kubeconfig_for_token(name, token.trim())
    }
}

/// Whether nothing is to be done about it any more: a namespace's last things are taken by Kubernetes itself.
fn is_over(object: &Object) -> bool {
    match object.kind.as_str() {
        "Namespace" => object.is_going,
        kind => !object.namespace.is_empty() && !HELD.contains(&kind),
    }
}

fn objects(cluster: &ControlPlane) -> Result<Vec<Object>, StartError> {
    let text = cluster.kubectl(&["get", KINDS, "-A", "-o", COLUMNS])?;
    Ok(text.lines().filter_map(Object::read).collect())
}

fn name(object: &Object) -> String {
    let (namespace, name) = (&object.namespace, &object.name);
    let slash = if namespace.is_empty() { "" } else { "/" };
    let told = format!(
        "{} {namespace}{slash}{name} {}",
        object.kind, object.generation
    );
    told.trim_end().to_owned()
}

/// What is there, without what Kubernetes itself brings and takes.
fn names(objects: &[Object]) -> BTreeSet<String> {
    let going = |namespace: &str| {
        let of = |it: &&Object| it.kind == "Namespace" && it.name == namespace;
        objects.iter().find(of).is_some_and(|it| it.is_going)
    };
    let ours = |it: &&Object| {
        let given = GIVEN.contains(&(&*it.kind, &*it.name));
        let last = it.kind == "Namespace" && it.is_going;
        !given && !last && !it.namespace.starts_with("kube-") && !going(&it.namespace)
    };
    objects.iter().filter(ours).map(name).collect()
}
