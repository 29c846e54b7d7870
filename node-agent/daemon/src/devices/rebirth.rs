//! Edge nodes of Sparkplug that are asked for their births. Not an effect on any device: an edge node says again what it is.
//!
//! What may not enter: when one is asked, which the registry decides.

use aion_device::{MayAsk, Moment, RebirthRequest};
use aion_drivers::device::{Publish, Qos};

use super::{Tenure, link::Link};

impl Link {
    /// Asks the edge nodes that discovery wants births of, where none of their devices here says otherwise.
    pub(super) fn ask_as_it_may(&self, births: Vec<RebirthRequest>, tenure: &Tenure, now: Moment) {
        let mut asked = Vec::new();
        for it in births {
            match self.registry(|registry| registry.may_ask(&it, now)) {
                MayAsk::Yes => asked.push(it),
                MayAsk::Later => self.announced.put_off(&it),
                MayAsk::No => {}
            }
        }
        if !asked.is_empty() {
            self.ask_for(asked, tenure);
        }
    }

    /// Asks edge nodes for their births, as long as this node serves its devices. One that is not heard is asked again.
    pub(super) fn ask_for(&self, births: Vec<RebirthRequest>, tenure: &Tenure) {
        let Ok(connection) = self.connection() else {
            return;
        };
        for it in births {
            if !tenure.holds() {
                return;
            }
            let (connection, broker) = (connection.clone(), self.key().clone());
            tokio::spawn(async move {
                let publish = Publish {
                    topic: it.topic.clone(),
                    payload: it.payload.into(),
                    qos: Qos::AtMostOnce,
                    retain: false,
                };
                match connection.publish(publish).await {
                    Ok(()) => {
                        tracing::info!(%broker, topic = it.topic, "asked an edge node for its birth")
                    }
                    Err(why) => {
                        tracing::warn!(%broker, topic = it.topic, %why, "an edge node could not be asked for its birth")
                    }
                }
            });
        }
    }
}
