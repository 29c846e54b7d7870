//! Guests written by hand: what the imports do, what ends a guest, and what a hostile one gets.

#![allow(clippy::unwrap_used, clippy::panic)]

mod compiler;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use aion_abi::code::Code;
use aion_abi::syscall::Syscall;
use aion_engine::settings;
use bytes::Bytes;
use wasmtime::{Engine, Module};

use self::compiler::compile;
use super::door::{Door, NoAnswer};
use super::host::Host;
use super::{Ended, Failed};

/// A kernel that answers what it was told to, and keeps what it was asked.
#[derive(Default)]
struct Script {
    answers: VecDeque<Result<(u16, &'static str), NoAnswer>>,
    rest: Bytes,
    length: usize,
}

impl Door for Script {
    fn call(&mut self, syscall: Syscall, body: Bytes) -> Result<u16, NoAnswer> {
        // Seen in the test's own output where a guest's assertion fails.
        println!("{} {}", syscall.name(), String::from_utf8_lossy(&body));
        let (status, text) = self.answers.pop_front().unwrap_or(Ok((200, "{}")))?;
        self.respond(Bytes::from_static(text.as_bytes()));
        Ok(status)
    }

    fn read(&mut self, most: usize) -> Result<Bytes, NoAnswer> {
        Ok(self.rest.split_to(most.min(self.rest.len())))
    }

    fn respond(&mut self, body: Bytes) {
        (self.length, self.rest) = (body.len(), body);
    }

    fn length(&self) -> Option<usize> {
        Some(self.length)
    }
}

struct Guest {
    answers: Vec<Result<(u16, &'static str), NoAnswer>>,
    memory_mib: u32,
    left: Duration,
}

impl Guest {
    fn new() -> Self {
        Self {
            answers: Vec::new(),
            memory_mib: 16,
            left: Duration::from_secs(600),
        }
    }

    /// Runs a module in the text format through compiler, artifact and engine, as a worker does.
    fn run(self, text: &str) -> Result<(), Failed> {
        let wasm = wat::parse_str(text).unwrap();
        let artifact = compile(&wasm);
        let engine = Engine::new(&settings::config()).unwrap();
        #[allow(unsafe_code)]
        // SAFETY: the compiler made it, two lines above.
        let module = unsafe { Module::deserialize(&engine, artifact) }.unwrap();
        let until = Instant::now() + self.left;
        let door = Script {
            answers: self.answers.into(),
            ..Script::default()
        };
        let document = br#"{"input":{"text":"hi"}}"#.to_vec();
        let host = Host::new("home/tester".into(), document, self.memory_mib, door, until);
        let ticker = engine.clone();
        // The process's own clock is one for all tests; each has a ticker instead.
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let left = self.left;
        let ticking = std::thread::spawn(move || {
            if stopped.recv_timeout(left).is_err() {
                ticker.increment_epoch();
            }
        });
        let ended = super::start(&engine, &module, host);
        let _ = stop.send(());
        ticking.join().unwrap();
        ended
    }

