//! What births and data say of metrics.
//!
//! What may not enter: the order of messages, who is there.

use std::{collections::HashSet, sync::Arc};

use super::{Born, Node, doubt, there};
use crate::{
    edge,
    registry::edges::Word,
    sparkplug::{self, Metric, Payload},
};

impl Node {
    /// A device is born, or the edge node itself.
    pub(super) fn device_birth(&mut self, name: &str, read: &Payload, out: &mut Vec<Word>) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.born_anew(name);
        let mut followed = self.devices.get_mut(name);
        let owner: Arc<str> = followed
            .as_ref()
            .map_or_else(|| name.into(), |it| Arc::clone(&it.name));
        if let Some(it) = followed.as_deref_mut() {
            it.born = true;
            it.metrics.clear();
            // Whatever it does not say is of an earlier life.
            doubt(it, "it was born anew, and its birth does not say it", out);
            there(it, Some(true), out);
        }
        let (mut unread, mut wrong) = (0, None);
        let mut says = Vec::new();
        for metric in read.metrics() {
            let (metric, metric_name) = match metric {
                Ok(metric) => match metric.name.clone() {
                    Some(name) => (metric, name),
                    None => {
                        unread += 1;
                        wrong = Some("a metric of a birth has no name".to_owned());
                        continue;
                    }
                },
                Err(why) => {
                    unread += 1;
                    wrong = Some(why);
                    continue;
                }
            };
            let wanted = followed
                .as_ref()
                .and_then(|it| it.wanted(&metric_name).cloned());
            if let Some(alias) = metric.alias
                && let Err(why) = session.name(alias, &owner, wanted.as_ref())
            {
                unread += 1;
                wrong = Some(why);
            }
            if let (Some(it), Some(wanted)) = (followed.as_deref_mut(), wanted) {
                let born = Born {
                    alias: metric.alias,
                    datatype: metric.datatype.unwrap_or_default(),
                };
                it.metrics.insert(Arc::clone(&wanted), born);
                says.push((wanted, metric));
            }
        }
        let before = edge::heard(&self.group, &self.name, (!name.is_empty()).then_some(name));
        self.counts.unread += unread;
        if let Some(why) = wrong {
            self.note(&why);
        }
        for (wanted, metric) in last_of_each(says, |(name, it)| (name, it)) {
            let datatype = metric.datatype.unwrap_or_default();
            self.say(
                &edge::place(&before, &wanted),
                &metric,
                (datatype, true),
                out,
            );
        }
    }

    pub(super) fn data(&mut self, name: &str, read: &Payload, now: u64, out: &mut Vec<Word>) {
        let (Some(session), Some(device)) = (&self.session, self.devices.get(name)) else {
            return;
        };
        if !device.born {
            self.counts.unborn += 1;
            return self.ask.want(now);
        }
        let (mut wrong, mut says) = (Vec::new(), Vec::new());
        for metric in read.metrics() {
            let metric = match metric {
                Ok(metric) => metric,
                Err(why) => {
                    wrong.push(why);
                    continue;
                }
            };
            let wanted = match (&metric.name, metric.alias) {
                (Some(name), _) => device.wanted(name).cloned(),
                (None, Some(alias)) => match session.metric(alias, name) {
                    Ok(wanted) => wanted,
                    Err(why) => {
                        wrong.push(why);
                        continue;
                    }
                },
                (None, None) => {
                    wrong.push("a metric has neither a name nor an alias".to_owned());
                    continue;
                }
            };
            let Some(wanted) = wanted else { continue };
            match device.metrics.get(&wanted) {
                Some(born) => says.push((wanted, metric.datatype.unwrap_or(born.datatype), metric)),
                None => wrong.push(format!("metric {wanted} was not in its birth")),
            }
        }
        let before = edge::heard(&self.group, &self.name, (!name.is_empty()).then_some(name));
        for (wanted, datatype, metric) in last_of_each(says, |(name, _, it)| (name, it)) {
            self.say(
                &edge::place(&before, &wanted),
                &metric,
                (datatype, false),
                out,
            );
        }
        self.counts.unread += wrong.len() as u64;
        if let Some(why) = wrong.pop() {
            self.note(&why);
            // A birth would say it.
            self.ask.want(now);
        }
    }

    fn say(
        &mut self,
        place: &str,
        metric: &Metric,
        (datatype, birth): (u32, bool),
        out: &mut Vec<Word>,
    ) {
        if metric.is_historical == Some(true) {
            self.counts.historical += 1;
            return;
        }
        let place = place.to_owned();
        let said = match metric.not_known() {
            Some(why) => Err(why),
            None => sparkplug::text(metric, datatype),
        };
        out.push(match said {
            Ok(text) => Word::Says { place, text, birth },
            Err(why) => Word::Unknown { place, why },
        });
    }
}

/// Of what one message says of each metric, the last, and all that is of before.
fn last_of_each<T>(mut says: Vec<T>, of: impl Fn(&T) -> (&Arc<str>, &Metric)) -> Vec<T> {
    let mut seen = HashSet::new();
    says.reverse();
    says.retain(|it| {
        let (name, metric) = of(it);
        metric.is_historical == Some(true) || seen.insert(Arc::clone(name))
    });
    says.reverse();
    says
}
