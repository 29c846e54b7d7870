//! LiteLLM's proxy as its users start it, in front of the same model.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use aion_testkit::python_package;
use anyhow::Result;
use tempfile::TempDir;

use crate::null_model::SIZES;
use crate::programs::{Running, scratch};
use crate::proxy::Asked;

/// See the module.
pub(crate) struct Litellm {
    process: Running,
    pub(crate) asked: Asked,
    _folder: TempDir,
}

impl Litellm {
    /// In front of the model at that port.
    ///
    /// # Errors
    /// It is not on this machine.
    pub(crate) fn start(model: u16) -> Result<Self> {
        let site = python_package("litellm")?;
        let folder = scratch()?;
        let mut config = "model_list:\n".to_owned();
        for size in SIZES {
            config += &format!(
                "  - model_name: null-{size}\n    litellm_params: {{model: openai/null, api_base: 'http://127.0.0.1:{model}/{size}/v1', api_key: none}}\n"
            );
        }
        // It starts with no key that is easily guessed, as ours does.
        let key = format!("sk-{}", uuid::Uuid::new_v4().simple());
        let path = folder.path().join("config.yaml");
        fs::write(&path, config)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let mut command = Command::new("python3");
        command.args([
            "-c",
            "from litellm import run_server; run_server()",
            "--config",
        ]);
        command.arg(&path).args([
            "--host",
            "127.0.0.1",
            "--num_workers",
            "1",
            "--telemetry",
            "False",
        ]);
        command
            .args(["--port", &port.to_string()])
            .env("PYTHONPATH", site);
        // It would ask for a list of prices elsewhere, and say each request.
        command
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_MASTER_KEY", &key)
            .env("LITELLM_LOG", "ERROR");
        Ok(Self {
            process: Running::start(&mut command)?,
            asked: Asked {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                key,
                path: |_| "/v1/chat/completions".to_owned(),
                model: |size| format!("null-{size}"),
            },
            _folder: folder,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}
