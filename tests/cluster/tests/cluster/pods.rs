//! The cluster itself: pods run, reach each other, and leave no trace.

use std::time::Duration;

use aion_testkit::{Cluster, Component, Image, Leftovers, or_skip, until};

const BOUND: Duration = Duration::from_secs(120);

pub(crate) const SAMPLE: &str = "aion.test/pod:1";

pub(crate) fn sample() -> Image {
    Image::new(SAMPLE, &["/pod"]).with("pod", &Component::Pod.find().unwrap())
}

fn pod(name: &str, node: &str, args: &str) -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "labels": {{"name": "{name}"}}}},
            "spec": {{"nodeSelector": {{"kubernetes.io/hostname": "{node}"}}, "restartPolicy": "OnFailure",
                "containers": [{{"name": "pod", "image": "{SAMPLE}", "imagePullPolicy": "Never", "args": {args}}}]}}}}"#
    )
}

fn log_says(cluster: &Cluster, pod: &str, words: &str) {
    until(&format!("the log of {pod}"), BOUND, || {
        match cluster.kubectl(&["logs", pod]) {
            Ok(log) if log.contains(words) => Ok(()),
            Ok(log) => Err(log),
            Err(error) => {
                let about = cluster.kubectl(&["describe", "pod", pod]);
                Err(format!("{error}\n{}", about.unwrap_or_default()))
            }
        }
    })
    .unwrap();
}

#[test]
fn pods_of_two_nodes_reach_each_other_and_nothing_stays_when_the_cluster_ends() {
    let before = Leftovers::now();
    let Some(cluster) = or_skip(Cluster::start(2)) else {
        return;
    };
    let (before, marks) = (before.unwrap(), cluster.marks());
    cluster.import(&sample()).unwrap();
    let serve = r#"["serve", "8080", "the lamp is polished"]"#;
    cluster.apply(&pod("keeper", "node-0", serve)).unwrap();
    let service = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "keeper"},
        "spec": {"selector": {"name": "keeper"}, "clusterIP": "10.0.0.77", "ports": [{"port": 80, "targetPort": 8080}]}}"#;
    cluster.apply(service).unwrap();
    let get = r#"["get", "http://10.0.0.77/"]"#;
    cluster.apply(&pod("asker", "node-1", get)).unwrap();
    log_says(&cluster, "asker", "the lamp is polished");
    drop(cluster);
    until("the machine as it was", BOUND, || {
        match Leftovers::since(&before, &marks).unwrap().as_slice() {
            [] => Ok(()),
            left => Err(left.join("\n")),
        }
    })
    .unwrap();
}
