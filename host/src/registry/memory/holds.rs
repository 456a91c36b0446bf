//! Which bodies written ahead may still be consumed: see [`crate::registry::period`].

use std::time::Duration;

/// The hosts' holds, as one process sees them, and the floor that was made of them.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// Deadline and earliest period of each. Which of them are of one host does not matter: all run out.
    holds: Vec<(Duration, u32)>,
    /// What lies in segments of earlier periods is consumed no more.
    floor: u32,
    /// The floor that the period before this one began with.
    before: u32,
}

impl Holds {
    /// Whether what was written ahead in this period may be gone.
    pub(super) const fn ended(&self, period: u32) -> bool {
        period < self.floor
    }

    pub(super) fn hold(&mut self, from: u32, now: Duration, lease: Duration) -> bool {
        if self.ended(from) {
            return false;
        }
        self.holds.retain(|(deadline, _)| *deadline > now);
        self.holds.push((now + lease, from));
        true
    }

    pub(super) fn begin_period(&mut self, period: u32, now: Duration) {
        self.holds.retain(|(deadline, _)| *deadline > now);
        let held = self.holds.iter().map(|(_, from)| *from).min();
        self.before = self.floor;
        self.floor = self.floor.max(held.unwrap_or(period).min(period));
    }

    /// The floor that was set when the period `oldest` began, as far as it is remembered in the period `current`.
    pub(super) const fn floor_of(&self, oldest: u32, current: u32) -> u32 {
        if oldest >= current {
            self.floor
        } else if oldest + 1 == current {
            self.before
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_hold_keeps_the_floor_down_until_it_runs_out() {
        let mut holds = Holds::default();
        assert!(holds.hold(0, SECOND, SECOND * 10));
        holds.begin_period(1, SECOND);
        assert!(!holds.ended(0), "held");
        assert_eq!(holds.floor_of(1, 1), 0);
        holds.begin_period(2, SECOND * 11);
        assert!(holds.ended(1), "the hold has run out");
        assert!(!holds.ended(2));
        assert!(!holds.hold(1, SECOND * 12, SECOND));
        assert!(holds.hold(2, SECOND * 12, SECOND));
    }

    #[test]
    fn the_floor_of_the_oldest_period_counts() {
        let mut holds = Holds::default();
        holds.begin_period(1, SECOND);
        holds.begin_period(2, SECOND);
        assert_eq!(holds.floor_of(2, 2), 2, "nothing is unresolved");
        assert_eq!(holds.floor_of(1, 2), 1, "something of the period before is");
        assert_eq!(holds.floor_of(0, 2), 0, "nobody remembers");
    }
}
