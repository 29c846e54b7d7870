//! Registries that mean harm or are broken: endless, lying, redirecting, and
//! fishing for credentials.

use std::sync::Arc;

use aion_bundle::{
    AdmitError, Credentials, Digest, Layout, Limits, Mirrors, Payload, Reason, Reference, Registry,
    RegistryAccess, SigningKey, Source, SourceError, Store, Target, manifest::Descriptor,
    read_blob,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::fixture::{declarative, reference, sign, trusting};

/// What a server does with one request.
enum Reply {
    /// An honest answer: status, header lines, body.
    Whole(u16, String, Vec<u8>),
    /// This head, then letters until the client has enough.
    Endless(String),
    /// These bytes and a closed connection.
    Raw(String),
}

struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every request, given as its whole head and what body it announces, by `reply`.
    async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, reply) = (seen.clone(), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, reply) = (log.clone(), reply.clone());
                tokio::spawn(async move { serve(stream, &log, &*reply).await });
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    fn repository(&self, credentials: Option<Credentials>) -> Registry {
        let access = RegistryAccess {
            credentials,
            offline: true,
            ..RegistryAccess::default()
        };
        Registry::new(&self.reference(), &access).unwrap()
    }

    fn reference(&self) -> Reference {
        format!("{}/a", self.address).parse().unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<String>>,
    reply: &(dyn Fn(&str) -> Reply + Sync),
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let mut head = String::from_utf8(head).unwrap().to_lowercase();
    if let Some((_, length)) = head.split_once("content-length: ") {
        let length = length.lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        head.push_str(&String::from_utf8_lossy(&body));
    }
    log.lock().push(head.clone());
    match reply(&head) {
        Reply::Whole(status, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
        Reply::Endless(head) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
        }
    }
}

fn endless(status: u16) -> Reply {
    Reply::Endless(format!("HTTP/1.1 {status} x\r\nconnection: close\r\n\r\n"))
}

fn whole(status: u16, headers: &str, body: &str) -> Reply {
    Reply::Whole(status, headers.to_owned(), body.as_bytes().to_vec())
}

async fn manifest_of(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> SourceError {
    let server = Server::start(reply).await;
    let ours = server.repository(None);
    ours.manifest(&Digest::of(b"manifest")).await.unwrap_err()
}

#[tokio::test]
async fn endless_answers_end_at_their_bound() {
    let error = manifest_of(|_| endless(200)).await;
    assert_eq!(error.reason(), Reason::TooLarge, "{error}");
    let error = manifest_of(|_| endless(500)).await;
    assert_eq!(error.reason(), Reason::RegistryUnavailable, "{error}");
    let error = manifest_of(|head| match head.contains("/token") {
        true => endless(200),
        false => whole(401, "www-authenticate: Bearer realm=\"/token\"\r\n", ""),
    })
    .await;
    assert_eq!(error.reason(), Reason::Malformed, "{error}");

    let server = Server::start(|_| endless(200)).await;
    let ours = server.repository(None);
    let error = ours.referrers(&Digest::of(b"")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge, "{error}");
    let blob = Descriptor::of("application/x", &[b'x'; 100_000]);
    let error = read_blob(&ours, &blob, 1 << 20).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge, "{error}");
}

#[tokio::test]
async fn lengths_that_lie_are_found_out() {
    let check = |raw: &'static str, expect: Reason| async move {
        let server = Server::start(move |_| Reply::Raw(raw.to_owned())).await;
        let blob = Descriptor::of("application/x", b"0123456789");
        let error = read_blob(&server.repository(None), &blob, 100)
            .await
            .unwrap_err();
        assert_eq!(error.reason(), expect, "{raw}: {error}");
    };
    let cut = "HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\n01234";
    check(cut, Reason::RegistryUnavailable).await;
    let short = "HTTP/1.1 200 x\r\ncontent-length: 5\r\n\r\n0123456789";
    check(short, Reason::DigestMismatch).await;
    let long = "HTTP/1.1 200 x\r\ncontent-length: 11\r\n\r\n0123456789x";
    check(long, Reason::TooLarge).await;
    let huge = "HTTP/1.1 200 x\r\ncontent-length: 99999999999999999999999\r\n\r\n0";
    check(huge, Reason::RegistryUnavailable).await;
    check("", Reason::RegistryUnavailable).await;
    check("SSH-2.0-x\r\n", Reason::RegistryUnavailable).await;
}

