//! A client of the Sigstore conformance suite (`docs/cli_protocol.md` of sigstore-conformance) on the verifier that lets
//! bundles in: exit status 0 where a signature counts, 1 with the reason where it does not. What may not enter: a decision
//! of its own.

use std::{fs, path::PathBuf};

use aion_bundle::{Digest, TrustRoot, TrustedKey, verify_blob, verify_blob_by_certificate};
use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use sigstore_verify::trust_root::{
    SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_STAGING_TRUSTED_ROOT,
};

/// A client of the Sigstore conformance suite.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify a signature over a file, or over a statement about it.
    VerifyBundle(Verify),
    /// Refused: AION-OS signs with keys, and identities are for others' signatures.
    SignBundle {
        /// Whatever is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Verify {
    /// The staging instance of Sigstore.
    #[arg(long)]
    staging: bool,
    /// The Sigstore bundle.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Whose certificate it has to be.
    #[arg(
        long,
        value_name = "IDENTITY",
        required_unless_present = "key",
        conflicts_with = "key"
    )]
    certificate_identity: Option<String>,
    /// Who has to have vouched for that.
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "key",
        conflicts_with = "key"
    )]
    certificate_oidc_issuer: Option<String>,
    /// The public key by which it has to be, in PEM.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A trust root in the place of the public instance's.
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// The file that is signed, or its digest.
    #[arg(value_name = "FILE_OR_DIGEST")]
    artifact: String,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::VerifyBundle(verify) => verify.run(),
        Command::SignBundle { .. } => bail!("signing without a key is not what this client does"),
    }
}

impl Verify {
    fn run(&self) -> anyhow::Result<()> {
        let signature = fs::read(&self.bundle).context("the bundle")?;
        if let Some(key) = &self.key {
            let key = TrustedKey::new("given", &fs::read_to_string(key)?, Vec::new())?;
            let blob =
                fs::read(&self.artifact).context("a signature by a key is verified over a file")?;
            return Ok(verify_blob(&blob, &signature, &key)?);
        }
        let root = match (&self.trusted_root, self.staging) {
            (Some(root), _) => &fs::read_to_string(root)?,
            (None, true) => SIGSTORE_STAGING_TRUSTED_ROOT,
            (None, false) => SIGSTORE_PRODUCTION_TRUSTED_ROOT,
        };
        let root = TrustRoot::parse(root)?;
        let holder = verify_blob_by_certificate(&self.digest()?, &signature, &root, now())?;
        let found = (Some(&holder.subject), Some(&holder.issuer));
        if found
            != (
                self.certificate_identity.as_ref(),
                self.certificate_oidc_issuer.as_ref(),
            )
        {
            bail!("`{}` of `{}` signed it", holder.subject, holder.issuer);
        }
        Ok(())
    }

    /// What is no digest is a file.
    fn digest(&self) -> anyhow::Result<Digest> {
        match self.artifact.parse() {
            Ok(digest) => Ok(digest),
            Err(_) => Ok(Digest::of(
                &fs::read(&self.artifact).context("the artifact")?,
            )),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks for a date"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
