//! Vectors by the embedding model of an agent: by OpenAI's client, under the agent's budget and in its record.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use aion_testkit::{FakeModel, Reply, or_skip, python_package, until};
use serde_json::{Value, json};

use crate::{
    door::{BOUND, Door, apply, body},
    models::lend,
};

const CLIENT: &str = r#"
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
assert "editor:near" in [it.id for it in client.models.list()]
# In base64, as the client asks for by itself, and as numbers.
made = client.embeddings.create(model="editor:auto", input=["a dog barks", "a cat sleeps", "a dog barks"])
assert [it.index for it in made.data] == [0, 1, 2] and made.model == "near/e", made
assert made.data[0].embedding == made.data[2].embedding != made.data[1].embedding, made
assert len(made.data[0].embedding) == 64 and made.usage.prompt_tokens == 9, made
assert made.aion["turn"] > 0, made
one = client.embeddings.create(model="editor:near/e", input="a dog barks", encoding_format="float")
near = zip(one.data[0].embedding, made.data[0].embedding)
assert max(abs(a - b) for a, b in near) < 1e-6, one
many = client.embeddings.create(model="editor:near", input=["word %d" % n for n in range(700)])
assert len(many.data) == 700 and many.usage.prompt_tokens == 1400, many.usage

def refused(kind, code, **more):
    try:
        client.embeddings.create(**({"model": "editor:auto", "input": "a"} | more))
    except kind as why:
        assert why.code == code, (why, why.code)
        return str(why)
    raise AssertionError(f"{more} was taken")
assert "tokenizer" in refused(openai.BadRequestError, "bad-request", input=[[1, 2]])
assert "input[1]" in refused(openai.BadRequestError, "bad-request", input=["a", ""])
assert "input has 0" in refused(openai.BadRequestError, "bad-request", input=[])
assert "input[300]" in refused(openai.BadRequestError, "bad-request", input=["a"] * 300 + [""])
assert "2048" in refused(openai.BadRequestError, "bad-request", input=["a"] * 2049)
assert "gave 64" in refused(openai.BadRequestError, "bad-request", dimensions=8)
assert "makes no vectors" in refused(openai.BadRequestError, "bad-request", model="jarvis")
assert "near/e" in refused(openai.NotFoundError, "not-found", model="editor:local")
assert "truncate" in refused(openai.BadRequestError, "bad-request", extra_body={"truncate": True})
print("all of it")
"#;

/// LangChain's class, as it comes and as it has to be told.
const LANGCHAIN: &str = r#"
import sys, openai, tiktoken
from langchain_openai import OpenAIEmbeddings
# What it splits texts into tokens with is fetched where it is missing: one of bytes takes its place.
bytes_alone = {"pat_str": r"[\s\S]", "mergeable_ranks": {bytes([n]): n for n in range(256)}, "special_tokens": {}}
tiktoken.registry.ENCODINGS["cl100k_base"] = tiktoken.Encoding("cl100k_base", **bytes_alone)
def embeddings(**more):
    return OpenAIEmbeddings(model="editor:auto", base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0, **more)
texts = ["a dog barks", "a cat sleeps", "a dog barks"]
# It sends token ids by itself, of a tokenizer that the model need not have.
for asked in [lambda it: it.embed_query("a dog barks"), lambda it: it.embed_documents(texts)]:
    try:
        asked(embeddings())
    except openai.BadRequestError as why:
        assert why.code == "bad-request" and why.param == "input", why.body
        assert "check_embedding_ctx_length=False" in str(why), why
    else:
        raise AssertionError("tokens were taken")
told = embeddings(check_embedding_ctx_length=False, chunk_size=2)
made = told.embed_documents(texts)
assert made[0] == made[2] != made[1] and {len(it) for it in made} == {64}, made
near = zip(told.embed_query("a dog barks"), made[0])
assert max(abs(a - b) for a, b in near) < 1e-6, made
import asyncio
assert asyncio.run(told.aembed_query("a dog barks")) == told.embed_query("a dog barks")
print("all of it")
"#;

