//! 10,000 mutants of what an image is let in by: its signature, its manifest, its configuration, its layer. None is let in,
//! but a signature that is written otherwise and says the same: the payload, its type and the signature over both are the
//! signed ones, byte for byte. What is not signed of its envelope is the order and form of its JSON, a member that is there
//! a second time, and the hint at a key.
//!
//! The same mutants from the same seed, which each failure names: `AION_MUTANTS=SEED cargo test …` has others.

use std::{collections::BTreeMap, env, fs};

use aion_bundle::{Candidate, Digest, manifest::Descriptor, verify};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    fixture::{blob_path, sign, trusting},
    image::Place,
    images::{Image, Layer, base, wanted},
};

const SEED: u64 = 0xa105;
const SIGNATURES: usize = 6000;
const MANIFESTS: usize = 3000;
const CONFIGURATIONS: usize = 500;
const LAYERS: usize = 500;

/// Numbers that follow from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A part of something so long.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length);
        from..from + 1 + self.below((length - from).min(40))
    }

    /// Another than `original`.
    fn mutant(&mut self, original: &[u8]) -> Vec<u8> {
        let json = serde_json::from_slice::<Value>(original).ok();
        loop {
            let mutant = match (self.below(5), &json) {
                (0, _) => self.flipped(original),
                (1, _) => original[..self.below(original.len())].to_vec(),
                (2, _) => self.swapped(original),
                (3, Some(json)) => self.rewritten(json, Change::Twice),
                (4, Some(json)) => self.rewritten(json, Change::Turned),
                (3, None) => {
                    let part = self.part(original.len());
                    let (before, rest) = original.split_at(part.start);
                    [before, &original[part], rest].concat()
                }
                _ => {
                    let mut bytes = original.to_vec();
                    bytes[self.part(original.len())].reverse();
                    bytes
                }
            };
            if mutant != original {
                return mutant;
            }
        }
    }

    fn flipped(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            bytes[at] ^= 1 << self.below(8);
        }
        bytes
    }

    fn swapped(&mut self, original: &[u8]) -> Vec<u8> {
        let (a, b) = (self.part(original.len()), self.part(original.len()));
        let (a, b) = if a.start <= b.start { (a, b) } else { (b, a) };
        let a = a.start..a.end.min(b.start);
        [
            &original[..a.start],
            &original[b.clone()],
            &original[a.end..b.start],
            &original[a],
            &original[b.end..],
        ]
        .concat()
    }

    /// The document with one object or list changed.
    fn rewritten(&mut self, json: &Value, change: Change) -> Vec<u8> {
        let mut left = self.below(containers(json));
        let mut text = String::new();
        self.write(json, change, &mut left, &mut text);
        text.into_bytes()
    }

    fn write(&mut self, json: &Value, change: Change, left: &mut usize, text: &mut String) {
        let (open, close, mut parts): (char, char, Vec<(String, &Value)>) = match json {
            Value::Object(members) => {
                let key = |key: &String| format!("{}:", Value::from(key.as_str()));
                let members = members.iter().map(|(name, value)| (key(name), value));
                ('{', '}', members.collect())
            }
            Value::Array(all) => {
                let all = all.iter().map(|value| (String::new(), value));
                ('[', ']', all.collect())
            }
            other => return text.push_str(&other.to_string()),
        };
        let is_changed = *left == 0;
        *left = left.wrapping_sub(1);
        let other = Value::from(self.next().to_string());
        if is_changed && !parts.is_empty() {
            let at = self.below(parts.len());
            match change {
                Change::Turned => parts.rotate_left(at),
                Change::Twice => {
                    let again = match self.below(3) {
                        0 => parts[at].clone(),
                        _ => (parts[at].0.clone(), &other),
                    };
                    parts.insert(at + self.below(2), again);
                }
            }
        }
        text.push(open);
        for (at, (key, value)) in parts.into_iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&key);
            self.write(value, change, left, text);
        }
        text.push(close);
    }
}

#[derive(Clone, Copy)]
enum Change {
    /// A member or an element is there twice, mostly with another value the second time or the first.
    Twice,
    /// They are in another order.
    Turned,
}

fn containers(json: &Value) -> usize {
    match json {
        Value::Object(members) => 1 + members.values().map(containers).sum::<usize>(),
        Value::Array(all) => 1 + all.iter().map(containers).sum::<usize>(),
        _ => 0,
    }
}

