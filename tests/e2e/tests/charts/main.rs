//! The charts, by the real helm: rendered as they are kept, refused with words, and taken by a real API server.
//! `golden/write` renders what is kept anew. What may not enter: a cluster that runs pods.
#![allow(clippy::unwrap_used, clippy::panic)]

mod helm;
mod upgrade;

use std::{fs, path::Path, process::Command};

use aion_e2e::cluster::{cluster, namespace, root};

use helm::{chart, command, rendered, run, template};

/// The sets of values that are rendered.
const SETS: [&str; 3] = ["default", "small", "full"];

/// Where `helm test` works.
const TESTED: &str = "aion-system-helm-test";

fn here() -> std::path::PathBuf {
    root().join("tests/e2e/tests/charts")
}

fn render(helm: &Path, set: &str) -> String {
    let values = here().join("values").join(format!("{set}.yaml"));
    rendered(&template(
        helm,
        "aion",
        &["--values", &values.to_string_lossy()],
    ))
}

#[test]
fn helm_has_nothing_to_say_against_the_charts() {
    let Some(helm) = helm::helm() else { return };
    let output = Command::new(&helm)
        .args(["lint", "--strict", "--namespace", "aion-system"])
        .args([chart("aion"), chart("aion-crds")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn three_sets_of_values_are_rendered_as_they_are_kept() {
    let Some(helm) = helm::helm() else { return };
    for set in SETS {
        let kept = here().join("golden").join(format!("{set}.yaml"));
        let text = fs::read_to_string(&kept).unwrap();
        assert!(
            render(&helm, set) == text,
            "{} is rendered otherwise now: look at the difference, and run tests/e2e/tests/charts/golden/write",
            kept.display()
        );
    }
}

#[test]
fn values_that_contradict_each_other_or_mean_nothing_are_refused_with_words() {
    let Some(helm) = helm::helm() else { return };
    for (values, words) in [
        ("operator.replicas=1", "would let no node be drained"),
        (
            "operator.replica=2",
            "additional properties 'replica' not allowed",
        ),
        ("operator.replicas=0", "minimum: got 0, want 1"),
        (
            "nodeAgent.settings.offline=true",
            "is set by the chart: leave it out",
        ),
        (
            "nodeAgent.hostPath=relative",
            "'relative' does not match pattern",
        ),
        ("image.digests.node=latest", "does not match pattern"),
        ("gateway.enabled=true", "wants nodeAgent.tlsSecretName"),
        (
            "gateway.enabled=true,nodeAgent.tlsSecretName=nodes",
            "wants gateway.tlsSecretName",
        ),
        (
            "gateway.enabled=true,nodeAgent.tlsSecretName=nodes,gateway.tlsSecretName=door,gateway.replicas=1",
            "would leave programs without a gateway",
        ),
        (
            "gateway.url=http://agents.example",
            "does not match pattern",
        ),
    ] {
        let output = template(&helm, "aion", &["--set", values]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(words),
            "{values}: {said}"
        );
    }
    let elsewhere = run(&helm, "aion", "default", &[]);
    let said = String::from_utf8_lossy(&elsewhere.stderr);
    assert!(
        said.contains("install it with --namespace aion-system"),
        "{said}"
    );
}

#[test]
fn a_gateway_and_its_roles_are_there_where_it_is_wanted() {
    let Some(helm) = helm::helm() else { return };
    let text = rendered(&template(&helm, "aion", &[]));
    assert!(!text.contains("aion-gateway"), "{text}");
    let text = render(&helm, "full");
    for kind in [
        "Deployment",
        "Service",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "NetworkPolicy",
        "PodDisruptionBudget",
    ] {
        let own =
            |it: &&str| it.contains(&format!("kind: {kind}\nmetadata:\n  name: aion-gateway\n"));
        assert_eq!(text.split("\n---\n").filter(own).count(), 1, "{kind}");
    }
}

#[test]
fn definitions_are_those_of_crds_and_outlive_their_release() {
    let Some(helm) = helm::helm() else { return };
    let text = rendered(&template(&helm, "aion-crds", &[]));
    let kept = text.matches("helm.sh/resource-policy: keep").count();
    let files = fs::read_dir(root().join("crds")).unwrap().count();
    assert_eq!(
        (kept, text.matches("kind: CustomResourceDefinition").count()),
        (files, files)
    );
}

#[test]
fn roles_and_admission_have_one_source() {
    let link = |path: &str| fs::read_link(root().join(path)).unwrap();
    for (path, to) in [
        ("charts/aion/files/rbac", "../../../policies/rbac"),
        ("charts/aion/files/admission", "../../../policies/admission"),
        ("charts/aion-crds/files/crds", "../../../crds"),
    ] {
        assert_eq!(link(path), Path::new(to));
    }
}

#[test]
fn a_real_api_server_takes_every_object_of_every_set() -> anyhow::Result<()> {
    let Some(helm) = helm::helm() else {
        return Ok(());
    };
    let Some(cluster) = cluster()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    // A trial makes nothing that what is tried after it could be in, or log in as.
    namespace(cluster, TESTED)?;
    // Whose it is: `helm test` would delete another's.
    let own = || {
        let mut rendering = command(&helm, "aion", "aion-system", &["--dry-run=server"]);
        rendering.env("KUBECONFIG", cluster.admin()).output()
    };
    let said = own()?.stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("a namespace aion-system-helm-test is there and not of this chart"),
        "{said}"
    );
    let label = "app.kubernetes.io/name=aion-test";
    cluster.kubectl(&["label", "namespace", TESTED, label])?;
    rendered(&own()?);
    let account = ["create", "serviceaccount", TESTED];
    cluster.kubectl(&[&["-n", "aion-system"], &account[..]].concat())?;
    for set in SETS {
        // The definitions of Prometheus' operator are somebody else's.
        let objects = render(&helm, set);
        let ours = objects
            .split("\n---\n")
            .filter(|it| !it.contains("kind: ServiceMonitor"));
        let file = folder.path().join(format!("{set}.yaml"));
        fs::write(&file, ours.collect::<Vec<_>>().join("\n---\n"))?;
        let file = file.to_string_lossy();
        cluster.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            &file,
        ])?;
    }
    Ok(())
}