    fn ended(self, text: &str) -> Ended {
        self.run(text).unwrap_err().ended
    }
}

/// A module whose `_start` is `body`, with the imports of `aion`, some of WASI, and texts in its memory.
fn guest(body: &str) -> String {
    format!(
        r#"(module
        (import "aion" "syscall" (func $syscall (param i32 i32 i32 i32) (result i32)))
        (import "aion" "response_len" (func $length (result i32)))
        (import "aion" "response_read" (func $read (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "fs.read")
        (data (i32.const 16) "fs.steal")
        (data (i32.const 32) "\ff\fe")
        (data (i32.const 48) "agent.message")
        (data (i32.const 64) "{{\22text\22:\22no\22,\22kind\22:\22failed\22}}")
        (func $is (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then (call $exit (i32.const 99)))))
        (func $recurse (result i32) (i32.add (call $recurse) (i32.const 1)))
        (func (export "_start") {body}))"#
    )
}

#[test]
fn a_response_is_read_in_parts_to_its_end() {
    let mut it = Guest::new();
    it.answers = vec![Ok((404, "0123456789"))];
    let body = "
        (call $is (call $syscall (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0)) (i32.const 404))
        (call $is (call $length) (i32.const 10))
        (call $is (call $read (i32.const 256) (i32.const 4)) (i32.const 4))
        (call $is (i32.load8_u (i32.const 259)) (i32.const 51))
        (call $is (call $read (i32.const 256) (i32.const 100)) (i32.const 6))
        (call $is (call $length) (i32.const 10))
        (call $is (call $read (i32.const 256) (i32.const 100)) (i32.const 0))";
    assert_eq!(it.run(&guest(body)), Ok(()));
}

#[test]
fn a_call_that_cannot_be_made_has_a_number_below_zero() {
    let mut it = Guest::new();
    it.answers = vec![Err(NoAnswer::Lost("gone".into()))];
    let body = "
        (call $is (call $syscall (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0)) (i32.const -1))
        (call $is (call $syscall (i32.const 32) (i32.const 2) (i32.const 0) (i32.const 0)) (i32.const -2))
        (call $is (call $syscall (i32.const 0) (i32.const 65) (i32.const 0) (i32.const 0)) (i32.const -2))
        (drop (memory.grow (i32.const 31)))
        (call $is (call $syscall (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 1048577)) (i32.const -2))";
    assert_eq!(it.run(&guest(body)), Ok(()));
}

#[test]
fn an_unknown_syscall_is_refused_like_any_other() {
    let body = "
        (call $is (call $syscall (i32.const 16) (i32.const 8) (i32.const 0) (i32.const 0)) (i32.const 404))
        (call $is (i32.gt_s (call $length) (i32.const 50)) (i32.const 1))";
    assert_eq!(Guest::new().run(&guest(body)), Ok(()));
}

#[test]
fn a_guest_has_one_argument_its_document_time_and_chance() {
    let body = "
        (call $is (call $args_sizes (i32.const 256) (i32.const 260)) (i32.const 0))
        (call $is (i32.load (i32.const 256)) (i32.const 1))
        (call $is (i32.load (i32.const 260)) (i32.const 12))
        (call $is (call $args_get (i32.const 256) (i32.const 300)) (i32.const 0))
        (call $is (i32.load8_u (i32.const 300)) (i32.const 104))
        (call $is (i32.load8_u (i32.const 311)) (i32.const 0))
        (i32.store (i32.const 400) (i32.const 512)) (i32.store (i32.const 404) (i32.const 200))
        (call $is (call $fd_read (i32.const 0) (i32.const 400) (i32.const 1) (i32.const 420)) (i32.const 0))
        (call $is (i32.load (i32.const 420)) (i32.const 23))
        (call $is (call $fd_read (i32.const 0) (i32.const 400) (i32.const 1) (i32.const 420)) (i32.const 0))
        (call $is (i32.load (i32.const 420)) (i32.const 0))
        (call $is (call $clock (i32.const 0) (i64.const 1) (i32.const 600)) (i32.const 0))
        (call $is (i64.gt_u (i64.load (i32.const 600)) (i64.const 1700000000000000000)) (i32.const 1))
        (call $is (call $random (i32.const 1000) (i32.const 20000)) (i32.const 0))
        (call $is (i64.eqz (i64.or (i64.load (i32.const 1000)) (i64.load (i32.const 20992)))) (i32.const 0))";
    assert_eq!(Guest::new().run(&guest(body)), Ok(()));
}

#[test]
fn there_are_no_files() {
    let body = "
        (call $is (call $prestat (i32.const 3) (i32.const 256)) (i32.const 8))
        (call $is (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 0)
            (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 256)) (i32.const 8))
        (call $is (call $fd_read (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 256)) (i32.const 8))
        (call $is (call $fd_write (i32.const 6) (i32.const 0) (i32.const 0) (i32.const 256)) (i32.const 8))";
    assert_eq!(Guest::new().run(&guest(body)), Ok(()));
}

#[test]
fn offsets_outside_of_the_memory_are_traps() {
    for call in [
        "(drop (call $syscall (i32.const 65530) (i32.const 7) (i32.const 0) (i32.const 0)))",
        "(drop (call $syscall (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0)))",
        "(drop (call $syscall (i32.const 0) (i32.const 7) (i32.const 0) (i32.const -1)))",
        "(drop (call $syscall (i32.const 0) (i32.const 7) (i32.const -1) (i32.const 0)))",
        "(drop (call $read (i32.const 65535) (i32.const 2)))",
        "(drop (call $read (i32.const 0) (i32.const -1)))",
        "(drop (call $random (i32.const 0) (i32.const -1)))",
        "(drop (call $args_get (i32.const 65535) (i32.const 0)))",
        "(drop (call $args_get (i32.const 0) (i32.const 65535)))",
        "(drop (call $fd_read (i32.const 0) (i32.const -8) (i32.const 2) (i32.const 0)))",
        "(i32.store (i32.const 256) (i32.const 0)) (i32.store (i32.const 260) (i32.const -1))
         (drop (call $fd_write (i32.const 1) (i32.const 256) (i32.const 1) (i32.const 0)))",
        "(drop (call $poll (i32.const 65500) (i32.const 0) (i32.const 1) (i32.const 0)))",
    ] {
        let ended = Guest::new().ended(&guest(call));
        assert!(
            matches!(&ended, Ended::Trap(why) if why.contains("outside of the program's memory")),
            "{call}: {ended}"
        );
    }
}

#[test]
fn counts_without_bound_are_refused() {
    let body = "
        (call $is (call $fd_read (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)) (i32.const 28))
        (call $is (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1025) (i32.const 0)) (i32.const 28))
        (call $is (call $poll (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 28))
        (call $is (call $poll (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)) (i32.const 28))
        (call $is (call $clock (i32.const 9) (i64.const 0) (i32.const 0)) (i32.const 28))";
    assert_eq!(Guest::new().run(&guest(body)), Ok(()));
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let mut it = Guest::new();
    it.left = Duration::from_millis(50);
    let ended = it.ended(&guest("(loop $l (br $l))"));
    assert_eq!(ended, Ended::Deadline);
    assert_eq!(ended.problem().code, Code::DeadlineExceeded);
}

#[test]
fn a_sleep_ends_at_the_deadline() {
    let mut it = Guest::new();
    it.left = Duration::from_millis(50);
    // One subscription of a clock, relative, far off.
    let body = "
        (i64.store (i32.const 280) (i64.const 9000000000000000000))
        (drop (call $poll (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 600)))";
    assert_eq!(it.ended(&guest(body)), Ended::Deadline);
}

#[test]
fn memory_grows_to_its_bound_and_no_further() {
    // 16 MiB are 256 pages; one is there.
    let body = "
        (call $is (memory.grow (i32.const 255)) (i32.const 1))
        (call $is (memory.grow (i32.const 1)) (i32.const -1))";
    assert_eq!(Guest::new().run(&guest(body)), Ok(()));
    let body = format!("{body} unreachable");
    let ended = Guest::new().ended(&guest(&body));
    let memory = Ended::Memory {
        wanted_mib: 17,
        most_mib: 16,
    };
    assert_eq!(ended, memory);
    let large = r#"(module (memory (export "memory") 4096) (func (export "_start")))"#;
    assert!(matches!(
        Guest::new().ended(large),
        Ended::Memory { most_mib: 16, .. }
    ));
}

#[test]
fn deep_recursion_is_a_trap() {
    let ended = Guest::new().ended(&guest("(drop (call $recurse))"));
    assert!(
        matches!(&ended, Ended::Trap(why) if why.contains("call stack exhausted")),
        "{ended}"
    );
}

#[test]
fn a_huge_table_is_refused() {
    let text = r#"(module (table 20000000 funcref) (memory (export "memory") 1) (func (export "_start")))"#;
    assert!(matches!(Guest::new().ended(text), Ended::Internal(_)));
    let grown = r#"(module (table 1 funcref) (memory (export "memory") 1) (func (export "_start")
        (if (i32.ne (table.grow 0 (ref.null func) (i32.const 20000000)) (i32.const -1)) (then unreachable))))"#;
    assert_eq!(Guest::new().run(grown), Ok(()));
}

