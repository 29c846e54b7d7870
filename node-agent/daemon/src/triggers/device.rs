//! What devices say, where that starts turns.

use aion_abi::syscall::device::Value;
use aion_api::Trigger;
use aion_resolve::Key;
use uuid::Uuid;

use super::{Triggers, row::Occasion, table::Id, text};
use crate::devices::Happened;

/// As the device is named among what triggers hear.
pub(super) fn source(namespace: &str, device: &str) -> String {
    // No agent is called so.
    format!("device {namespace}/{device}")
}

impl Triggers {
    /// A property of a device became something else.
    pub(super) fn device_said(&self, happened: &Happened) {
        let source = source(&happened.device.namespace, &happened.device.name);
        let hearers = self.shared.table.lock().hearers(&source);
        for id in hearers {
            self.take_from_device(&id, happened);
        }
    }

    fn take_from_device(&self, id: &Id, happened: &Happened) {
        let Some((_, trigger)) = self.look(id) else {
            return;
        };
        if !is_for(&trigger, happened) {
            return;
        }
        let now = self.now();
        let occasion = Occasion {
            key: format!("device-{}", Uuid::new_v4().simple()),
            at: happened.at,
            since: now.at,
            scheduled: None,
            file: None,
            source: None,
            said: Some(said(happened)),
            depth: 0,
        };
        let (taken, left_out) = {
            let mut table = self.shared.table.lock();
            let Some(entry) = table.get_mut(id) else {
                return;
            };
            let taken = entry.row.take(occasion, &trigger, now).is_ok();
            (taken, entry.row.skipped.clone().filter(|_| !taken))
        };
        self.count(&trigger, left_out.as_ref());
        if !taken {
            // The reason is in the row; it need not be on the disk at once.
            self.keep_later(id);
            return;
        }
        let (this, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            // What waits is kept before it is asked.
            if let Err(error) = this.keep(&id).await {
                tracing::warn!(trigger = %id, %error, "what a device said is not kept yet");
            }
            let _ = this.advance(&id).await;
        });
    }

    /// The devices that triggers listen to, as they are now.
    pub(super) fn devices(&self) -> std::collections::BTreeSet<Key> {
        let prefix = source("", "");
        let prefix = prefix.trim_end_matches('/');
        let table = self.shared.table.lock();
        let named = table.sources().filter_map(|it| it.strip_prefix(prefix));
        let keys = named.filter_map(|it| it.split_once('/'));
        keys.map(|(namespace, device)| Key::new(namespace, device))
            .collect()
    }
}

/// Whether a trigger is for this. What a property was before the node began to listen is not known: then it became what it is
/// only where the trigger waits for just that.
fn is_for(trigger: &Trigger, happened: &Happened) -> bool {
    let property = trigger.property.as_ref();
    let value = happened.value.to_string();
    let fits = trigger.becomes.contains(&value);
    property.is_none_or(|it| *it == happened.property)
        && (trigger.becomes.is_empty() || fits)
        && (fits || happened.before.is_some())
}

/// In the node's own words: a text that a device says is not among them, as it is a stranger's.
fn said(happened: &Happened) -> String {
    let value = |it: &Value| match (it, &happened.text) {
        (Value::Text(_), true) => "another text".to_owned(),
        (it, _) => it.to_string(),
    };
    let before = happened.before.as_ref();
    let before = before
        .map(|it| format!(" (was {})", value(it)))
        .unwrap_or_default();
    let (device, property) = (&happened.device.name, &happened.property);
    let at = text::date(happened.at, None);
    format!(
        "{device}: {property} is {}{before} since {at}",
        value(&happened.value)
    )
}

#[cfg(test)]
mod tests {
    use aion_abi::date::UnixMillis;

    use super::*;

    fn happened(value: &str, before: Option<&str>) -> Happened {
        let text = |it: &str| Value::Text(it.to_owned());
        Happened {
            device: Key::new("home", "door"),
            property: "contact".to_owned(),
            value: text(value),
            before: before.map(text),
            text: false,
            at: UnixMillis(0),
        }
    }

    fn trigger(property: Option<&str>, becomes: &[&str]) -> Trigger {
        Trigger {
            device: Some("door".to_owned()),
            property: property.map(str::to_owned),
            becomes: becomes.iter().map(|it| (*it).to_owned()).collect(),
            ..Trigger::default()
        }
    }

    #[test]
    fn a_trigger_is_for_what_it_names_and_for_nothing_else() {
        let opened = happened("open", Some("closed"));
        let closed = happened("closed", Some("open"));
        assert!(is_for(&trigger(None, &[]), &opened));
        assert!(is_for(&trigger(Some("contact"), &["open"]), &opened));
        assert!(!is_for(&trigger(Some("contact"), &["open"]), &closed));
        assert!(!is_for(&trigger(Some("battery"), &[]), &opened));
        // The first word after a start.
        assert!(is_for(
            &trigger(Some("contact"), &["open"]),
            &happened("open", None)
        ));
        assert!(!is_for(&trigger(None, &[]), &happened("open", None)));
    }

    #[test]
    fn what_is_said_is_in_the_nodes_words_and_a_text_is_not_among_them() {
        let mut it = happened("open", Some("closed"));
        assert_eq!(
            said(&it),
            "door: contact is open (was closed) since 1970-01-01T00:00:00Z"
        );
        it.text = true;
        assert_eq!(
            said(&it),
            "door: contact is another text (was another text) since 1970-01-01T00:00:00Z"
        );
    }
}
