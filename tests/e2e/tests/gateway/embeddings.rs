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
