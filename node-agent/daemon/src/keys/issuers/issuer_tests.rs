//! An issuer that signs real tokens, at an address of this machine.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeMap, fs, time::Duration};

use aion_abi::key::Right;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::{Json, Router, http::StatusCode, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify, time::Instant};

use super::*;

struct Issuing {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    is_down: Arc<Mutex<bool>>,
    fetched: Arc<Mutex<u32>>,
    /// While somebody has it no fetch comes to its end.
    hangs: Arc<tokio::sync::Mutex<()>>,
    /// Told of each that begins.
    asked: Arc<Notify>,
    key: EncodingKey,
    issuers: Issuers,
    _folder: tempfile::TempDir,
}

fn made() -> EncodingKey {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EncodingKey::from_ec_der(pkcs8.as_ref())
}

fn served(key: &EncodingKey, kid: &str) -> Value {
    let mut jwk = json!(Jwk::from_encoding_key(key, Algorithm::ES256).unwrap());
    jwk["kid"] = kid.into();
    jwk
}

impl Issuing {
    async fn new(offline_seconds: u64) -> Self {
        Self::with_issuer(offline_seconds, false, |_| {}).await
    }

    /// One that describes itself otherwise, or that no packet is sent to.
    async fn with_issuer(offline_seconds: u64, offline: bool, says: fn(&mut Value)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = made();
        // A key that nobody can read, and one that everybody could sign with.
        let secret = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "shared"});
        let keys = vec![json!({"kty": 7}), secret, served(&key, "first")];
        let (keys, is_down) = (Arc::new(Mutex::new(keys)), Arc::new(Mutex::new(false)));
        let fetched = Arc::new(Mutex::new(0));
        let (hangs, asked) = (
            Arc::<tokio::sync::Mutex<()>>::default(),
            Arc::<Notify>::default(),
        );
        let (set, down, count) = (keys.clone(), is_down.clone(), fetched.clone());
        let (hang, told) = (hangs.clone(), asked.clone());
        let jwks = move || async move {
            *count.lock() += 1;
            told.notify_one();
            drop(hang.lock().await);
            match *down.lock() {
                true => Err(StatusCode::BAD_GATEWAY),
                false => Ok(Json(json!({"keys": *set.lock()}))),
            }
        };
        let mut discovered = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        says(&mut discovered);
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(|| async { Json(discovered) }),
            )
            .route("/jwks", get(jwks));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("issuers.yaml");
        let rules = json!([
            {"claim": "groups", "has": "people", "namespace": "home", "agents": ["helper"], "may": ["approve"],
                "tokensPerHour": 900},
            {"claim": "scope", "has": "ask", "namespace": "office", "agents": ["*"]},
        ]);
        let settings = json!({"issuers": [{
            "issuer": url, "audience": "aion", "algorithms": ["ES256"],
            "offlineSeconds": offline_seconds, "rules": rules,
        }]});
        fs::write(&file, settings.to_string()).unwrap();
        Self {
            issuers: Issuers::read(&file, offline).unwrap(),
            url,
            keys,
            is_down,
            fetched,
            hangs,
            asked,
            key,
            _folder: folder,
        }
    }

    fn claims(&self) -> Value {
        let now = get_current_timestamp();
        json!({
            "iss": self.url, "aud": ["aion", "other"], "sub": "zoe",
            "exp": now + 300, "nbf": now, "groups": ["people"],
        })
    }

    fn signed(&self, key: &EncodingKey, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, key).unwrap()
    }

    fn with(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        self.signed(&self.key, Some("first"), &claims)
    }

    async fn refusal(&self, token: &str) -> (Code, String) {
        let refused = self.issuers.holder(token).await.unwrap_err();
        assert!(!refused.to_string().contains("zoe"), "{refused}");
        (refused.code, refused.detail)
    }
}

