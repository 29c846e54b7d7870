//! Images: made the same each time, with the list of their parts beside them, and pushed to a real registry. The programs
//! in them are stand-ins; the real ones run in the stories of `tests/cluster`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use aion_e2e::{cluster::root, program};
use aion_testkit::{Component, Cosign, Crane, Registry, RegistryKind, architecture, or_skip, skip};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAMS: [&str; 7] = [
    "aion-node",
    "aion-launcher",
    "aion-worker",
    "aion-compiler",
    "aion-operator",
    "aion-gateway",
    "aionctl",
];
const IMAGES: [&str; 4] = ["aion-node", "aion-operator", "aion-gateway", "aionctl"];
const SPDX: &str = "application/spdx+json";

/// Images of stand-ins, which are linked to the C library as the real programs are.
struct Images {
    at: TempDir,
}

impl Images {
    /// `None`, and the test skipped, where this machine cannot make any.
    fn make(push: Option<&str>) -> Option<Self> {
        or_skip(Component::Crane.find())?;
        if Command::new("dpkg-query")
            .arg("--version")
            .output()
            .is_err()
        {
            skip(
                "images",
                "they are made of Debian's C library, and dpkg-query is not here",
            );
            return None;
        }
        let images = Self {
            at: tempfile::tempdir().unwrap(),
        };
        let programs = images.at.path().join("programs");
        fs::create_dir(&programs).unwrap();
        for name in PROGRAMS {
            fs::copy("/usr/bin/true", programs.join(name)).unwrap();
        }
        let mut command = Command::new(root().join("packaging/images"));
        command.args(push.iter().flat_map(|to| ["--push", to]));
        command.arg("--programs").arg(programs);
        command.arg("--out").arg(images.at.path().join("out"));
        command.env_remove("AION_PACKAGE_KEY");
        command.env("AIONCTL", program("aionctl").unwrap());
        command.env("AION_SBOM", program("aion-sbom").unwrap());
        // Not the user's logins.
        command.env("DOCKER_CONFIG", images.at.path());
        let made = command.output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        Some(images)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.path().join("out").join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The one file whose name begins and ends so.
    fn file(&self, begin: &str, end: &str) -> String {
        let files = fs::read_dir(self.path("")).unwrap();
        let mut names = files.map(|it| it.unwrap().file_name().into_string().unwrap());
        let found = names.find(|it| it.starts_with(begin) && it.ends_with(end));
        found.unwrap()
    }

    fn sbom(&self, image: &str) -> Vec<u8> {
        self.read(&self.file(&format!("{image}-0"), ".spdx.json"))
    }

    /// The digest of an image, of all architectures.
    fn digest(&self, image: &str) -> String {
        let digests = String::from_utf8(self.read("DIGESTS")).unwrap();
        let of_image = digests.lines().find_map(|it| it.strip_prefix(image));
        of_image.unwrap().trim_start_matches('@').to_owned()
    }

    /// The digest of an image for this machine's processor.
    fn of_architecture(&self, image: &str) -> String {
        let index = self.blob(image, &self.digest(image));
        let index: Value = serde_json::from_slice(&index).unwrap();
        let all = index["manifests"].as_array().unwrap();
        let ours = |it: &&Value| it["platform"]["architecture"] == architecture();
        let ours = all.iter().find(ours).unwrap();
        ours["digest"].as_str().unwrap().to_owned()
    }

    /// The list of what refers to `subject` in the layout of an image.
    fn referrers(&self, image: &str, subject: &str) -> Vec<u8> {
        let index = self.read(&format!("{image}/index.json"));
        let index: Value = serde_json::from_slice(&index).unwrap();
        let tag = subject.replace(':', "-");
        let named = |it: &&Value| it["annotations"]["org.opencontainers.image.ref.name"] == tag;
        let list = index["manifests"].as_array().unwrap().iter().find(named);
        self.blob(image, list.unwrap()["digest"].as_str().unwrap())
    }

    fn blob(&self, image: &str, digest: &str) -> Vec<u8> {
        let hex = digest.trim_start_matches("sha256:");
        self.read(&format!("{image}/blobs/sha256/{hex}"))
    }
}

/// Of what is listed as referring to `subject`, the digest of what says that it is a list of parts, and of its document.
/// Registries say different things of what they list, so it is looked into.
fn parts(list: &[u8], subject: &str, manifest: impl Fn(&str) -> Vec<u8>) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list: Value = serde_json::from_slice(list).unwrap();
    let listed = list["manifests"].as_array().unwrap().iter();
    let mut found = listed.filter_map(|it| {
        let digest = text(&it["digest"]);
        let manifest: Value = serde_json::from_slice(&manifest(&digest)).unwrap();
        let is_parts = manifest["artifactType"] == SPDX && manifest["subject"]["digest"] == subject;
        is_parts.then(|| (digest, text(&manifest["layers"][0]["digest"])))
    });
    let first = found.next();
    first.unwrap_or_else(|| panic!("no list of parts refers to {subject}: {list:#}"))
}

#[test]
fn the_same_programs_make_the_same_images_with_their_parts_beside_them() {
    let Some(first) = Images::make(None) else {
        return;
    };
    let Some(second) = Images::make(None) else {
        return;
    };
    assert_eq!(first.read("DIGESTS"), second.read("DIGESTS"));
    for image in IMAGES {
        let archive = first.file(image, ".oci.tar");
        assert!(
            first.read(&archive) == second.read(&archive),
            "{archive} is another each time"
        );
        let subject = first.of_architecture(image);
        let [found, again] = [&first, &second].map(|it| {
            let list = it.referrers(image, &subject);
            parts(&list, &subject, |digest| it.blob(image, digest))
        });
        assert_eq!(found, again, "its parts are others each time");
        assert!(first.blob(image, &found.1) == first.sbom(image));
    }
}

#[test]
fn images_are_pushed_with_their_parts_and_signed_there() {
    let (Some(cosign), Some(crane)) = (or_skip(Cosign::find()), or_skip(Crane::find())) else {
        return;
    };
    // With and without the API for what refers to an image.
    for kind in [RegistryKind::Anonymous, RegistryKind::Referrers] {
        let Some(registry) = or_skip(Registry::start(kind)) else {
            return;
        };
        let place = format!("{}/aion", registry.address());
        let Some(images) = Images::make(Some(&place)) else {
            return;
        };
        for image in IMAGES {
            let at = |digest: &str| format!("{place}/{image}@{digest}");
            let (digest, subject) = (images.digest(image), images.of_architecture(image));
            let key = images.path("images.pub");
            cosign.verify(&key, &at(&digest), None).unwrap();
            let list = match kind {
                RegistryKind::Referrers => {
                    let url = format!(
                        "http://{}/v2/aion/{image}/referrers/{subject}",
                        registry.address()
                    );
                    let got = Command::new("curl")
                        .args(["--fail", "--silent", &url])
                        .output();
                    got.unwrap().stdout
                }
                _ => {
                    let tag = format!("{place}/{image}:{}", subject.replace(':', "-"));
                    crane.run(&["manifest", &tag]).unwrap().into_bytes()
                }
            };
            let manifest = |it: &str| crane.run(&["manifest", &at(it)]).unwrap().into_bytes();
            let (_, document) = parts(&list, &subject, manifest);
            let sbom = crane.run(&["blob", &at(&document)]).unwrap();
            assert_eq!(
                sbom.trim(),
                String::from_utf8(images.sbom(image)).unwrap().trim()
            );
        }
    }
}
