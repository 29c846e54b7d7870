//! What a handler reads of a request, as axum reads it. What cannot be read is a problem (RFC 9457), and not axum's words in
//! plain text.

use aion_abi::{code::Code, problem::Problem};
use axum::{
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::Refused;

/// What stands in the path, as [`axum::extract::Path`].
#[derive(Debug)]
pub struct Path<T>(pub T);

/// What stands behind the path, as [`axum::extract::Query`].
#[derive(Debug)]
pub struct Query<T>(pub T);

/// A body, as [`axum::Json`]; an answer, too.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|it| Self(it.0))
            .map_err(|why| path_is_wrong(&why).into())
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        read.map(|it| Self(it.0)).map_err(|why| {
            let what = QueryRejection::body_text(&why);
            let remedy = "see /v1/openapi.json of the gateway for what may stand behind the ?";
            Problem::new(Code::BadRequest, what).remedy(remedy).into()
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let read = axum::Json::from_request(request, state).await;
        read.map(|it| Self(it.0))
            .map_err(|why| body_is_wrong(&why).into())
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// What is wrong with a path.
#[must_use]
pub fn path_is_wrong(why: &PathRejection) -> Problem {
    let remedy = "see /v1/openapi.json of the gateway for the paths";
    Problem::new(Code::BadRequest, why.body_text()).remedy(remedy)
}

fn body_is_wrong(why: &JsonRejection) -> Problem {
    let (code, remedy) = match why {
        JsonRejection::MissingJsonContentType(_) => (
            Code::BadRequest,
            "send it with Content-Type: application/json",
        ),
        _ if why.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            (Code::TooLarge, "send less at a time")
        }
        _ => (
            Code::BadRequest,
            "see /v1/openapi.json of the gateway for the shape of it",
        ),
    };
    Problem::new(code, why.body_text()).remedy(remedy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aion_abi::problem;
    use axum::{
        Router,
        body::{Body, to_bytes},
        extract::DefaultBodyLimit,
        http::header,
        routing::post,
    };
    use tower::ServiceExt as _;

    use super::*;

    async fn asked(uri: &str, kind: &str, body: &str) -> (u16, Problem) {
        async fn handler(_: Path<u64>, _: Query<Vec<(String, u32)>>, _: Json<Vec<u32>>) {}
        let router = Router::new()
            .route("/{number}", post(handler))
            .layer(DefaultBodyLimit::max(64));
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body.to_owned()));
        let answer = router.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_TYPE], problem::MEDIA_TYPE);
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_a_problem_that_says_where() {
        let json = "application/json";
        let long = format!("[{}1]", "1,".repeat(64));
        for (uri, kind, body, status, part) in [
            ("/x", json, "[]", 400, "x"),
            ("/1?a=b", json, "[]", 400, "invalid digit"),
            ("/1", "text/plain", "[]", 400, "application/json"),
            ("/1", json, "[1, true]", 400, "[1]"),
            ("/1", json, "[1", 400, "EOF"),
            ("/1", json, &long, 413, "length limit"),
        ] {
            let (answered, problem) = asked(uri, kind, body).await;
            assert_eq!(
                (answered, problem.status),
                (status, status),
                "{uri} {problem}"
            );
            assert!(problem.detail.contains(part), "{uri} {body}: {problem}");
        }
    }
}
