//! The lines of docs/gateway.md that a person types with curl, as they are there.

use std::{fs, process::Command};

use aion_e2e::cluster::root;
use aion_testkit::{FakeModel, Reply};

use crate::door::Door;

/// What the agent answers.
const SAYS: &str = "Felix, of course.";

/// The blocks of a shell in a part of the page, with the agent, the port and the folder that are here.
fn blocks(door: &Door, part: &str) -> anyhow::Result<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/gateway.md"))?;
    let (_, part) = page.split_once(part).unwrap();
    let blocks = part.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|it| it.split("```").next());
    let home = door.node.home().display().to_string();
    Ok(blocks
        .map(|it| {
            it.replace("librarian", "jarvis")
                .replace("8421", &door.port.to_string())
                .replace("~/.aion", &home)
        })
        .collect())
}

fn typed(lines: &str) -> anyhow::Result<String> {
    let typed = Command::new("sh").args(["-ec", lines]).output()?;
    assert!(typed.status.success(), "{lines}\n{typed:?}");
    Ok(String::from_utf8(typed.stdout)?)
}

#[test]
fn what_the_page_has_for_curl_works_as_it_is_typed() -> anyhow::Result<()> {
    let model = FakeModel::answering(|_| Reply::text(SAYS))?;
    let door = Door::open(&model)?;

    let rest = blocks(&door, "## REST")?;
    let [asked, followed, ..] = &*rest else {
        anyhow::bail!("{rest:?}");
    };
    let told = typed(asked)?;
    assert!(told.contains("\"name\":\"jarvis\""), "{told}");
    assert!(
        told.contains("id: 1\ndata: {\"event\":\"queued\","),
        "{told}"
    );
    assert!(told.contains("\"ended\",\"ok\":true"), "{told}");

    // The same turn, behind its second event.
    let (exports, _) = asked.split_once('\n').unwrap();
    let followed = followed.replace("turns/3", "turns/1");
    let told = typed(&format!("{exports}\n{followed}"))?;
    assert!(told.starts_with("id: 3\n"), "{told}");
    assert!(told.contains(SAYS), "{told}");

    let chat = typed(&blocks(&door, "# The gateway")?[0])?;
    assert!(
        chat.contains("chat.completion") && chat.contains(SAYS),
        "{chat}"
    );
    Ok(())
}
