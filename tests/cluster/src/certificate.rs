//! The certificate by which node agents are asked from outside, as somebody without cert-manager makes one.

use std::{fs, path::PathBuf, process::Command};

use crate::{Installed, SYSTEM, installed::run};

impl Installed {
    /// A certificate for the addresses of the nodes. Gives its text.
    fn make_certificate(&self) -> String {
        let (key, certificate) = self.certificate_files();
        let addresses: Vec<_> = self
            .cluster
            .nodes()
            .iter()
            .map(|node| format!("IP:{}", node.address()))
            .collect();
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]);
        openssl.args(["-days", "2", "-subj", "/CN=aion-node", "-addext"]);
        openssl.arg(format!("subjectAltName={}", addresses.join(",")));
        openssl.args([
            "-addext",
            "extendedKeyUsage=serverAuth",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        run(openssl
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate))
        .unwrap();
        fs::read_to_string(certificate).unwrap()
    }

    fn certificate_files(&self) -> (PathBuf, PathBuf) {
        let folder = self.cluster.folder();
        (folder.join("node.key"), folder.join("node.crt"))
    }

    /// The Secret of the certificate, as kubectl writes it.
    fn certificate_secret(&self) -> PathBuf {
        let (key, certificate) = self.certificate_files();
        let written = self.kubectl(&[
            "-n",
            SYSTEM,
            "create",
            "secret",
            "tls",
            "aion-node-tls",
            &format!("--key={}", key.display()),
            &format!("--cert={}", certificate.display()),
            "--dry-run=client",
            "-o",
            "yaml",
        ]);
        let file = self.cluster.folder().join("node-tls.yaml");
        fs::write(&file, written).unwrap();
        file
    }

    /// Makes one, and the Secret that the chart names, before the chart is installed.
    pub(crate) fn certificate(&self) {
        self.make_certificate();
        self.kubectl(&["create", "namespace", SYSTEM]);
        let secret = self.certificate_secret();
        self.kubectl(&["create", "-f", &secret.to_string_lossy()]);
    }

    /// Puts another certificate into the Secret and gives its text. Kubelets bring it when they look at a pod next, which a
    /// change of the pod hurries.
    pub fn renew_certificate(&self) -> String {
        let text = self.make_certificate();
        let secret = self.certificate_secret();
        self.kubectl(&["replace", "-f", &secret.to_string_lossy()]);
        let looked_at = "example.com/looked-at=now";
        self.kubectl(&[
            "-n",
            SYSTEM,
            "annotate",
            "pods",
            "--all",
            "--overwrite",
            looked_at,
        ]);
        text
    }
}
