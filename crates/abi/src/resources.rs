//! What the workers of a turn used, and which of their limits they came up against.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the workers of a turn used: times of all of them together, and the most memory of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// CPU time, in milliseconds.
    #[serde(default)]
    pub cpu_ms: u64,
    /// The most memory that was held at once, in bytes; 0 where nobody knows.
    #[serde(default)]
    pub peak_memory_bytes: u64,
    /// What may be held at most.
    #[serde(default)]
    pub most_memory_bytes: u64,
    /// Of a hundred periods of its CPU quota, those in which it was used up.
    #[serde(default)]
    pub throttled_percent: u64,
    /// How long it waited for CPU, in milliseconds, all threads together.
    #[serde(default)]
    pub throttled_ms: u64,
    /// How often it was told that its memory is close to its limit.
    #[serde(default)]
    pub pressure_told: u64,
    /// The limits that it came up against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub met: Vec<Met>,
}

/// A limit that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Met {
    /// A process was ended, since there was no more memory.
    OutOfMemory,
    /// A process or thread was not made, since there were as many as may be.
    OutOfProcesses,
    /// It waited for CPU in more than a quarter of its periods.
    Throttled,
}

impl Resources {
    /// Adds what a further worker of the turn used.
    pub fn add(&mut self, other: &Self) {
        self.cpu_ms = self.cpu_ms.saturating_add(other.cpu_ms);
        self.peak_memory_bytes = self.peak_memory_bytes.max(other.peak_memory_bytes);
        self.most_memory_bytes = self.most_memory_bytes.max(other.most_memory_bytes);
        self.throttled_percent = self.throttled_percent.max(other.throttled_percent);
        self.throttled_ms = self.throttled_ms.saturating_add(other.throttled_ms);
        self.pressure_told = self.pressure_told.saturating_add(other.pressure_told);
        for met in &other.met {
            if !self.met.contains(met) {
                self.met.push(*met);
            }
        }
    }
}

impl Met {
    /// As a metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out-of-memory",
            Self::OutOfProcesses => "out-of-processes",
            Self::Throttled => "throttled",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::OutOfMemory => "ask for less at a time, or raise limits.memoryMiB",
            Self::OutOfProcesses => "start fewer at a time, or raise limits.pids",
            Self::Throttled => "raise limits.cpuMillis, or let it take its time",
        }
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "used more memory than it may",
            Self::OutOfProcesses => "was refused a process or thread, having as many as it may",
            Self::Throttled => "waited for CPU that its limit did not give",
        })
    }
}

/// In one line, for people.
impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms of CPU", self.cpu_ms)?;
        if self.peak_memory_bytes > 0 {
            write!(
                f,
                ", {} MiB of memory at most",
                self.peak_memory_bytes >> 20
            )?;
        }
        if self.most_memory_bytes > 0 {
            write!(f, " of the {} it may", self.most_memory_bytes >> 20)?;
        }
        if self.throttled_ms > 0 {
            let (ms, percent) = (self.throttled_ms, self.throttled_percent);
            write!(f, ", {ms} ms of waiting for it in {percent} % of the time")?;
        }
        match self.pressure_told {
            0 => Ok(()),
            1 => f.write_str(", told of memory pressure once"),
            times => write!(f, ", told of memory pressure {times} times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_of_a_turn_are_added_up_and_a_limit_is_named_once() {
        let one = Resources {
            cpu_ms: 10,
            peak_memory_bytes: 5 << 20,
            most_memory_bytes: 64 << 20,
            throttled_percent: 40,
            throttled_ms: 3,
            pressure_told: 1,
            met: vec![Met::OutOfMemory],
        };
        let mut all = one.clone();
        all.add(&Resources {
            peak_memory_bytes: 7 << 20,
            met: vec![Met::OutOfMemory, Met::Throttled],
            ..one
        });
        assert_eq!(all.met, [Met::OutOfMemory, Met::Throttled]);
        let told = all.to_string();
        let expect = "20 ms of CPU, 7 MiB of memory at most of the 64 it may, 6 ms of waiting for it in 40 % of the time, \
                      told of memory pressure 2 times";
        assert_eq!(told, expect);
    }
}