#[test]
fn an_exit_code_and_a_trap_are_told_apart() {
    assert_eq!(
        Guest::new().run(&guest("(call $exit (i32.const 0)) unreachable")),
        Ok(())
    );
    assert_eq!(
        Guest::new().ended(&guest("(call $exit (i32.const 3))")),
        Ended::Exit(3)
    );
    let ended = Guest::new().ended(&guest("unreachable"));
    assert!(
        matches!(&ended, Ended::Trap(why) if why.contains("unreachable")),
        "{ended}"
    );
    let ended = Guest::new().ended(&guest("(drop (i32.load (i32.const 70000)))"));
    assert!(
        matches!(&ended, Ended::Trap(why) if why.contains("out of bounds")),
        "{ended}"
    );
}

#[test]
fn a_guest_that_said_why_is_not_spoken_for_again() {
    let body = "
        (call $is (call $syscall (i32.const 48) (i32.const 13) (i32.const 64) (i32.const 29)) (i32.const 200))
        (call $exit (i32.const 1))";
    let failed = Guest::new().run(&guest(body)).unwrap_err();
    assert_eq!((failed.ended, failed.told), (Ended::Exit(1), true));
}

#[test]
fn a_turn_that_is_over_is_over_in_a_syscall_too() {
    let mut it = Guest::new();
    it.answers = vec![Err(NoAnswer::Deadline)];
    let body = "(drop (call $syscall (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0)))";
    assert_eq!(it.ended(&guest(body)), Ended::Deadline);
}

