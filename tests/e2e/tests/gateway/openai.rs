//! OpenAI's own client.

use std::process::Command;

use aion_testkit::{FakeModel, Reply, or_skip, python_package};

use crate::door::Door;

const CHAT: &str = r#"
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
ask = [{"role": "user", "content": "A name for a cat?"}]
assert [it.id for it in client.models.list()] == ["auto", "jarvis"], client.models.list()
assert client.models.retrieve("auto").id == "auto"
assert client.models.retrieve("default/jarvis").id == "jarvis"
whole = client.chat.completions.create(model="jarvis", messages=ask)
assert whole.choices[0].message.content == "Felix is a good name.", whole
assert whole.choices[0].finish_reason == "stop", whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0, whole
chunks = list(client.chat.completions.create(
    model="jarvis", messages=ask, stream=True, stream_options={"include_usage": True}))
text = "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
assert text == "Felix is a good name.", chunks
assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0, chunks[-1]
assert [it.choices[0].finish_reason for it in chunks if it.choices][-1] == "stop", chunks
assert len({it.id for it in chunks}) == 1, chunks
def refused(kind, code, **more):
    try:
        client.chat.completions.create(**({"model": "jarvis", "messages": ask} | more))
    except kind as why:
        assert why.code == code, (why, why.code)
        return str(why)
    raise AssertionError(f"{more} was taken")
refused(openai.NotFoundError, "not-found", model="nobody")
tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
assert "tools" in refused(openai.BadRequestError, "bad-request", tools=[tool])
assert "messages[0].role" in refused(openai.BadRequestError, "bad-request", messages=[{"role": 1, "content": ""}])
client.api_key = "another"
refused(openai.AuthenticationError, "bad-signature")
print("all of it")
"#;

/// What is read is checked strictly: openai's own types fill in what is missing.
const RESPONSES: &str = r#"
import sys, openai, pydantic
from openai.types.responses import Response
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
def checked(value):
    again = pydantic.TypeAdapter(type(value)).validate_python(value.to_dict(mode="json"))
    assert again == value, (again, value)
    return value
whole = checked(client.responses.create(model="jarvis", input="A name for a cat?", metadata={"of": "test"}))
assert isinstance(whole, Response) and whole.status == "completed" and whole.error is None, whole
assert whole.output_text == "Felix is a good name.", whole
assert whole.metadata == {"of": "test"} and whole.store is False, whole
usage = whole.usage
assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0, whole
assert usage.input_tokens_details.cached_tokens == usage.output_tokens_details.reasoning_tokens == 0, whole
events = [checked(it) for it in client.responses.create(model="jarvis", input="A name for a cat?", stream=True)]
kinds = [it.type for it in events]
deltas = kinds.count("response.output_text.delta")
assert kinds == [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    *["response.output_text.delta"] * deltas, "response.output_text.done", "response.content_part.done",
    "response.output_item.done", "response.completed"], kinds
assert [it.sequence_number for it in events] == list(range(len(events))), events
assert "".join(it.delta for it in events if it.type == "response.output_text.delta") == "Felix is a good name."
assert events[-1].response.output_text == "Felix is a good name.", events[-1]
assert events[-1].response.usage.total_tokens > 0, events[-1]
assert len({it.response.id for it in events if hasattr(it, "response")}) == 1, events
# The conversation goes on as OpenAI's documentation has it: what came is put before what is asked next.
items = [{"role": "user", "content": "A name for a cat?"}, *whole.output, {"role": "user", "content": "Why?"}]
with client.responses.stream(model="jarvis", input=items, instructions="Be brief.") as stream:
    assert stream.get_final_response().output_text == "Felix is a good name."
def refused(kind, code, **more):
    try:
        client.responses.create(**({"model": "jarvis", "input": "?"} | more))
    except kind as why:
        assert why.code == code, (why, why.code)
        return str(why)
    raise AssertionError(f"{more} was taken")
refused(openai.NotFoundError, "not-found", model="nobody")
refused(openai.NotFoundError, "not-found", model="nobody", stream=True)
for field, value in {
    "tools": [{"type": "web_search"}], "previous_response_id": "resp_1", "background": True,
    "text": {"format": {"type": "json_object"}}, "include": ["message.output_text.logprobs"],
    "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,", "detail": "auto"}]}],
}.items():
    said = refused(openai.BadRequestError, "bad-request", **{field: value})
    assert said.split(" - ")[1].startswith(field), said
assert "input[0].role" in refused(openai.BadRequestError, "bad-request", input=[{"role": 1}])
try:
    client.responses.retrieve(whole.id)
except openai.NotFoundError as why:
    assert why.code == "not-found", why
else:
    raise AssertionError("a response is kept")
print("all of it")
"#;

#[test]
fn openais_client_asks_an_agent_and_reads_what_is_refused() -> anyhow::Result<()> {
    let Some(site) = or_skip(python_package("openai")) else {
        return Ok(());
    };
    let model = FakeModel::answering(|_| Reply::text("Felix is a good name."))?;
    let door = Door::open(&model)?;
    for script in [CHAT, RESPONSES] {
        let mut client = Command::new("python3");
        client.args(["-c", script]).env("PYTHONPATH", &site);
        client.args([&format!("http://127.0.0.1:{}/v1", door.port), &door.token]);
        let output = client.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all of it");
    }
    let asked = model.requests()[0].body.to_string();
    assert!(asked.contains("A name for a cat?"), "{asked}");
    Ok(())
}
