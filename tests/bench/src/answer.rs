//! `turn_p50_ms`: from a question to its answer, by the real daemon, launcher and sandbox, of a declarative agent whose
//! model says one word at once. What remains is the node's own, and is shown by step.
//!
//! Each step is what the asker and the model see, so nothing is measured inside the node.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::machine::{BOUND, Machine};
use crate::report::{Figure, median_ms};
use crate::turn;

/// Turns that count, and those before them.
const TURNS: usize = 100;
const WARM: usize = 5;

/// What the model says.
const SAID: &str = concat!(
    r#"data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"Here."},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
    "\n\ndata: [DONE]\n\n",
);

/// The steps, in order, as [`Steps`] has them.
const NAMES: [&str; 5] = [
    "turn_taken_p50_ms",
    "turn_started_p50_ms",
    "turn_model_asked_p50_ms",
    "turn_spoke_p50_ms",
    "turn_answered_p50_ms",
];

/// How long after the step before each came.
type Steps = [Duration; NAMES.len()];

/// Measures the whole and its steps.
pub(crate) fn measure(runtime: &Runtime) -> Result<Vec<Figure>> {
    let (asked, model) = channel();
    let port = runtime.block_on(listen(asked))?;
    let mut node = Machine::new()?;
    node.start()?;
    node.apply(&format!(
        "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: bench}}\nspec: {{inline: allow}}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: ClusterAgentPolicy\nmetadata: {{name: bench}}\n\
         spec: {{allow: ['*'], models: ['*']}}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: ModelEndpoint\nmetadata: {{name: nothing}}\n\
         spec: {{baseUrl: 'http://127.0.0.1:{port}/v1', models: [{{name: nothing, contextTokens: 8192}}]}}\n\
         ---\napiVersion: aion.dev/v1alpha1\nkind: Agent\nmetadata: {{name: brief}}\n\
         spec: {{instructions: Says one thing., model: {{use: nothing}}}}\n"
    ))?;
    let mut turns = Vec::new();
    for round in 0..WARM + TURNS {
        let steps = one(runtime, &node, &model)?;
        if round >= WARM {
            turns.push(steps);
        }
    }
    let whole = median_ms(turns.iter().map(|steps| steps.iter().sum()).collect());
    let mut figures = vec![Figure::plain("turn_p50_ms", whole, "ms", "its steps below")];
    figures.extend(NAMES.iter().enumerate().map(|(step, name)| {
        let value = median_ms(turns.iter().map(|steps| steps[step]).collect());
        Figure::share(name, value, "ms", whole)
    }));
    Ok(figures)
}

fn one(runtime: &Runtime, node: &Machine, model: &Receiver<Instant>) -> Result<Steps> {
    let seen = runtime.block_on(turn::ask(&node.socket(), "brief"))?;
    let heard = model
        .recv_timeout(BOUND)
        .context("the model was not asked")?;
    let at = [
        seen.asked,
        seen.taken,
        seen.started,
        heard,
        seen.spoke,
        seen.answered,
    ];
    Ok(std::array::from_fn(|step| at[step + 1] - at[step]))
}

/// The model, at the port that this gives: tells when it is asked, and answers at once.
async fn listen(asked: Sender<Instant>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let answer = move || {
        let _ = asked.send(Instant::now());
        async { ([(CONTENT_TYPE, "text/event-stream")], SAID).into_response() }
    };
    let app = Router::new().route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(port)
}
