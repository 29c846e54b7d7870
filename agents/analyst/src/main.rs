//! The module's entry: what comes from the worker on standard input becomes one turn.

#[cfg(target_family = "wasm")]
fn main() -> std::process::ExitCode {
    use std::io::{self, Read as _};
    use std::rc::Rc;

    use analyst::host::{Caller, Input, Worker};

    let turn = || -> io::Result<()> {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text)?;
        let input: Input = serde_json::from_slice(&text).map_err(|error| {
            io::Error::other(format!(
                "standard input is not the document of docs/wasm-abi.md: {error}"
            ))
        })?;
        let worker: Rc<dyn Caller> = Rc::new(Worker);
        analyst::turn::run(&worker, &input)
    };
    match turn() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("the analyst runs on a node of AION-OS: build it for wasm32-wasip1");
    std::process::exit(1);
}