/// LlamaIndex's classes, for OpenAI and for what is like it.
const LLAMA_INDEX: &str = r#"
import asyncio, sys
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
more = {"model_name": "editor:auto", "api_base": sys.argv[1], "api_key": sys.argv[2], "max_retries": 0}
texts = ["a dog barks", "a cat sleeps", "a dog barks"]
for kind in [OpenAIEmbedding, OpenAILikeEmbedding]:
    asked = kind(embed_batch_size=2, **more)
    made = asked.get_text_embedding_batch(texts)
    assert made[0] == made[2] != made[1] and {len(it) for it in made} == {64}, made
    near = zip(asked.get_query_embedding("a dog barks"), made[0])
    assert max(abs(a - b) for a, b in near) < 1e-6, made
    assert asyncio.run(asked.aget_text_embedding("a dog barks")) == asked.get_text_embedding("a dog barks")
    try:
        kind(dimensions=8, **more).get_text_embedding("a dog barks")
    except Exception as why:
        assert "gave 64" in str(why), why
    else:
        raise AssertionError("vectors of another length were taken")
print("all of it")
"#;

/// A gateway to a node whose agent for programs has an embedding model, within `limits`.
pub(crate) fn open(model: &FakeModel, limits: &str) -> anyhow::Result<Door> {
    let door = Door::open(model)?;
    let near = json!({
        "apiVersion": "aion.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "near"},
        "spec": {"baseUrl": model.base_url(), "models": [{"name": "e", "purpose": "embedding"}]},
    });
    let path = door.node.path("near.json");
    std::fs::write(&path, near.to_string())?;
    apply(&door.node, &path)?;
    lend(&door, |text| {
        let own = text.lines().find(|it| it.starts_with("  limits: "));
        text.replace("{use: local}", "{use: local, embedding: near}")
            .replace(own.unwrap(), &format!("  limits: {limits}"))
    })?;
    Ok(door)
}

/// An instance that is only being prepared takes no turn yet.
pub(crate) fn embed(door: &Door, input: &Value) -> (u16, Value) {
    let asked = json!({"model": "editor:auto", "input": input});
    until("an instance to take a turn", BOUND, || {
        match door.post("/v1/embeddings", "", &asked).unwrap() {
            (409, answer) => Err(answer),
            (status, answer) => Ok((status, body(&answer))),
        }
    })
    .unwrap()
}

#[test]
fn openais_client_gets_vectors_of_an_agents_model_and_is_refused_by_name() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("openai")) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = open(&model, "{turnSeconds: 3600}")?;
    assert_eq!(embed(&door, &json!("a")).0, 200);
    let mut client = Command::new("python3");
    client.args(["-c", CLIENT]).env("PYTHONPATH", &site);
    client.args([&format!("http://127.0.0.1:{}/v1", door.port), &door.token]);
    let output = client.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Never more at once than an endpoint is shown.
    let shown = |it: &aion_testkit::ModelRequest| it.body["input"].as_array().map_or(0, Vec::len);
    let most = model.requests().iter().map(shown).max();
    assert_eq!(most, Some(256));
    Ok(())
}

/// Runs a program of a framework's, at the place of its packages.
fn framework(component: &'static str, script: &str) -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package(component)) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = open(&model, "{turnSeconds: 3600}")?;
    assert_eq!(embed(&door, &json!("a")).0, 200);
    let mut client = Command::new("python3");
    client.args(["-c", script]).env("PYTHONPATH", &site);
    client.args([&format!("http://127.0.0.1:{}/v1", door.port), &door.token]);
    let output = client.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all of it");
    Ok(())
}

#[test]
fn langchain_gets_vectors_of_texts_and_is_told_why_not_of_tokens() -> anyhow::Result<()> {
    framework("langgraph", LANGCHAIN)
}

#[test]
fn llama_index_gets_vectors_by_both_of_its_classes() -> anyhow::Result<()> {
    framework("llama_index", LLAMA_INDEX)
}

#[test]
fn vectors_are_charged_to_the_agent_and_refused_once_its_budget_is_used() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text("Felix."))?;
    let door = open(&model, "{tokensPerHour: 400, turnSeconds: 3600}")?;
    let text = "word ".repeat(200);
    let (status, made) = embed(&door, &json!(text));
    assert_eq!(
        (status, &made["usage"]["prompt_tokens"]),
        (200, &json!(200)),
        "{made}"
    );
    let (status, refused) = embed(&door, &json!(text));
    assert_eq!(status, 429, "{refused}");
    assert_eq!(refused["error"]["code"], "quota-exceeded", "{refused}");
    let told = door.node.aionctl(&["audit", "editor"])?;
    assert!(told.contains("model.embed"), "{told}");
    Ok(())
}
