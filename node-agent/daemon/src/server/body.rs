//! Bodies: how a request's is read within its bounds, and what an answer's looks like.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aion_abi::{code::Code, problem, problem::Problem, syscall::MAX_BODY};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{Admission, chat::Events};

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What is heard of a body that is of no use, in bytes, and for how long.
const OF_NO_USE: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// A request's body as it comes.
pub(super) trait Incoming: Body<Data = Bytes, Error: fmt::Display> + Unpin + Send {}
impl<B: Body<Data = Bytes, Error: fmt::Display> + Unpin + Send> Incoming for B {}

/// A request's body, and the memory it holds.
pub(super) struct Taken {
    pub(super) bytes: Bytes,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// Takes a permit for what the request announces, then reads it.
///
/// # Errors
/// `too-large` above [`MAX_BODY`], `overloaded` where the worker's share is used up, `bad-request` for a
/// body that does not arrive.
pub(super) async fn take(
    admission: &Admission,
    body: &mut impl Incoming,
) -> Result<Taken, Problem> {
    let hint = body.size_hint();
    let announced = match (hint.exact(), usize::try_from(hint.lower())) {
        (Some(_), Ok(size)) => size,
        (None, Ok(_)) => MAX_BODY,
        _ => return Err(too_large()),
    };
    if announced > MAX_BODY {
        return Err(too_large());
    }
    let permits = u32::try_from(announced).unwrap_or(u32::MAX);
    let permit = match std::sync::Arc::clone(&admission.bodies).try_acquire_many_owned(permits) {
        Ok(permit) => permit,
        Err(_) => {
            return Err(Problem::new(
                Code::Overloaded,
                "too many request bodies of this worker are under way",
            )
            .retry_after_ms(50));
        }
    };
    let bytes = match timeout(ARRIVAL, read(body, announced)).await {
        Ok(read) => read?,
        Err(_) => {
            return Err(Problem::new(
                Code::BadRequest,
                "the body did not arrive in time",
            ));
        }
    };
    Ok(Taken {
        bytes,
        _permit: permit,
    })
}

/// Reads what is left of a body whose request is refused, within bounds. Who is still sending it when the connection is
/// closed has an error of that, and not the reason (RFC 9112, 9.6).
pub(super) async fn hear_out(body: &mut impl Incoming) {
    let mut left = OF_NO_USE;
    let hearing = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Longer than that nobody waits for somebody who is refused.
    let _ = timeout(PATIENCE, hearing).await;
}

async fn read(body: &mut impl Incoming, announced: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Problem::new(Code::BadRequest, format!("the body: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + more.len() + data.len() > announced {
            return Err(too_large());
        }
        // Nearly every body comes in one piece and is not copied.
        if first.is_empty() && more.is_empty() {
            first = data;
        } else {
            if more.is_empty() {
                more.reserve(announced);
                more.extend_from_slice(&std::mem::take(&mut first));
            }
            more.extend_from_slice(&data);
        }
    }
    Ok(if more.is_empty() {
        first
    } else {
        more.freeze()
    })
}

fn too_large() -> Problem {
    Problem::new(
        Code::TooLarge,
        format!("a request's body has at most {MAX_BODY} bytes"),
    )
}

/// An answer's body.
pub(super) enum Answer {
    /// All of it.
    Whole(Option<Bytes>),
    /// Events as they come.
    Stream(Box<Events>),
    /// Notices, as long as the run goes on.
    Notices(BoxStream<'static, Bytes>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(events) => events
                .poll_next(cx)
                .map(|event| event.map(|bytes| Ok(Frame::data(bytes)))),
            Self::Notices(told) => told
                .poll_next_unpin(cx)
                .map(|told| told.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) | Self::Notices(_) => SizeHint::default(),
        }
    }
}

/// A good answer.
pub(super) fn ok(media_type: &'static str, answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A problem.
pub(super) fn refused(problem: &Problem) -> Response<Answer> {
    // A problem is plain text and numbers and always has a JSON form.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = ok(problem::MEDIA_TYPE, Answer::Whole(Some(body.into())));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(call) = problem.call {
        response
            .headers_mut()
            .insert(aion_abi::headers::CALL, HeaderValue::from(call));
    }
    response
}