#[tokio::test]
async fn what_a_status_means_is_told_apart() {
    let check = |status: u16, expect: Reason| async move {
        let envelope = "{\"errors\":[{\"code\":\"WHY\",\"message\":\"be\\u0007cause\"}]}";
        let error = manifest_of(move |_| whole(status, "", envelope)).await;
        assert_eq!(error.reason(), expect, "{status}: {error}");
        if expect != Reason::BundleNotFound {
            assert!(error.to_string().contains("WHY because"), "{error}");
        }
    };
    check(403, Reason::AccessDenied).await;
    check(404, Reason::BundleNotFound).await;
    check(418, Reason::Malformed).await;
    check(429, Reason::RegistryUnavailable).await;
    check(500, Reason::RegistryUnavailable).await;
    check(503, Reason::RegistryUnavailable).await;
    let error = manifest_of(|_| whole(200, "", "another manifest")).await;
    assert_eq!(error.reason(), Reason::DigestMismatch, "{error}");
}

#[tokio::test]
async fn a_registry_that_fails_is_not_one_without_signatures() {
    let server = Server::start(|_| whole(500, "", "")).await;
    let error = server.repository(None).referrers(&Digest::of(b"")).await;
    assert_eq!(error.unwrap_err().reason(), Reason::RegistryUnavailable);
    let server = Server::start(|head| match head.contains("/referrers/") {
        true => whole(404, "", ""),
        false => whole(500, "", ""),
    })
    .await;
    let error = server.repository(None).referrers(&Digest::of(b"")).await;
    assert_eq!(error.unwrap_err().reason(), Reason::RegistryUnavailable);
}

#[tokio::test]
async fn a_mirror_that_keeps_its_signatures_to_itself_leaves_the_verdict_open() {
    let at = tempfile::tempdir().unwrap();
    let unsigned = Layout::create(at.path().join("layout")).unwrap();
    let wanted = reference(&declarative(&unsigned));
    let server = Server::start(|head| match head.contains("/referrers/") {
        true => whole(403, "", ""),
        false => whole(404, "", ""),
    })
    .await;
    let mut mirrors = Mirrors::default();
    mirrors.add(Ok(unsigned.clone()));
    mirrors.add(Ok(server.repository(None)));
    let store = Store::open(at.path().join("store")).unwrap();
    let (trust, limits) = (
        trusting(&SigningKey::generate().unwrap()),
        Limits::default(),
    );
    // Whether the other has nothing, or a signature that does not count.
    for expect in [Reason::Unsigned, Reason::UntrustedKey] {
        let refused = store.admit(&mirrors, &wanted, &trust, &limits).await;
        let refused = refused.unwrap_err();
        assert!(refused.may_pass_later(), "{refused}");
        let AdmitError::Unheard { refusal, why } = refused else {
            unreachable!("{refused:?}");
        };
        assert!(matches!(why, SourceError::Denied { .. }), "{why}");
        assert_eq!(refusal.reason(), expect);
        let stranger = SigningKey::generate().unwrap();
        sign(&unsigned, &stranger, &wanted.digest).await;
    }
}