#[test]
fn a_module_that_is_no_guest_is_refused_with_what_it_lacks() {
    for (text, lacks) in [
        (r#"(module (memory (export "memory") 1))"#, "_start"),
        (
            r#"(module (func (export "_start") (result i32) (i32.const 1)))"#,
            "_start",
        ),
        (
            r#"(module (import "env" "abort" (func)) (func (export "_start")))"#,
            "env",
        ),
        (
            r#"(module (import "aion" "syscall" (func)) (func (export "_start")))"#,
            "syscall",
        ),
    ] {
        let ended = Guest::new().ended(text);
        assert!(
            matches!(&ended, Ended::Invalid(why) if why.contains(lacks)),
            "{text}: {ended}"
        );
    }
    let without = r#"(module (import "aion" "response_read" (func $r (param i32 i32) (result i32)))
        (func (export "_start") (drop (call $r (i32.const 0) (i32.const 0)))))"#;
    assert!(matches!(Guest::new().ended(without), Ended::Trap(why) if why.contains("no memory")));
}

#[test]
fn an_artifact_of_other_settings_or_altered_is_refused_and_not_run() {
    let wasm = wat::parse_str(r#"(module (func (export "_start")))"#).unwrap();
    let mut other = settings::config();
    other.consume_fuel(true);
    let other = Engine::new(&other).unwrap();
    let engine = Engine::new(&settings::config()).unwrap();
    let load_into = |engine: &Engine, bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        super::load(engine, file).map(|_| ())
    };
    let load = |bytes: &[u8]| load_into(&engine, bytes);
    assert!(matches!(load(b""), Err(Ended::Artifact(_))));
    assert!(matches!(load(b"\0asm\x01\0\0\0"), Err(Ended::Artifact(_))));
    let good = compile(&wasm);
    assert_eq!(load(&good), Ok(()));
    assert!(matches!(load_into(&other, &good), Err(Ended::Artifact(_))));
    assert!(matches!(
        load(&good[..good.len() / 2]),
        Err(Ended::Artifact(_))
    ));
}
