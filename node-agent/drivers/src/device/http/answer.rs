//! What an answer means: to a question, and to an order.

use std::time::Duration;

use aion_abi::{code::Code, problem::Problem};
use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, DATE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, WWW_AUTHENTICATE},
};

use super::{
    Answer, MAX_ANSWER, Validators,
    exchange::{Fault, Whole},
};
use crate::outbound::{NotConnected, millis, named_pause, not_before};

/// The longest validator that is said again.
const MAX_VALIDATOR: usize = 256;
/// So much older than its answer a change is sure to be the last (RFC 9110, 8.8.2.2): a clock of seconds does not tell two of one second
/// apart, and a device's clock may be set meanwhile.
const SURE: Duration = Duration::from_secs(60);
/// How much of a header is told.
const TOLD: usize = 80;

/// A question that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnswered {
    /// Why, and what to do about it.
    pub why: Problem,
    /// It does not pass by itself: somebody has to mend the device or what is said of it.
    pub mend: bool,
    /// After which pause it may be asked again, where it names one.
    pub after: Option<Duration>,
}

impl NotAnswered {
    pub(super) fn passing(why: Problem) -> Self {
        Self {
            why,
            mend: false,
            after: None,
        }
    }

    pub(super) fn to_mend(why: Problem) -> Self {
        Self {
            why,
            mend: true,
            after: None,
        }
    }
}

/// Why there is no connection: an address that is refused, or a secret that is not there, has to be mended.
impl From<Problem> for NotAnswered {
    fn from(why: Problem) -> Self {
        match why.code {
            Code::Unreachable | Code::Overloaded | Code::Internal => Self::passing(why),
            _ => Self::to_mend(why),
        }
    }
}

/// A certificate that does not count is there until somebody gives the device another, or names its authority.
impl From<NotConnected> for NotAnswered {
    fn from(it: NotConnected) -> Self {
        match it.certificate {
            true => Self::to_mend(it.why.remedy(
                "name in the Device's authority who signed its certificate, or give it one for the host of its url",
            )),
            false => it.why.into(),
        }
    }
}

/// What is answered to a question, which `asked` went with.
pub(super) fn of_question(
    (name, path): (&str, &str),
    asked: &Validators,
    exchanged: Result<Whole, Fault>,
) -> Result<Answer, NotAnswered> {
    let broken = |why: &str| {
        NotAnswered::passing(Problem::new(
            Code::Unreachable,
            format!("{name} did not answer {path} as HTTP has it: {why}"),
        ))
    };
    let whole = match exchanged {
        Ok(whole) => whole,
        Err(Fault::NotSent(why) | Fault::Broken(why)) => return Err(broken(&why)),
        Err(Fault::TooLarge) => {
            let what = format!("the answer of {name} to {path} is larger than {MAX_ANSWER} bytes");
            let why = Problem::new(Code::TooLarge, what)
                .remedy("ask for less: most devices have a path for each of their parts");
            return Err(NotAnswered::to_mend(why));
        }
    };
    match whole.status {
        StatusCode::NOT_MODIFIED if *asked == Validators::default() => Err(broken(
            "it says that nothing changed, and was not told since when",
        )),
        StatusCode::NOT_MODIFIED => Ok(Answer::Same),
        status if status.is_success() => {
            if let Some(encoding) = compressed(&whole.headers) {
                let what = format!(
                    "the answer of {name} to {path} is compressed ({encoding}), and it was asked for one that is not"
                );
                let why = Problem::new(Code::UpstreamFailed, what)
                    .remedy("turn compression off at the device, or ask another path");
                return Err(NotAnswered::to_mend(why));
            }
            let validators = Validators {
                etag: validator(&whole.headers, &ETAG),
                last_modified: last_change(&whole.headers),
            };
            let body = whole.body;
            Ok(Answer::Said { body, validators })
        }
        status => Err(refused((name, path), status, &whole.headers)),
    }
}