#[tokio::test]
async fn pages_of_referrers_are_followed_to_a_bound() {
    let page = |n: usize| {
        let entry = Descriptor::of("application/x", n.to_string().as_bytes());
        let entry = serde_json::to_string(&entry).unwrap();
        format!("{{\"schemaVersion\":2,\"manifests\":[{entry}]}}")
    };
    let server = Server::start(move |head| {
        let at = head.split("page=").nth(1).map_or(0, |n| {
            let digits: String = n.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        });
        let link = match at {
            2 => String::new(),
            n => format!("link: <?page={}>; rel=\"next\"\r\n", n + 1),
        };
        whole(200, &link, &page(at))
    })
    .await;
    let found = server
        .repository(None)
        .referrers(&Digest::of(b""))
        .await
        .unwrap();
    assert_eq!(found.all().count(), 3);

    let server = Server::start(|_| {
        let index = "{\"schemaVersion\":2,\"manifests\":[]}";
        whole(200, "link: <?again>; rel=\"next\"\r\n", index)
    })
    .await;
    let found = server
        .repository(None)
        .referrers(&Digest::of(b""))
        .await
        .unwrap();
    assert!(found.all().next().is_none());
    assert_eq!(server.seen().len(), 8);
}

#[tokio::test]
async fn a_token_is_asked_for_with_credentials_and_used() {
    let server = Server::start(|head| {
        let authorised = head.contains("authorization: bearer t0ken");
        let asked = head.contains("authorization: basic yw5uomh1bnrlcji=");
        match head.contains("get /token") {
            true if asked => whole(200, "", "{\"access_token\":\"T0ken\"}"),
            true => whole(403, "", ""),
            false if authorised => whole(200, "", "manifest"),
            false => whole(
                401,
                "www-authenticate: Basic realm=x\r\nwww-authenticate: Bearer realm=\"/token\",service=\"s\"\r\n",
                "",
            ),
        }
    })
    .await;
    let ours = server.repository(Some(Credentials::new("ann", "hunter2")));
    let digest = Digest::of(b"manifest");
    ours.manifest(&digest).await.unwrap();
    ours.manifest(&digest).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 4, "the token serves again: {seen:?}");
    assert!(
        seen[1].contains("scope=repository%3aa%3apull&service=s"),
        "{}",
        seen[1]
    );
    let nobody = server.repository(None);
    let error = nobody.manifest(&digest).await.unwrap_err();
    assert_eq!(error.reason(), Reason::AccessDenied, "{error}");
}

