//! The real Cosign, with a key and without any log, the way an air-gapped user
//! runs it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{Component, Credentials, StartError, component};

/// Cosign with a home of its own; its keys are gone when it is dropped.
#[derive(Debug)]
pub struct Cosign {
    binary: PathBuf,
    home: TempDir,
}

/// A signing key without a password, and its public half, both PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// Cosign's encrypted private key.
    pub private: PathBuf,
    /// The public key, as a `TrustPolicy` takes it.
    pub public: PathBuf,
}

impl Cosign {
    /// Finds Cosign.
    ///
    /// # Errors
    /// [`StartError::Missing`] when it is not on this machine.
    pub fn find() -> Result<Self, StartError> {
        let binary = Component::Cosign.find()?;
        let home = tempfile::Builder::new()
            .prefix("aion-cosign-")
            .tempdir()
            .map_err(StartError::io("making a home for cosign"))?;
        Ok(Self { binary, home })
    }

    /// Makes a key pair, files `name.key` and `name.pub`.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn generate_key_pair(&self, name: &str) -> Result<KeyPair, StartError> {
        let prefix = self.home.path().join(name);
        component::run(
            self.command("generate-key-pair")
                .arg("--output-key-prefix")
                .arg(&prefix),
        )?;
        Ok(KeyPair {
            private: prefix.with_extension("key"),
            public: prefix.with_extension("pub"),
        })
    }

    /// Signs `reference`, `host:port/name@sha256:…`, offline: no log, no time stamp.
    /// The signature is pushed beside it as a bundle v0.3.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn sign(
        &self,
        key: &Path,
        reference: &str,
        login: Option<Credentials>,
    ) -> Result<(), StartError> {
        let mut command = self.command("sign");
        command.arg("--key").arg(key).args([
            "--tlog-upload=false",
            "--use-signing-config=false",
            "-y",
        ]);
        self.to_registry(&mut command, reference, login)
    }

    /// Verifies the signature of `reference` against a public key, without a log.
    ///
    /// # Errors
    /// [`StartError::Command`] with its reason, when there is no valid signature.
    pub fn verify(
        &self,
        public_key: &Path,
        reference: &str,
        login: Option<Credentials>,
    ) -> Result<(), StartError> {
        let mut command = self.command("verify");
        command
            .arg("--key")
            .arg(public_key)
            .arg("--insecure-ignore-tlog=true");
        self.to_registry(&mut command, reference, login)
    }

    /// Attests `predicate`, a file of the kind `kind` (`spdxjson`, `cyclonedx`, …), of `reference`, offline.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn attest(
        &self,
        key: &Path,
        (kind, predicate): (&str, &Path),
        reference: &str,
    ) -> Result<(), StartError> {
        let mut command = self.command("attest");
        command
            .arg("--key")
            .arg(key)
            .arg("--predicate")
            .arg(predicate);
        command.args(["--type", kind, "--tlog-upload=false"]);
        command.args(["--use-signing-config=false", "-y"]);
        self.to_registry(&mut command, reference, None)
    }

    /// Verifies that `subject`, for whom `issuer` vouches, signed `reference` without a key, as the authorities of the
    /// file `trusted_root` show it.
    ///
    /// # Errors
    /// [`StartError::Command`] with its reason, when there is no valid signature.
    pub fn verify_keyless(
        &self,
        trusted_root: &Path,
        (issuer, subject): (&str, &str),
        reference: &str,
    ) -> Result<(), StartError> {
        let mut command = self.command("verify");
        command.arg("--trusted-root").arg(trusted_root).args([
            "--certificate-oidc-issuer",
            issuer,
            "--certificate-identity",
            subject,
        ]);
        self.to_registry(&mut command, reference, None)
    }

    /// Signs the bytes of `file` offline and writes the signature, a bundle v0.3, to `signature`.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn sign_blob(&self, key: &Path, file: &Path, signature: &Path) -> Result<(), StartError> {
        let mut command = self.command("sign-blob");
        command.arg("--key").arg(key).arg("--bundle").arg(signature);
        command.args(["--tlog-upload=false", "--use-signing-config=false", "-y"]);
        component::run(command.arg(file)).map(drop)
    }

    /// Verifies a signature over the bytes of `file` against a public key, without a log.
    ///
    /// # Errors
    /// [`StartError::Command`] with its reason, when it does not count.
    pub fn verify_blob(
        &self,
        public_key: &Path,
        file: &Path,
        signature: &Path,
    ) -> Result<(), StartError> {
        let mut command = self.command("verify-blob");
        command.arg("--key").arg(public_key);
        command.arg("--bundle").arg(signature);
        command.arg("--insecure-ignore-tlog=true");
        component::run(command.arg(file)).map(drop)
    }

    /// Its version, `v3.…`.
    ///
    /// # Errors
    /// [`StartError::Command`] with what it wrote.
    pub fn version(&self) -> Result<String, StartError> {
        let text = component::run(&mut self.command("version"))?;
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("GitVersion:"));
        Ok(version.unwrap_or_default().trim().to_owned())
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(verb)
            .env("COSIGN_PASSWORD", "")
            // Neither the user's logins nor a trust root of theirs.
            .env("HOME", self.home.path())
            .env("DOCKER_CONFIG", self.home.path());
        command
    }

    fn to_registry(
        &self,
        command: &mut Command,
        reference: &str,
        login: Option<Credentials>,
    ) -> Result<(), StartError> {
        command.arg("--allow-http-registry");
        if let Some(login) = login {
            command.arg(format!("--registry-username={}", login.user));
            command.arg(format!("--registry-password={}", login.password));
        }
        component::run(command.arg(reference)).map(drop)
    }
}

impl KeyPair {
    /// The public key's text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn public_pem(&self) -> Result<String, StartError> {
        fs::read_to_string(&self.public)
            .map_err(StartError::io(format!("reading {}", self.public.display())))
    }
}
