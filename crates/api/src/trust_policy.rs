//! `TrustPolicy`: whose signatures count.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::required_attestation::RequiredAttestation;
use crate::schema::{DIGEST, NAME, said};
use crate::selector::Selector;

/// The keys that are understood begin alike: what they are stands before what they hold.
const KNOWN: &str = r"self.publicKey.matches('^-----BEGIN PUBLIC KEY-----\\s+(MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE|MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE|MII[A-Za-z0-9+/]{2}[DTjz]ANBgkqhkiG9w0BAQEFAAOC)')";

/// Whose signatures count, for which bundles and namespaces.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema,
)]
#[kube(
    group = "aion.dev",
    version = "v1alpha1",
    kind = "TrustPolicy",
    plural = "trustpolicies",
    shortname = "trust",
    category = "aion",
    derive = "Default",
    derive = "PartialEq",
    doc = "Whose signatures count, for which bundles and namespaces. With no TrustPolicy nothing is trusted: no bundle is unpacked and no inline agent runs.",
    printcolumn(
        name = "Keys",
        type_ = "string",
        json_path = ".spec.keys[*].name",
        description = "The keys it trusts."
    ),
    printcolumn(
        name = "Identities",
        type_ = "string",
        json_path = ".spec.identities[*].name",
        description = "The signers without a key that it trusts."
    ),
    printcolumn(
        name = "Inline",
        type_ = "string",
        json_path = ".spec.inline",
        description = "What becomes of agents without a bundle."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Since when it is there."
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.identities) || size(self.identities) == 0 || has(self.trustRoot)").message(said("identities are known by the authorities of a trust root alone", "add trustRoot, with the trusted_root.json of your Sigstore")).field_path(".identities"),
)]
pub struct TrustPolicySpec {
    /// The namespaces it is for, by their labels. Left out: every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<Selector>,
    /// Public keys whose Cosign signatures count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub keys: Vec<TrustedKey>,
    /// Signers without a key, whose keyless Cosign signatures count: whom an issuer of `trustRoot` knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub identities: Vec<TrustedIdentity>,
    /// The Sigstore that `identities` sign with: its certificate authorities, logs and clocks. Nothing is fetched; a new
    /// key of that Sigstore counts once it stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_root: Option<TrustRoot>,
    /// What has to be attested of bundles in these namespaces, beside that they are signed: all of it, of every TrustPolicy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub attestations: Vec<RequiredAttestation>,
    /// What counts no longer in these namespaces, whichever TrustPolicy trusts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
    /// What becomes of turns of what is revoked while it works: kill (the default) ends them at once, drain lets them end and
    /// starts no further one. Of several policies that revoke something, kill counts.
    #[serde(default)]
    pub on_revoked: OnRevoked,
    /// What becomes of agents whose instructions stand in the Agent itself and are signed by nobody:
    /// refuse (the default) or allow. Who may write Agents in the namespace then decides what runs.
    #[serde(default)]
    pub inline: Unsigned,
    /// What becomes of agents whose program runs elsewhere, of which nothing is verified and nothing confined:
    /// refuse (the default) or allow. Who may register a program for an agent then decides what acts under the agent's rights.
    #[serde(default)]
    pub external: Unsigned,
}

/// Bundles, keys and identities that count no longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    /// Digests of bundles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 512),
        inner(length(min = 71, max = 71), regex(pattern = DIGEST)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub digests: Vec<String>,
    /// Digests of keys, as `aionctl bundle verify` prints them: of the public key in DER form. Every signature by the key counts
    /// no longer, of whatever time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 128),
        inner(length(min = 71, max = 71), regex(pattern = DIGEST)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub keys: Vec<String>,
    /// Signers without a key. Every signature by them counts no longer, of whatever time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub identities: Vec<RevokedIdentity>,
}

/// A signer without a key; * stands for any run of characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokedIdentity {
    /// Who vouches for the signer.
    #[schemars(length(min = 1, max = 512))]
    pub issuer: String,
    /// What the signer is called there.
    #[schemars(length(min = 1, max = 512))]
    pub subject: String,
}

/// What becomes of turns of what is revoked.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum OnRevoked {
    /// The one that runs ends as it would.
    Drain,
    /// They are ended at once.
    #[default]
    Kill,
}

/// What becomes of agents that nobody signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unsigned {
    /// They do not run.
    #[default]
    Refuse,
    /// They run, with the reason `Inline` or `External` in the condition Verified.
    Allow,
}

/// A public key, and what it may vouch for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.purpose != 'machine' || has(self.digests)").message(said("a machine key vouches for named bundles only", "list their digests")).field_path(".digests"),
    validation = Rule::new(KNOWN).message(said("is of a kind that no signature is verified with", "use ECDSA P-256, as cosign generate-key-pair makes it, ECDSA P-384 or RSA from 2048 bits")).field_path(".publicKey"),
)]
pub struct TrustedKey {
    /// A name for the key, used in policies and conditions.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub name: String,
    /// The public key in PEM form, as `cosign generate-key-pair` writes to cosign.pub.
    #[schemars(
        length(min = 1, max = 4096),
        regex(pattern = r"^-----BEGIN PUBLIC KEY-----\s")
    )]
    pub public_key: String,
    /// release (somebody's key for bundles at large; the default) or machine (made by the set-up on this
    /// machine, for the digests listed here only; the condition Verified then has the reason LocalKey).
    #[serde(default)]
    pub purpose: KeyPurpose,
    /// Names of bundles it may vouch for; a trailing * stands for the rest. Left out: every name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 200), regex(pattern = r"^[a-z0-9._/-]*\*?$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub bundles: Vec<String>,
    /// Digests it may vouch for. Left out: every digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 71, max = 71), regex(pattern = DIGEST)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub digests: Vec<String>,
}

/// A signer without a key, and what it may vouch for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.subject.matches('^(https://)?[^A-Za-z0-9]*$')").message(said("names nobody, and so everybody whom the issuer knows", "say whom you mean, as in *@example.com")).field_path(".subject"),
)]
pub struct TrustedIdentity {
    /// A name for the identity, used in policies and conditions.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub name: String,
    /// Who vouches for the signer: an OIDC issuer, such as https://token.actions.githubusercontent.com. Below its host, *
    /// stands for any run of characters.
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^https://[A-Za-z0-9.-]+(:[0-9]+)?(/\S*)?$")
    )]
    pub issuer: String,
    /// What the signer is called there: an email address, or the URI of a workflow; * stands for any run of characters.
    /// The whole of it has to match.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^\S*[^*\s]\S*$"))]
    pub subject: String,
    /// Names of bundles it may vouch for; a trailing * stands for the rest. Left out: every name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 200), regex(pattern = r"^[a-z0-9._/-]*\*?$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub bundles: Vec<String>,
    /// Digests it may vouch for. Left out: every digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 71, max = 71), regex(pattern = DIGEST)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub digests: Vec<String>,
}

/// A Sigstore's trust root: in itself, or by the name of a file on the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.inline) != has(self.named)").message(said("a trust root is either inline or named", "keep one of the two")),
)]
pub struct TrustRoot {
    /// The text of a `trusted_root.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 65536))]
    pub inline: Option<String>,
    /// The file `config/trust_roots/NAME.json` in the home of each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub named: Option<String>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyPurpose {
    /// Bundles at large.
    #[default]
    Release,
    /// Bundles made on this machine, by digest.
    Machine,
}