#[tokio::test]
async fn an_identity_token_is_given_for_a_token_and_to_nobody_else() {
    let server = Server::start(|head| {
        let form = "scope=repository%3Aa%3Apull&service=s&grant_type=refresh_token&client_id=aion-os&refresh_token=a%2Bb";
        match head.contains("post /token?own=1 ") {
            true if head.ends_with(form) => whole(200, "", "{\"access_token\":\"T0ken\"}"),
            true => whole(403, "", ""),
            false if head.contains("authorization: bearer t0ken") => whole(200, "", "manifest"),
            false => whole(
                401,
                "www-authenticate: Bearer realm=\"/token?own=1\",service=\"s\"\r\n",
                "",
            ),
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let entry = format!(
        r#"{{"auths":{{"{}":{{"auth":"YW5uOg==","identitytoken":"a+b"}}}}}}"#,
        server.address
    );
    std::fs::write(&config, entry).unwrap();
    let token = Credentials::from_docker_config(&config, &server.address, "any").unwrap();
    let ours = server.repository(token.clone());
    ours.manifest(&Digest::of(b"manifest")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let others = [&seen[0], &seen[2]];
    assert!(others.iter().all(|it| !it.contains("a%2bb")), "{seen:?}");

    // A registry without a token service has no use for it.
    let server = Server::start(|_| whole(401, "www-authenticate: Basic realm=x\r\n", "")).await;
    let error = server
        .repository(token)
        .manifest(&Digest::of(b""))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::AccessDenied, "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_and_not_for_ever() {
    let server = Server::start(|head| match head.contains("get /token") {
        true => whole(200, "", "{\"token\":\"t\"}"),
        false => whole(401, "www-authenticate: Bearer realm=\"/token\"\r\n", ""),
    })
    .await;
    let error = server
        .repository(None)
        .manifest(&Digest::of(b""))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::AccessDenied, "{error}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn credentials_stay_with_the_registry() {
    let elsewhere = Server::start(|_| whole(200, "", "0123456789")).await;
    let location = format!("location: http://{}/blob\r\n", elsewhere.address);
    let server = Server::start(move |head| match head.contains("authorization") {
        true => whole(307, &location, ""),
        false => whole(401, "www-authenticate: Basic realm=x\r\n", ""),
    })
    .await;
    let ours = server.repository(Some(Credentials::new("ann", "hunter2")));
    let blob = Descriptor::of("application/x", b"0123456789");
    read_blob(&ours, &blob, 100).await.unwrap();
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 1);
    assert!(!seen[0].contains("authorization"), "{seen:?}");
}

#[tokio::test]
async fn redirects_end_and_offline_stay_on_this_machine() {
    let server = Server::start(|_| whole(307, "location: /v2/again?secret=s3cret\r\n", "")).await;
    let ours = server.repository(None);
    let error = ours.manifest(&Digest::of(b"")).await.unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("too many redirects") && !text.contains("s3cret"),
        "{text}"
    );
    assert!(server.seen().len() < 10);

    let server = Server::start(|_| whole(307, "location: http://registry.invalid/x\r\n", "")).await;
    let ours = server.repository(None);
    let error = ours.manifest(&Digest::of(b"")).await.unwrap_err();
    assert!(error.to_string().contains("while offline"), "{error}");
}

#[tokio::test]
async fn offline_no_address_that_a_registry_gives_is_followed_off_the_machine() {
    let check = |reply: fn(&str) -> Reply| async move {
        let server = Server::start(reply).await;
        let ours = server.repository(Some(Credentials::new("ann", "hunter2")));
        let blob = Descriptor::of("application/x", b"x");
        let pulled = ours.referrers(&blob.digest).await.map(|_| ());
        let pushed = ours.put_blob(&blob, Payload::Bytes(b"x")).await;
        let error = pulled.and(pushed).unwrap_err();
        assert!(matches!(error, SourceError::Offline { .. }), "{error}");
    };
    check(|_| {
        let realm = "www-authenticate: Bearer realm=\"http://registry.invalid/t\"\r\n";
        whole(401, realm, "")
    })
    .await;
    check(|_| {
        let index = "{\"schemaVersion\":2,\"manifests\":[]}";
        whole(
            200,
            "link: <http://registry.invalid/x>; rel=\"next\"\r\n",
            index,
        )
    })
    .await;
    check(|head| match head.starts_with("post") {
        true => whole(202, "location: http://registry.invalid/upload\r\n", ""),
        false => whole(404, "", ""),
    })
    .await;
}

#[tokio::test]
async fn plain_http_is_for_this_machine_and_hosts_that_are_named() {
    let reference: Reference = "registry.invalid:5000/a".parse().unwrap();
    let offline = RegistryAccess {
        offline: true,
        ..RegistryAccess::default()
    };
    let error = Registry::new(&reference, &offline).err().unwrap();
    assert_eq!(error.reason(), Reason::Offline);

    // A plain HTTP server does not speak TLS.
    let server = Server::start(|_| whole(200, "", "manifest")).await;
    let port = server.address.rsplit(':').next().unwrap();
    let named = format!("0.0.0.0:{port}");
    let reference: Reference = format!("{named}/a").parse().unwrap();
    let digest = Digest::of(b"manifest");
    let strict = Registry::new(&reference, &RegistryAccess::default()).unwrap();
    let error = strict.manifest(&digest).await.unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable, "{error}");
    let insecure = RegistryAccess {
        insecure_hosts: vec![named],
        ..RegistryAccess::default()
    };
    let lenient = Registry::new(&reference, &insecure).unwrap();
    lenient.manifest(&digest).await.unwrap();
}