#[tokio::test]
async fn a_token_is_for_what_the_first_rule_says_that_fits() {
    let issuing = Issuing::new(60).await;
    let token = issuing.with(|_| {});
    assert!(issuing.issuers.know(&token));
    let holder = issuing.issuers.holder(&token).await.unwrap();
    assert!(holder.covers("home", "helper", BTreeMap::new));
    assert!(!holder.covers("home", "other", BTreeMap::new));
    assert!(holder.may(Right::Approve) && !holder.may(Right::Serve));
    assert_eq!(holder.name, format!("zoe of {}", issuing.url));
    let again = issuing.with(|it| it["exp"] = (get_current_timestamp() + 900).into());
    let again = issuing.issuers.holder(&again).await.unwrap();
    assert_eq!(again.id, holder.id, "another token of the same person");
    assert_eq!(again.tokens_per_hour, Some(900), "of whom all of them are");
    let scope = issuing.with(|it| {
        it["groups"] = json!([]);
        it["scope"] = "openid ask".into();
        it["sub"] = "bob".into();
    });
    let scope = issuing.issuers.holder(&scope).await.unwrap();
    assert!(scope.covers("office", "any", BTreeMap::new));
    assert_ne!(scope.id, holder.id);
    assert_eq!(scope.tokens_per_hour, None);
    let none = issuing.with(|it| it["groups"] = "peoples".into());
    assert_eq!(issuing.refusal(&none).await.0, Code::Denied);
    assert_eq!(*issuing.fetched.lock(), 1, "keys are kept");
}

#[tokio::test]
async fn a_token_that_is_not_right_in_everything_is_not_believed() {
    let issuing = Issuing::new(60).await;
    let now = get_current_timestamp();
    let part = |it: Value| URL_SAFE_NO_PAD.encode(it.to_string());
    let claims = issuing.claims();
    let unsigned = format!(
        "{}.{}.",
        part(json!({"alg": "none", "kid": "first"})),
        part(claims.clone())
    );
    let good = issuing.with(|_| {});
    let (head, _) = good.split_once('.').unwrap();
    let (_, signature) = good.rsplit_once('.').unwrap();
    let mut another = claims.clone();
    another["sub"] = "eve".into();
    let altered = format!("{head}.{}.{signature}", part(another));
    // As whoever takes a public key for a secret would sign.
    let shared = |kid: &str| {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(kid.to_owned());
        let secret = EncodingKey::from_secret(&[7; 64]).unwrap();
        encode(&header, &claims, &secret).unwrap()
    };
    let of_secret = issuing.signed(&issuing.key, Some("shared"), &claims);
    let stranger = made();
    for (token, word) in [
        (issuing.with(|it| it["aud"] = "other".into()), "audience"),
        (issuing.with(|it| it["aud"] = Value::Null), ""),
        (issuing.with(|it| it["exp"] = (now - 120).into()), "expired"),
        (issuing.with(|it| it["nbf"] = (now + 120).into()), "yet"),
        (
            issuing.with(|it| it["iss"] = "https://a.example".into()),
            "issuer",
        ),
        (issuing.with(|it| it["sub"] = "".into()), "whose"),
        (unsigned, ""),
        (altered, "signature"),
        (shared("first"), "algorithm"),
        (shared("shared"), "algorithm"),
        (of_secret, "key"),
        (
            issuing.signed(&stranger, Some("first"), &claims),
            "signature",
        ),
        (issuing.signed(&stranger, Some("other"), &claims), "serve"),
        (issuing.signed(&issuing.key, None, &claims), "which key"),
        ("eyJ.eyJ.x".to_owned(), "read"),
        (format!("eyJ{}", "a".repeat(LARGEST)), "longer"),
    ] {
        let (code, said) = issuing.refusal(&token).await;
        assert_eq!(code, Code::BadSignature, "{said}");
        assert!(said.contains(word), "{word}: {said}");
    }
    for (field, at) in [("exp", now - 30), ("nbf", now + 30)] {
        let near = issuing.with(|it| it[field] = at.into());
        assert!(issuing.issuers.holder(&near).await.is_ok(), "{field}");
    }
}

