//! The shipped homekeeper in the house that aionctl plays, at a real broker and without a model: what it answers, what guardrails
//! keep it from, what it asks a person about; and what people do by hand.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Child, Output, Stdio},
    thread,
};

use aion_e2e::{
    cluster::{BOUND, root},
    standalone::Standalone,
};
use aion_testkit::{Mosquitto, MosquittoOptions, or_skip, until};
use serde_json::Value;

const TRUST: &str = "apiVersion: aion.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: tests}\nspec: {inline: allow}\n";

/// A program of aionctl that goes on, and what it says.
struct Running {
    child: Child,
    out: PathBuf,
}

impl Running {
    fn start(node: &Standalone, name: &str, args: &[&str]) -> anyhow::Result<Self> {
        let out = node.path(name);
        let child = node
            .command(args)
            .stdin(Stdio::piped())
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(node.path(&format!("{name}.err")))?)
            .spawn()?;
        Ok(Self { child, out })
    }

    /// Has a device say something.
    fn type_in(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.child.stdin.as_mut().unwrap();
        Ok(writeln!(stdin, "{line}")?)
    }

    fn lines(&self, containing: &str) -> Vec<String> {
        let said = fs::read_to_string(&self.out).unwrap_or_default();
        let lines = said.lines().filter(|it| it.contains(containing));
        lines.map(str::to_owned).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A house with somebody who looks after it.
struct Home {
    node: Standalone,
    house: Running,
    _broker: Mosquitto,
}

impl Home {
    /// `None` where there is no broker on this machine.
    fn open(faults: &str) -> anyhow::Result<Option<Self>> {
        let Some(broker) = or_skip(Mosquitto::start(MosquittoOptions::default())) else {
            return Ok(None);
        };
        let node = Standalone::start("house")?.with_policies()?;
        let url = format!("mqtt://127.0.0.1:{}", broker.port());
        let play = ["device", "simulate", "house", "--broker", &url];
        let house = [&play[..], &["--faults", faults]].concat();
        let house = Running::start(&node, "house", &house)?;
        let yaml = node.aionctl(&[&play[..], &["--yaml"]].concat())?;
        let files = [("trust.yaml", TRUST), ("house.yaml", &yaml)].map(|(name, text)| {
            fs::write(node.path(name), text).unwrap();
            node.path(name)
        });
        let agents =
            ["agents/homekeeper/agent.yaml", "policies/by-hand.yaml"].map(|it| root().join(it));
        let mut apply = vec!["apply".to_owned(), "--wait".to_owned(), "120".to_owned()];
        for file in files.iter().chain(&agents) {
            apply.extend(["-f".to_owned(), file.to_string_lossy().into_owned()]);
        }
        let apply: Vec<&str> = apply.iter().map(String::as_str).collect();
        node.aionctl(&apply)?;
        Ok(Some(Self {
            node,
            house,
            _broker: broker,
        }))
    }

    fn ask(&self, question: &str) -> anyhow::Result<String> {
        let answer = self.node.aionctl(&["ask", "homekeeper", question])?;
        Ok(answer.trim().to_owned())
    }

    /// Waits until that is what it answers.
    fn answers(&self, question: &str, expected: &str) -> anyhow::Result<()> {
        until(expected, BOUND, || {
            let said = self.ask(question).map_err(|why| why.to_string())?;
            match said == expected {
                true => Ok(()),
                false => Err(said),
            }
        })?;
        Ok(())
    }

    /// The number of the one approval that waits.
    fn waits(&self) -> anyhow::Result<String> {
        let asked = until("somebody to be asked", BOUND, || {
            let all = self.node.aionctl(&["approvals", "-o", "json"]);
            let all: Value = serde_json::from_str(&all.map_err(|why| why.to_string())?)
                .map_err(|why| why.to_string())?;
            match all["items"].as_array().map(Vec::as_slice) {
                Some([one]) => Ok(one.clone()),
                _ => Err(all.to_string()),
            }
        })?;
        assert_eq!(asked["capability"], "device.command:front-lock.unlock");
        Ok(asked["approval"].to_string())
    }

    fn by_hand(&self, args: &[&str]) -> (Option<i32>, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.node.command(args).output().unwrap();
        let said = [stdout, stderr].concat();
        (status.code(), String::from_utf8(said).unwrap())
    }
}

#[test]
fn the_homekeeper_answers_from_the_house_and_acts_under_its_guardrails() -> anyhow::Result<()> {
    let Some(mut home) = Home::open("")? else {
        return Ok(());
    };
    home.answers("What is open?", "Open: kitchen-window.")?;
    assert!(home.ask("What is on?")?.starts_with("On: kitchen-lamp"));
    let refused = home.ask("Turn the heater up to 21")?;
    assert!(
        refused.contains("was not done")
            && refused.contains("window-open")
            && refused.contains("heating with an open window wastes energy"),
        "{refused}"
    );
    let why = home.node.aionctl(&["why", "homekeeper"])?;
    assert!(why.contains("window-open"), "{why}");
    assert_eq!(
        home.house.lines("heater"),
        [] as [&str; 0],
        "nothing left the node"
    );

    home.house.type_in("kitchen-window contact closed")?;
    home.answers("What is open?", "Nothing is open.")?;
    assert_eq!(
        home.ask("Turn the heater up to 21")?,
        "heater: target 21, done."
    );
    assert_eq!(home.house.lines("heater"), ["heater is set: target 21"]);

    let asking = thread::spawn(
        home.node
            .asking(&["ask", "homekeeper", "Unlock the front lock"]),
    );
    let approval = home.waits()?;
    assert_eq!(home.house.lines("front-lock"), [] as [&str; 0]);
    home.node.aionctl(&["approvals", "approve", &approval])?;
    let said = asking.join().unwrap()?;
    assert!(said.contains("front-lock: unlock, done."), "{said}");
    assert_eq!(
        home.house.lines("front-lock"),
        ["front-lock is told: unlock"]
    );
    home.answers("What is open?", "Open: front-lock is unlocked.")?;
    Ok(())
}

#[test]
fn what_people_do_by_hand_passes_the_kernel_as_all_else() -> anyhow::Result<()> {
    let Some(home) = Home::open("")? else {
        return Ok(());
    };
    home.answers("What is open?", "Open: kitchen-window.")?;
    let watch = ["device", "watch", "kitchen-lamp", "-o", "json"];
    let watch = Running::start(&home.node, "watch", &watch)?;
    let sees = |what: &str| {
        until(what, BOUND, || match watch.lines(what).is_empty() {
            true => Err(format!("{:?}", watch.lines(""))),
            false => Ok(()),
        })
    };
    // Where devices are named, it begins with what they said.
    sees(r#""property":"power","value":true"#)?;
    let (code, said) = home.by_hand(&["device", "set", "kitchen-lamp", "power", "off"]);
    assert_eq!(
        (code, said.contains("done: the device says false")),
        (Some(0), true),
        "{said}"
    );
    sees(r#""property":"power","value":false"#)?;

    for (args, expected, words) in [
        (
            vec!["set", "heater", "target", "25"],
            5,
            "more is not good for the house",
        ),
        (
            vec!["set", "heater", "target", "21"],
            5,
            "heating with an open window",
        ),
        (
            vec!["set", "heater", "target", "warm"],
            2,
            "a number from 5 to 30",
        ),
        (
            vec!["set", "heater", "temperature", "21"],
            5,
            "can be read, and not written",
        ),
        (vec!["set", "sauna", "target", "21"], 4, "no device sauna"),
        (vec!["command", "front-lock", "open"], 4, "unlock"),
    ] {
        let (code, said) = home.by_hand(&[&["device"], &args[..]].concat());
        assert_eq!(
            (code, said.contains(words)),
            (Some(expected), true),
            "{args:?}: {said}"
        );
    }
    assert_eq!(home.house.lines("heater"), [] as [&str; 0]);
    let json = ["device", "set", "heater", "target", "18", "-o", "json"];
    let done: Value = serde_json::from_str(&home.node.aionctl(&json)?)?;
    assert_eq!(
        (&done["outcome"], &done["what"]),
        (&"done".into(), &"target of heater".into())
    );

    let unlock = ["device", "command", "front-lock", "unlock"];
    let asking = thread::spawn(home.node.asking(&unlock));
    let approval = home.waits()?;
    home.node.aionctl(&["approvals", "deny", &approval])?;
    let said = asking.join().unwrap().unwrap_err().to_string();
    assert!(said.contains("denied"), "{said}");
    assert_eq!(home.house.lines("front-lock"), [] as [&str; 0]);

    let why = home.node.aionctl(&["why", "by-hand"])?;
    assert!(
        why.contains("window-open") && why.contains("warm-enough"),
        "{why}"
    );
    let audit = home.node.aionctl(&["audit", "by-hand"])?;
    assert!(audit.contains("device.write:kitchen-lamp"), "{audit}");
    // Who may ask agents may not move devices by it.
    let (code, said) = home.by_hand(&["ask", "by-hand", r#"{"device": "kitchen-lamp"}"#]);
    assert_eq!(
        (code, said.contains("stands for people")),
        (Some(5), true),
        "{said}"
    );
    home.node.aionctl(&["delete", "agent", "by-hand"])?;
    let (code, said) = home.by_hand(&["device", "set", "kitchen-lamp", "power", "on"]);
    assert_eq!(
        (code, said.contains("there is no agent by-hand")),
        (Some(5), true),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_node_that_is_killed_during_a_command_says_that_nobody_knows_what_came_of_it()
-> anyhow::Result<()> {
    let Some(mut home) = Home::open("noconfirm=100")? else {
        return Ok(());
    };
    home.answers("What is open?", "Open: kitchen-window.")?;
    let asked: [&[&str]; 2] = [
        &["ask", "homekeeper", "Lock the front lock"],
        &["device", "command", "front-lock", "lock"],
    ];
    for (round, (args, agent)) in asked.iter().zip(["homekeeper", "by-hand"]).enumerate() {
        let asking = thread::spawn(home.node.asking(args));
        until("the lock to be told", BOUND, || {
            match home.house.lines("front-lock is told: lock").len() {
                told if told == round + 1 => Ok(()),
                told => Err(format!("{told} times")),
            }
        })?;
        home.node.restart_daemon()?;
        let said = asking.join().unwrap().unwrap_err().to_string();
        assert!(said.contains("went away while the call ran"), "{said}");
        let why = home.node.aionctl(&["why", agent])?;
        assert!(why.contains("outcome-unknown"), "{why}");
        until("the house to be heard again", BOUND, || {
            let said = home.ask("What is open?").map_err(|why| why.to_string())?;
            match said == "Open: kitchen-window." {
                true => Ok(()),
                false => Err(said),
            }
        })?;
    }
    assert_eq!(
        home.house.lines("front-lock is told: lock").len(),
        2,
        "each once"
    );
    Ok(())
}
