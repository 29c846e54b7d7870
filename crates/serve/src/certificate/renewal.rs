//! Taking over what is put into the place of a certificate.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Ends, InForce, State, TlsError,
    files::{Contents, Fingerprint, LONGEST_AUTHORITY, Pair},
};
use crate::tcp::TlsFiles;

/// How often the files are read. A kubelet takes a minute to bring a Secret; not every file system tells of changes.
const LOOK: Duration = Duration::from_secs(5);
/// How long a pair of another authority waits until callers are told of that authority, too.
const ANNOUNCE: Duration = Duration::from_secs(60);
/// How long both authorities are named before the new pair is in force: who was told before of one alone has this long to make
/// the connection.
const OVERLAP: Duration = Duration::from_secs(15);

/// See the module.
pub struct Renewal {
    pub(super) files: TlsFiles,
    /// Of the files whose pair is in force.
    pub(super) taken: Fingerprint,
    pub(super) in_force: Arc<InForce>,
    pub(super) state: watch::Sender<State>,
    /// The authorities that callers are told of.
    pub(super) written: watch::Receiver<String>,
    pub(super) ends: Ends,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Contents(Fingerprint),
    /// The files cannot be read.
    Unreadable(String),
}

impl Renewal {
    /// Looks for ever.
    pub async fn keep(mut self) {
        let mut before = Found::Contents(self.taken);
        loop {
            sleep(LOOK).await;
            before = self.look(before).await;
        }
    }

    /// Looks once, and takes over what the look before found as well: files that are being written differ from one look
    /// to the next.
    pub(super) async fn look(&mut self, before: Found) -> Found {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || {
            Contents::read(&files).map_err(|error| error.to_string())
        });
        let read = read.await.unwrap_or_else(|error| Err(error.to_string()));
        let found = match &read {
            Ok(contents) => Found::Contents(contents.digest()),
            Err(why) => Found::Unreadable(why.clone()),
        };
        if found != before {
            return found;
        }
        match read {
            Ok(contents) if contents.digest() == self.taken => self.refuse(None),
            Ok(contents) => match self.take(contents).await {
                Ok(()) => self.refuse(None),
                Err(error) => self.refuse(Some(error.to_string())),
            },
            Err(why) => self.refuse(Some(why)),
        }
        found
    }

    /// Puts the pair of `contents` in force. Where its authority is another one, callers are told of both before.
    async fn take(&mut self, contents: Contents) -> Result<(), TlsError> {
        let digest = contents.digest();
        let pair = Pair::of(&self.files, contents)?;
        let before = self.state.borrow().authority.clone();
        if before != pair.authority {
            self.announce(&before, &pair.authority).await;
        }
        *self.in_force.0.write() = pair.key;
        self.taken = digest;
        (self.ends)(pair.validity.until);
        self.state.send_modify(|state| {
            state.authority = pair.authority;
            state.validity = pair.validity;
        });
        tracing::info!(cert = %self.files.cert.display(), until = %pair.validity.until, "the certificate was renewed");
        Ok(())
    }

    /// Has callers told of both authorities, so that who hears of them before the change and asks after is answered.
    async fn announce(&mut self, before: &str, after: &str) {
        let both = format!("{}\n{after}", before.trim_end());
        if both.len() > LONGEST_AUTHORITY {
            tracing::warn!(
                "the certificate's authority changes, and there is no room to name both: who asks at this moment may be refused"
            );
            return;
        }
        self.state
            .send_modify(|state| state.authority.clone_from(&both));
        let named = self.written.wait_for(|written| *written == both);
        // Without what it was told: that is a lock.
        let named = async { named.await.is_ok() };
        match timeout(ANNOUNCE, named).await {
            Ok(true) => sleep(OVERLAP).await,
            // Whoever runs it says the authority to callers.
            Ok(false) => {}
            Err(_) => tracing::warn!(
                "the certificate's authority changes, and nobody could be told before: who asks at this moment may be refused"
            ),
        }
    }

    fn refuse(&self, why: Option<String>) {
        self.state.send_if_modified(|state| {
            if state.refused == why {
                return false;
            }
            // Once for each reason, not once for each look.
            if let Some(why) = &why {
                tracing::error!(%why, "the new certificate is not used; the one before stays in force");
            }
            state.refused = why;
            true
        });
    }
}