/// The clock goes on, and what is on its way does not.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn keys_are_changed_and_missed_for_a_stated_time() {
    let issuing = Issuing::new(3600).await;
    let token = issuing.with(|_| {});
    assert!(issuing.issuers.holder(&token).await.is_ok());
    // A key that is new is fetched, and whoever makes one up has nothing fetched each time.
    let next = made();
    *issuing.keys.lock() = vec![served(&next, "next")];
    let rotated = issuing.signed(&next, Some("next"), &issuing.claims());
    assert_eq!(issuing.refusal(&rotated).await.0, Code::BadSignature);
    assert_eq!(*issuing.fetched.lock(), 1, "it was looked a moment ago");
    later(31).await;
    assert!(issuing.issuers.holder(&rotated).await.is_ok());
    assert_eq!(issuing.refusal(&token).await.0, Code::BadSignature);
    assert_eq!(*issuing.fetched.lock(), 2);
    *issuing.is_down.lock() = true;
    later(900).await;
    assert!(issuing.issuers.holder(&rotated).await.is_ok(), "kept on");
    later(3600).await;
    let (code, said) = issuing.refusal(&rotated).await;
    assert_eq!(code, Code::Unreachable, "{said}");
    *issuing.is_down.lock() = false;
    later(31).await;
    assert!(issuing.issuers.holder(&rotated).await.is_ok());
}

#[tokio::test]
async fn who_goes_away_has_nothing_fetched_again() {
    let issuing = Issuing::new(60).await;
    let made_up = issuing.signed(&issuing.key, Some("made up"), &issuing.claims());
    let hangs = issuing.hangs.lock().await;
    tokio::select! {
        _ = issuing.issuers.holder(&made_up) => panic!("nobody answered"),
        () = issuing.asked.notified() => {}
    }
    for _ in 0..20 {
        let asks = issuing.issuers.holder(&made_up);
        assert!(futures::FutureExt::now_or_never(asks).is_none());
    }
    drop(hangs);
    assert_eq!(issuing.refusal(&made_up).await.0, Code::BadSignature);
    assert_eq!(*issuing.fetched.lock(), 1);
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_up_nobody_whose_key_is_kept() {
    let issuing = Issuing::new(3_600).await;
    let token = issuing.with(|_| {});
    assert!(issuing.issuers.holder(&token).await.is_ok());
    issuing.asked.notified().await;
    // Before it is too old it is fetched again, and nobody waits for that.
    let hangs = issuing.hangs.lock().await;
    later(301).await;
    assert!(issuing.issuers.holder(&token).await.is_ok());
    tokio::time::timeout(Duration::from_secs(4), issuing.asked.notified())
        .await
        .unwrap();
    for _ in 0..20 {
        later(31).await;
        let began = Instant::now();
        tokio::time::pause();
        assert!(issuing.issuers.holder(&token).await.is_ok());
        assert!(began.elapsed() < Duration::from_secs(1), "it waited");
        tokio::time::resume();
    }
    drop(hangs);
}

#[tokio::test]
async fn an_issuer_is_believed_where_it_describes_itself_within_bounds() {
    let says: [fn(&mut Value); 3] = [
        |it| it["issuer"] = "http://127.0.0.1:9".into(),
        |it| it["jwks_uri"] = "http://a.example/jwks".into(),
        |it| it["more"] = "x".repeat(300 << 10).into(),
    ];
    for says in says {
        let issuing = Issuing::with_issuer(60, false, says).await;
        let (code, said) = issuing.refusal(&issuing.with(|_| {})).await;
        assert_eq!(code, Code::Unreachable, "{said}");
        assert_eq!(*issuing.fetched.lock(), 0);
    }
    let issuing = Issuing::with_issuer(60, true, |_| {}).await;
    assert_eq!(
        issuing.refusal(&issuing.with(|_| {})).await.0,
        Code::Offline
    );
}

#[tokio::test]
async fn a_key_counts_for_signatures_of_its_own_algorithm() {
    let issuing = Issuing::new(60).await;
    for (field, value) in [("use", "enc"), ("alg", "RS256")] {
        let mut other = served(&issuing.key, value);
        other[field] = value.into();
        issuing.keys.lock().push(other);
    }
    for kid in ["enc", "RS256"] {
        let token = issuing.signed(&issuing.key, Some(kid), &issuing.claims());
        let (code, said) = issuing.refusal(&token).await;
        assert_eq!(code, Code::BadSignature);
        assert!(said.contains("not one for its algorithm"), "{said}");
    }
}