/// What is signed, and the signature: type, payload, signatures. However base64 is written, it is what it stands for.
fn signed(envelope: &[u8]) -> Option<(Value, Vec<u8>, Vec<Vec<u8>>)> {
    let form = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let decode = |text: &Value| {
        let text = text.as_str()?.replace('-', "+").replace('_', "/");
        GeneralPurpose::new(&STANDARD, form).decode(text).ok()
    };
    let envelope = serde_json::from_slice::<Value>(envelope).ok()?;
    let envelope = &envelope["dsseEnvelope"];
    let signatures = envelope["signatures"].as_array()?.iter();
    Some((
        envelope["payloadType"].clone(),
        decode(&envelope["payload"])?,
        signatures
            .map(|it| decode(&it["sig"]))
            .collect::<Option<_>>()?,
    ))
}

/// Whether `mutant` says the same as `envelope`. Where a member is there twice, readers of JSON differ in which they take: then
/// the signed one is one of them.
fn says_the_same(mutant: &[u8], envelope: &[u8]) -> bool {
    let (text, original) = (String::from_utf8_lossy(mutant), signed(envelope));
    let json: Value = serde_json::from_slice(envelope).unwrap();
    let json = &json["dsseEnvelope"];
    let parts = [&json["payload"], &json["signatures"][0]["sig"]];
    signed(mutant) == original || parts.iter().all(|it| text.contains(&it.to_string()))
}

#[tokio::test]
async fn no_mutant_of_what_is_signed_is_let_in() {
    let seed = env::var("AION_MUTANTS").map_or(SEED, |it| it.parse().unwrap());
    let mut chance = Chance(seed);
    let place = Place::new();
    let image = Image::new([base(), Layer::default().file("a", &"text ".repeat(100))]);
    let digest = image.put(&place.layout).await;
    let (wanted, trust) = (wanted(digest), trusting(&place.key));

    let envelope = place.key.sign(&digest).unwrap();
    let counts = |digest: &Digest, bytes: Vec<u8>| {
        let origin = Digest::of(b"where it came in");
        let candidates = [Candidate { origin, bytes }];
        verify(
            &wanted.name,
            digest,
            &candidates,
            &trust,
            Timestamp::UNIX_EPOCH,
        )
        .is_ok()
    };
    assert!(counts(&digest, envelope.clone()));
    let mut same = BTreeMap::from([(true, 0), (false, 0)]);
    for n in 0..SIGNATURES {
        let mutant = chance.mutant(&envelope);
        let is_same = says_the_same(&mutant, &envelope);
        let text = String::from_utf8_lossy(&mutant).into_owned();
        let counts = counts(&digest, mutant);
        assert!(is_same || !counts, "seed {seed}, signature {n}: {text}");
        if counts {
            *same.entry(is_same).or_default() += 1;
        }
    }
    println!(
        "seed {seed}: {same:?} of {SIGNATURES} signatures count, by whether they say the same"
    );

    sign(&place.layout, &place.key, &digest).await;
    let manifest = fs::read(blob_path(&place.layout, &digest)).unwrap();
    let listed: Value = serde_json::from_slice(&manifest).unwrap();
    let blob = |at: &str| -> Descriptor {
        serde_json::from_value(listed.pointer(at).unwrap().clone()).unwrap()
    };
    let parts = [
        ("manifest", digest, MANIFESTS),
        ("configuration", blob("/config").digest, CONFIGURATIONS),
        ("layer", blob("/layers/1").digest, LAYERS),
    ];
    for (what, part, count) in parts {
        let path = blob_path(&place.layout, &part);
        let original = fs::read(&path).unwrap();
        for n in 0..count {
            let mutant = chance.mutant(&original);
            // Under its own digest nobody signed it.
            let own = Digest::of(&mutant);
            assert!(!counts(&own, envelope.clone()), "seed {seed}, {what} {n}");
            fs::write(&path, &mutant).unwrap();
            let admitted = place
                .store
                .admit(&place.layout, &wanted, &trust, &place.limits)
                .await;
            assert!(admitted.is_err(), "seed {seed}, {what} {n}: {admitted:?}");
        }
        fs::write(&path, &original).unwrap();
        assert!(place.store.list().unwrap().is_empty(), "{what}");
        assert_eq!(place.left(), 0, "{what}");
    }
    place.takes_digest(digest).await;
}
