//! When an edge node is asked for its birth: at once, and then ever more rarely, until it is born.

/// Milliseconds before it is asked again, at first and at most.
const FIRST: u64 = 5_000;
const MOST: u64 = 300_000;
/// After so many times that pause without a need, the pauses begin anew.
const CALM: u64 = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ask {
    wanted: bool,
    /// It is not asked before.
    next: u64,
    pause: u64,
}

impl Ask {
    /// Its birth is needed.
    pub(super) fn want(&mut self, now: u64) {
        if !self.wanted && now > self.next.saturating_add(self.pause.saturating_mul(CALM)) {
            self.pause = 0;
        }
        self.wanted = true;
    }

    /// It is born, or gone.
    pub(super) fn satisfied(&mut self) {
        self.wanted = false;
    }

    /// Its birth is needed, and nothing was asked of who is there now.
    pub(super) fn anew(&mut self, now: u64) {
        *self = Self {
            wanted: true,
            next: now,
            pause: 0,
        };
    }

    /// It is not asked before this.
    pub(super) fn not_before(&mut self, at: u64) {
        self.next = self.next.max(at);
    }

    /// When it is asked.
    pub(super) fn due(&self) -> Option<u64> {
        self.wanted.then_some(self.next)
    }

    /// It is asked now.
    pub(super) fn asked(&mut self, now: u64) {
        self.pause = self.pause.saturating_mul(2).clamp(FIRST, MOST);
        self.next = now.saturating_add(self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_five_minutes_and_begin_anew_after_a_calm() {
        let mut ask = Ask::default();
        assert_eq!(ask.due(), None);
        let (mut now, mut pauses) = (1_000, Vec::new());
        ask.want(now);
        for _ in 0..9 {
            let at = ask.due().unwrap_or_default().max(now);
            pauses.push((at - now) / 1000);
            now = at;
            ask.asked(now);
        }
        assert_eq!(pauses, [0, 5, 10, 20, 40, 80, 160, 300, 300]);
        // One that is born and breaks again at once is asked no sooner.
        ask.satisfied();
        assert_eq!(ask.due(), None);
        ask.want(now);
        assert_eq!(ask.due(), Some(now + 300_000));
        ask.satisfied();
        now += 300_000 * (CALM + 1) + 1;
        ask.want(now);
        ask.asked(now);
        assert_eq!(ask.due(), Some(now + FIRST));
    }
}
