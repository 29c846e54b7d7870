//! Who may log in to the control plane: the token file, the key that signs service
//! account tokens, and a kubeconfig for each user.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer, EcPrivateKeyRfc5915Der},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::StartError;

pub(super) const ADMIN: &str = "admin";
pub(super) const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
pub(super) const SCHEDULER: &str = "system:kube-scheduler";

/// The files that say who is who, all in the control plane's folder.
#[derive(Debug)]
pub(super) struct Credentials {
    folder: PathBuf,
    /// User name and token.
    tokens: Vec<(String, String)>,
}

impl Credentials {
    /// Writes the token file and the signing key.
    pub(super) fn make(folder: &Path, users: &[(String, Vec<String>)]) -> Result<Self, StartError> {
        let mut all = vec![
            (ADMIN.to_owned(), vec!["system:masters".to_owned()]),
            (CONTROLLER_MANAGER.to_owned(), Vec::new()),
        ];
        all.extend_from_slice(users);
        let mut file = String::new();
        let mut tokens = Vec::new();
        for (user, groups) in all {
            let token = random_token()?;
            let _ = writeln!(file, "{token},{user},{user},\"{}\"", groups.join(","));
            tokens.push((user, token));
        }
        let made = Self {
            folder: folder.to_owned(),
            tokens,
        };
        write(&made.tokens(), &file)?;
        write(&made.signing_key(), &ec_private_key()?)?;
        Ok(made)
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    /// Signs service account tokens, and checks them.
    pub(super) fn signing_key(&self) -> PathBuf {
        self.folder.join("service-accounts.pem")
    }

    pub(super) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder
            .join(format!("{}.kubeconfig", user.replace(':', "-")))
    }

    /// A kubeconfig for each user in the token file.
    pub(super) fn write_kubeconfigs(&self, url: &str) -> Result<(), StartError> {
        for (user, token) in &self.tokens {
            self.write_kubeconfig(url, user, token)?;
        }
        Ok(())
    }

    pub(super) fn write_kubeconfig(
        &self,
        url: &str,
        user: &str,
        token: &str,
    ) -> Result<PathBuf, StartError> {
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": url,
                "certificate-authority": certificate(&self.folder),
            }}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        });
        let path = self.kubeconfig(user);
        write(&path, &config.to_string())?;
        Ok(path)
    }
}

/// Where the API server writes the certificate that it makes for itself.
pub(super) fn certificate(folder: &Path) -> PathBuf {
    folder.join("apiserver.crt")
}

fn write(path: &Path, text: &str) -> Result<(), StartError> {
    fs::write(path, text).map_err(StartError::io(format!("writing {}", path.display())))
}

fn random_token() -> Result<String, StartError> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| no_randomness())?;
    Ok(bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// A fresh P-256 key in the form that the API server reads both halves from.
fn ec_private_key() -> Result<String, StartError> {
    let pair =
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| no_randomness())?;
    let der: EcPrivateKeyRfc5915Der<'_> =
        pair.private_key().as_der().map_err(|_| no_randomness())?;
    Ok(format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    ))
}

fn no_randomness() -> StartError {
    StartError::io("making a key")(io::Error::other("no randomness to be had"))
}
