//! The SDK for TypeScript: its own tests, and its package where nothing else is. They are run on a copy, since they are built
//! beside their source.

#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use aion_e2e::cluster::root;
use aion_testkit::{Interpreter, node_package, or_skip};

/// What a command printed; an error with all it said where it failed.
fn done(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?}\n{said}\n{error}");
    Ok(said)
}

fn npm(at: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut npm = Command::new("npm");
    // It asks nobody for a newer npm.
    npm.env("npm_config_update_notifier", "false");
    done(npm.args(arguments).current_dir(at))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to.parent().unwrap())?;
    done(Command::new("cp").arg("-r").args([from, to]))?;
    Ok(())
}

/// Starts a program of its own with a turn, by a fake kernel; the SDK is the installed one.
const ASK: &str = r"
import { FakeKernel } from 'aion-sdk/testing';
const kernel = await FakeKernel.start();
const first = await kernel.run([process.execPath, 'main.js'], 'The key is under the mat');
const second = await kernel.run([process.execPath, 'main.js'], 'Where is the key?');
console.log(JSON.stringify([first.text, second.text]));
await kernel.close?.();
process.exit(0);
";

#[test]
fn the_sdk_for_typescript_passes_its_tests_and_its_package_runs_where_nothing_is()
-> anyhow::Result<()> {
    let Some(modules) = or_skip(node_package("typescript")) else {
        return Ok(());
    };
    if or_skip(Interpreter::Node.command()).is_none() {
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    let package = work.path().join("sdk/ts/aion-sdk");
    let kept = [
        "sdk/ts/aion-sdk/src",
        "sdk/ts/aion-sdk/test",
        "sdk/ts/aion-sdk/README.md",
        "sdk/ts/aion-sdk/package.json",
        "sdk/ts/aion-sdk/tsconfig.json",
        "sdk/vectors",
        "sdk/conformance",
        "docs/syscalls.md",
    ];
    for path in kept {
        copy(&root().join(path), &work.path().join(path))?;
    }
    symlink(&modules, package.join("node_modules"))?;
    let tested = npm(&package, &["test"])?;
    assert!(
        tested.contains("# fail 0") || tested.contains("ℹ fail 0"),
        "{tested}"
    );

    let packed = npm(&package, &["pack", "--silent", "--pack-destination", ".."])?;
    let archive = format!("../sdk/ts/{}", packed.trim());
    let empty = work.path().join("empty");
    fs::create_dir(&empty)?;
    fs::write(empty.join("package.json"), r#"{"type": "module"}"#)?;
    npm(
        &empty,
        &["install", "--offline", "--no-audit", "--no-fund", &archive],
    )?;
    let readme = fs::read_to_string(package.join("README.md"))?;
    let example = readme
        .split("```js\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    fs::write(empty.join("main.js"), example)?;
    fs::write(empty.join("ask.js"), ASK)?;
    let said = done(Command::new("node").arg("ask.js").current_dir(&empty))?;
    assert_eq!(
        said.trim(),
        r#"["Noted.","Noted.\nYou said: The key is under the mat"]"#
    );
    Ok(())
}
