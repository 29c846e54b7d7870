//! What is told where a worker's memory is close to its limit.

use aion_abi::notice::{Notice, Resource};
use aion_sandbox::protocol::Pressure;

use super::Crew;

impl Crew {
    /// The memory of a worker is close to its limit: its program is told, and the log at its first time.
    pub(super) fn pressed(&mut self, pressure: &Pressure) {
        let Some(member) = self.workers.get_mut(&pressure.id) else {
            return;
        };
        member.pressure_told += 1;
        if let Some(listener) = &member.listener {
            listener.tell(&Notice::Pressure {
                resource: Resource::Memory,
                held_bytes: pressure.held_bytes,
                high_bytes: pressure.high_bytes,
                most_bytes: pressure.most_bytes,
            });
        }
        if member.pressure_told == 1 {
            let (held, most) = (pressure.held_bytes >> 20, pressure.most_bytes >> 20);
            let text = format!("it was told of memory pressure: it holds {held} of {most} MiB");
            self.parts.note(&self.workers[&pressure.id], &text);
        }
    }
}
