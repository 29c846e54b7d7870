//! Signatures, by the examples of those who sign.
#![allow(clippy::unwrap_used)]
use super::*;

/// The example of the standard's own libraries.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const AT: UnixMillis = UnixMillis(1_614_265_330_000);
const HEADERS: [(&str, &str); 3] = [
    ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
    ("webhook-timestamp", "1614265330"),
    (
        "webhook-signature",
        "v2,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
];

fn judged(
    form: Form,
    headers: &[(&'static str, &'static str)],
    body: &'static [u8],
    secrets: &[&str],
    now: UnixMillis,
) -> Result<String, Unverified> {
    let header = |name: &str| headers.iter().find(|it| it.0 == name).map(|it| it.1);
    verify(form, header, body, secrets, now)
}

#[test]
fn what_the_standard_signs_counts_within_five_minutes_and_while_two_secrets_do() {
    let standard =
        |body, secrets: &[&str], now| judged(Form::Standard, &HEADERS, body, secrets, now);
    let id = standard(BODY, &[SECRET], AT).unwrap();
    assert_eq!(standard(BODY, &["whsec_AAAA", SECRET], AT), Ok(id));
    assert!(standard(BODY, &[SECRET], AT.plus(WINDOW_MS)).is_ok());
    let ahead = UnixMillis(AT.0 - WINDOW_MS - 1);
    for now in [AT.plus(WINDOW_MS + 1), ahead, UnixMillis(0)] {
        assert_eq!(standard(BODY, &[SECRET], now), Err(Unverified::Stale));
    }
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx";
    for (body, secrets) in [
        (&b"{}"[..], &[SECRET][..]),
        (BODY, &[other]),
        (BODY, &[]),
        (BODY, &["", "whsec_", "whsec_%"]),
    ] {
        assert_eq!(standard(body, secrets, AT), Err(Unverified::Unsigned));
    }
    assert_eq!(
        judged(Form::Standard, &HEADERS[1..], BODY, &[SECRET], AT),
        Err(Unverified::Unsigned)
    );
    assert_eq!(
        judged(Form::Github, &HEADERS, BODY, &[SECRET], AT),
        Err(Unverified::Unsigned),
        "a form is the hook's, and not the sender's to choose"
    );
}

#[test]
fn what_github_documents_counts_and_its_id_is_not_believed() {
    // The example of GitHub's documentation.
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let (secret, body) = ("It's a Secret to Everybody", &b"Hello, World!"[..]);
    let of = |id| {
        [
            ("x-hub-signature-256", signature),
            ("x-github-delivery", id),
        ]
    };
    let first = judged(Form::Github, &of("1"), body, &[secret], AT).unwrap();
    assert_eq!(
        judged(Form::Github, &of("2"), body, &[secret], AT),
        Ok(first)
    );
    assert_eq!(
        judged(Form::Github, &of("1"), body, &["It's another"], AT),
        Err(Unverified::Unsigned)
    );
}

#[test]
fn an_empty_secret_signs_nothing() {
    for form in [Form::Github, Form::Stripe] {
        let sent = Sent {
            id: "",
            at: Some("1").filter(|_| form == Form::Stripe),
            body: b"x",
        };
        let signature = hex::encode(mac(form, b"", sent).finalize().into_bytes());
        let headers = [
            ("x-hub-signature-256", format!("sha256={signature}")),
            ("stripe-signature", format!("t=1,v1={signature}")),
        ];
        let header = |name: &str| headers.iter().find(|it| it.0 == name).map(|it| &*it.1);
        for secrets in [&[][..], &[""]] {
            let judged = verify(form, header, b"x", secrets, UnixMillis(1000));
            assert_eq!(judged, Err(Unverified::Unsigned), "{form:?}");
        }
    }
}

#[test]
fn stripes_deliveries_are_known_by_the_id_in_their_body() {
    let signed = |body: &'static [u8]| {
        let sent = Sent {
            id: "",
            at: Some("1614265330"),
            body,
        };
        let signature = hex::encode(mac(Form::Stripe, b"whsec_x", sent).finalize().into_bytes());
        let value = format!("t=1614265330,v0=aa,v1={signature}");
        let header = |name: &str| (name == "stripe-signature").then_some(&*value);
        verify(Form::Stripe, header, body, &["whsec_x"], AT)
    };
    let first = signed(br#"{"id": "evt_1", "pending": 2}"#).unwrap();
    assert_eq!(signed(br#"{"id": "evt_1", "pending": 1}"#).unwrap(), first);
    assert_ne!(signed(br#"{"id": "evt_2", "pending": 1}"#).unwrap(), first);
    assert!(signed(b"no json").is_ok());
}
