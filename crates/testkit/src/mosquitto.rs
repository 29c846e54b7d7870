//! The real Mosquitto, a broker of MQTT, on loopback.

use std::{env, fs, net::TcpStream, path::PathBuf, process::Command, time::Duration};

use tempfile::TempDir;

use crate::{Process, StartError, component, free_port, process::remove};

const BOUND: Duration = Duration::from_secs(30);
/// How many ports are tried: somebody else may take one before the broker does.
const PORTS: usize = 5;

/// What a broker is set up with; by default it lets everybody in.
#[derive(Debug, Clone, Default)]
pub struct MosquittoOptions {
    /// Who is let in, with passwords; where there are any, nobody else is.
    pub users: Vec<(String, String)>,
    /// An access list in the form of `acl_file`; without one everybody may everything.
    pub access: Option<String>,
    /// Its certificate and the key to it, in PEM form: it speaks TLS and nothing else.
    pub tls: Option<(String, String)>,
    /// Further lines of `mosquitto.conf`.
    pub settings: String,
}

/// A running broker; gone with all that it keeps when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    options: MosquittoOptions,
    port: u16,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    _folder: TempDir,
}

impl Mosquitto {
    /// Starts a broker on a free port and waits until it listens.
    ///
    /// # Errors
    /// [`StartError::Missing`] when it is not on this machine; otherwise with its log.
    pub fn start(options: MosquittoOptions) -> Result<Self, StartError> {
        let mut tried = 1;
        loop {
            let port = free_port()?;
            match started(&options, port) {
                Ok(running) => {
                    return Ok(Self {
                        options,
                        port,
                        running: Some(running),
                    });
                }
                Err(StartError::NotReady(error))
                    if tried < PORTS && error.last.contains("Address already in use") =>
                {
                    tried += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        drop(self.running.take());
    }

    /// Starts it again on the same port; it remembers nothing.
    ///
    /// # Errors
    /// With its log.
    pub fn start_again(&mut self) -> Result<(), StartError> {
        self.kill();
        self.running = Some(started(&self.options, self.port)?);
        Ok(())
    }

    /// What it has written since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        let running = self.running.as_ref();
        running.map(|it| it.process.log()).unwrap_or_default()
    }
}

fn started(options: &MosquittoOptions, port: u16) -> Result<Running, StartError> {
    let binary = binary()?;
    let folder = tempfile::Builder::new()
        .prefix("aion-mosquitto-")
        .tempdir()
        .map_err(StartError::io("making a folder for the broker"))?;
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).map_err(StartError::io(format!("writing the broker's {name}")))?;
        Ok::<_, StartError>(path.display().to_string())
    };
    let mut lines = vec![
        // Otherwise root's goes on as a user who cannot read the folder.
        "user root".to_owned(),
        "log_dest stderr".to_owned(),
        "log_type all".to_owned(),
        "persistence false".to_owned(),
        format!("listener {port} 127.0.0.1"),
        format!("allow_anonymous {}", options.users.is_empty()),
    ];
    if !options.users.is_empty() {
        let users = options.users.iter();
        let text: String = users
            .map(|(user, word)| format!("{user}:{word}\n"))
            .collect();
        let path = write("passwords", &text)?;
        component::programs(&[("mosquitto_passwd", "mosquitto")])?;
        component::run(Command::new("mosquitto_passwd").args(["-U", &path]))?;
        lines.push(format!("password_file {path}"));
    }
    if let Some(access) = &options.access {
        lines.push(format!("acl_file {}", write("access", access)?));
    }
    if let Some((certificate, key)) = &options.tls {
        lines.push(format!(
            "certfile {}",
            write("certificate.pem", certificate)?
        ));
        lines.push(format!("keyfile {}", write("key.pem", key)?));
    }
    lines.push(options.settings.clone());
    let config = write("mosquitto.conf", &lines.join("\n"))?;
    let mut command = Command::new(binary);
    command.args(["-c", &config]);
    let mut process = Process::spawn_then(
        &command,
        &folder.path().join("mosquitto.log"),
        &remove(folder.path()),
    )?;
    process.until_ready(BOUND, |_| {
        TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
    })?;
    Ok(Running {
        process,
        _folder: folder,
    })
}

/// On the `PATH`, or where Debian has it, which is not on everybody's.
fn binary() -> Result<PathBuf, StartError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("mosquitto"))
        .find(|it| it.is_file())
        .ok_or_else(|| StartError::Missing {
            component: "mosquitto",
            why: "mosquitto is neither on the PATH nor in /usr/sbin; Debian's package mosquitto has it".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::or_skip;

    #[test]
    fn a_broker_listens_until_it_is_killed_and_again_after() {
        let options = MosquittoOptions {
            users: vec![("alice".into(), "open-sesame".into())],
            access: Some("topic readwrite #\n".into()),
            ..MosquittoOptions::default()
        };
        let Some(mut broker) = or_skip(Mosquitto::start(options)) else {
            return;
        };
        let listens = |broker: &Mosquitto| TcpStream::connect(("127.0.0.1", broker.port())).is_ok();
        assert!(listens(&broker), "{}", broker.log());
        broker.kill();
        assert!(!listens(&broker));
        broker.start_again().unwrap();
        assert!(listens(&broker));
    }
}