/// What is answered to an order.
pub(super) fn of_order(
    (name, path): (&str, &str),
    exchanged: Result<Whole, Fault>,
) -> Result<Bytes, Problem> {
    let whole = match exchanged {
        Ok(whole) => whole,
        Err(Fault::NotSent(why)) => {
            let what = format!("{name} closed the connection before anything was sent: {why}");
            return Err(Problem::new(Code::Unreachable, what).remedy("nothing was sent: try again"));
        }
        Err(Fault::Broken(why)) => {
            return Err(unknown(format!(
                "{path} was sent to {name}, and the answer broke off: {why}"
            )));
        }
        Err(Fault::TooLarge) => {
            return Err(unknown(format!(
                "{path} was sent to {name}, and the answer is larger than {MAX_ANSWER} bytes"
            )));
        }
    };
    let status = whole.status;
    if status.is_success() {
        // What is compressed says nothing, which is not that it was not done.
        let body = match compressed(&whole.headers) {
            Some(_) => Bytes::new(),
            None => whole.body,
        };
        return Ok(body);
    }
    // A redirect is how forms answer that they did it, and an error of the device's own may have come after it did.
    if !status.is_client_error() || status == StatusCode::REQUEST_TIMEOUT {
        let refusal = refused((name, path), status, &whole.headers).why;
        return Err(unknown(format!("{path} was sent: {}", refusal.detail)));
    }
    let NotAnswered { why, after, .. } = refused((name, path), status, &whole.headers);
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => Code::Overloaded,
        _ => Code::UpstreamFailed,
    };
    let problem =
        Problem::new(code, format!("{}: nothing was done", why.detail)).remedy(why.remedy);
    Err(not_before(problem, after.map(millis)))
}

/// That nobody knows whether it was done.
pub(super) fn unknown(what: String) -> Problem {
    Problem::new(Code::OutcomeUnknown, what)
        .remedy("look at the device before you tell it again: it may have done it, or may still")
}

/// What a status says that is not one of success.
fn refused((name, path): (&str, &str), status: StatusCode, headers: &HeaderMap) -> NotAnswered {
    let said = |more: String| format!("{name} answers {path} with {status}{more}");
    let shown = |name: HeaderName| {
        let text = headers.get(name).and_then(|it| it.to_str().ok())?;
        Some(text.chars().take(TOLD).collect::<String>())
    };
    let mend = |code, more: String, remedy: &str| {
        NotAnswered::to_mend(Problem::new(code, said(more)).remedy(remedy.to_owned()))
    };
    match status {
        StatusCode::UNAUTHORIZED => {
            let wants = shown(WWW_AUTHENTICATE).map(|it| format!(" and wants {it}"));
            mend(
                Code::Denied,
                wants.unwrap_or_default(),
                "say basic, bearer or headers in the Device, with the secret that the device takes; Digest is not spoken",
            )
        }
        StatusCode::FORBIDDEN => mend(
            Code::Denied,
            String::new(),
            "give whoever the node asks as the right to it, or the Device another secret",
        ),
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED => mend(
            Code::NotFound,
            String::new(),
            "compare url and path with what the device's documentation says",
        ),
        status if status.is_redirection() => {
            let to = shown(LOCATION).map(|it| format!(" to {it}"));
            mend(
                Code::BadRequest,
                format!("{}, which is not followed", to.unwrap_or_default()),
                "say where it leads in the Device's url",
            )
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => NotAnswered {
            why: Problem::new(Code::Overloaded, said(String::new()))
                .remedy("ask it less often: everySeconds"),
            mend: false,
            after: named_pause(headers),
        },
        status if status.is_client_error() => mend(
            Code::UpstreamFailed,
            String::new(),
            "compare what is sent with what the device's documentation says",
        ),
        _ => NotAnswered::passing(Problem::new(Code::UpstreamFailed, said(String::new()))),
    }
}

fn compressed(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(CONTENT_ENCODING)?;
    let plain = encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    let told = String::from_utf8_lossy(encoding.as_bytes());
    (!plain).then(|| told.chars().take(TOLD).collect())
}

fn validator(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty() && text.len() <= MAX_VALIDATOR).then(|| text.to_owned())
}

/// When it changed last, where nothing can have changed since that has the same date.
fn last_change(headers: &HeaderMap) -> Option<String> {
    let changed = validator(headers, &LAST_MODIFIED)?;
    let at = |text: &str| httpdate::parse_http_date(text).ok();
    let answered = at(headers.get(DATE)?.to_str().ok()?)?;
    let apart = answered.duration_since(at(&changed)?).ok()?;
    (apart >= SURE).then_some(changed)
}
