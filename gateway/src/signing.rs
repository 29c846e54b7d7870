//! The key that agent cards are signed with: Ed25519 (RFC 8037), over canonical JSON (RFC 8785). Its signature of one content is always
//! the same, so what several gateways with one key say of an agent is one thing. Of the same seed comes what seals (HMAC-SHA256).
//!
//! What may not enter: what is signed, and by whom it is asked for.

use std::fmt::Write as _;

use anyhow::Context as _;
use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// See the module.
pub(crate) struct Signer {
    pair: Ed25519KeyPair,
    /// What the key is called: its thumbprint (RFC 7638).
    name: String,
    /// What is given out to be given back: of the same seed, and used for nothing else.
    sealing: hmac::Key,
}

impl Signer {
    /// Of the 32 bytes of a key.
    ///
    /// # Errors
    /// They are not one.
    pub(crate) fn of(seed: &[u8]) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        // What the library says of it names no file, and could name the key.
        let pair = pair.ok().context("a key of cards is a file of 32 bytes")?;
        let thumbprint = canonical(&public(&pair));
        let root = hmac::Key::new(hmac::HMAC_SHA256, seed);
        let sealing = hmac::sign(&root, b"aion-gateway: what comes back");
        Ok(Self {
            sealing: hmac::Key::new(hmac::HMAC_SHA256, sealing.as_ref()),
            name: URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint)),
            pair,
        })
    }

    /// Of a file that others make for several gateways, as a Secret is mounted.
    ///
    /// # Errors
    /// It cannot be read, or is no key.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn of_file(path: &std::path::Path) -> anyhow::Result<Self> {
        use std::io::Read as _;
        let shown = path.display();
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {shown}"))?;
        let mut key = Vec::new();
        // More is no key, however much it is.
        file.take(64)
            .read_to_end(&mut key)
            .with_context(|| format!("cannot read {shown}"))?;
        Self::of(&key).with_context(|| format!("cannot sign cards with {shown}"))
    }

    /// The signature of a value as a JWS (RFC 7515) has it beside its content: `protected` and `signature`. `keys` is where the key is
    /// found.
    pub(crate) fn sign(&self, value: &Value, keys: &str) -> Value {
        let header = json!({"alg": "EdDSA", "jku": keys, "kid": self.name, "typ": "JOSE"});
        let protected = URL_SAFE_NO_PAD.encode(canonical(&header));
        let content = URL_SAFE_NO_PAD.encode(canonical(value));
        let signature = self.pair.sign(format!("{protected}.{content}").as_bytes());
        json!({"protected": protected, "signature": URL_SAFE_NO_PAD.encode(signature)})
    }

    /// The seal of what a client is to give back.
    pub(crate) fn seal(&self, content: &[u8]) -> hmac::Tag {
        hmac::sign(&self.sealing, content)
    }

    /// Whether that is its seal.
    pub(crate) fn sealed(&self, content: &[u8], seal: &[u8]) -> bool {
        hmac::verify(&self.sealing, content, seal).is_ok()
    }

    /// The key to check with, as a set of keys (RFC 7517).
    pub(crate) fn keys(&self) -> Value {
        let mut key = public(&self.pair);
        key["alg"] = "EdDSA".into();
        key["kid"] = self.name.clone().into();
        key["use"] = "sig".into();
        json!({"keys": [key]})
    }
}

/// What a thumbprint is made of.
fn public(pair: &Ed25519KeyPair) -> Value {
    let point = URL_SAFE_NO_PAD.encode(pair.public_key());
    json!({"crv": "Ed25519", "kty": "OKP", "x": point})
}

/// The one form of a value: keys in order, nothing between. Numbers are whole in what is signed here, and are written as they are.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            text.push('{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                // JSON of a text is its canonical form: what need not be escaped is not.
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_canonical_form_is_that_of_rfc_8785() {
        // Its example of how keys are sorted, and its example of strings.
        let keys = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let order = [
            r#""\r":"Carriage Return""#,
            r#""1":"One""#,
            "\"\u{80}\":\"Control\"",
            "\"\u{f6}\":\"Latin Small Letter O With Diaeresis\"",
            "\"\u{20ac}\":\"Euro Sign\"",
            "\"\u{1f600}\":\"Emoji: Grinning Face\"",
            "\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"",
        ];
        assert_eq!(canonical(&keys), format!("{{{}}}", order.join(",")));
        let text =
            json!({"string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/", "literals": [null, true, false]});
        let written = "{\"literals\":[null,true,false],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(&text), written);
    }

    #[test]
    fn the_key_is_that_of_rfc_8037_and_its_signature_holds() {
        // RFC 8037, appendices A.1 to A.3.
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let signer = Signer::of(&seed.unwrap()).unwrap();
        let key = &signer.keys()["keys"][0];
        assert_eq!(key["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert!(key.get("d").is_none(), "{key}");
        let card = json!({"b": "ü", "a": [true]});
        let signed = signer.sign(&card, "http://localhost/keys");
        assert_eq!(signed, signer.sign(&card, "http://localhost/keys"));
        let content = URL_SAFE_NO_PAD.encode(r#"{"a":[true],"b":"ü"}"#);
        let protected = signed["protected"].as_str().unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signed["signature"].as_str().unwrap());
        let public = UnparsedPublicKey::new(&ED25519, signer.pair.public_key());
        let message = format!("{protected}.{content}");
        public
            .verify(message.as_bytes(), &signature.unwrap())
            .unwrap();
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_told() {
        let refused = Signer::of(b"too short").err().unwrap();
        assert!(!format!("{refused:?}").contains("too short"), "{refused:?}");
    }
}
