//! Hosts on which no reader is wanted: those where several failed within a while, as long as enough others are left.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Failures within [`WINDOW`] for which a host is listed.
pub const FAILURES: usize = 3;
/// How long a failure is remembered.
pub const WINDOW: Duration = Duration::from_secs(600);
/// At most one host in so many is listed: where most of the cluster is bad, it is not the hosts.
pub const ONE_IN: usize = 3;
/// The list is cleared when fewer than half of the readers run for so long.
pub const STARVED: Duration = Duration::from_secs(300);

/// The rule.
#[derive(Debug, Default)]
pub struct Blacklist {
    blames: BTreeMap<String, VecDeque<Duration>>,
    /// In the order of their listing.
    listed: VecDeque<String>,
    cap: usize,
    starved_since: Option<Duration>,
}

impl Blacklist {
    /// The hosts that are listed.
    pub fn listed(&self) -> BTreeSet<String> {
        self.listed.iter().cloned().collect()
    }

    /// Whether a host is.
    pub fn has(&self, host: &str) -> bool {
        self.listed.iter().any(|listed| listed == host)
    }

    /// How many nodes the cluster has. If it has shrunk, the hosts listed first are let off.
    pub fn cluster(&mut self, nodes: u32) {
        self.cap = nodes as usize / ONE_IN;
        while self.listed.len() > self.cap {
            self.listed.pop_front();
        }
    }

    /// A reader failed on this host. `certain`: and it is the host. Gives whether it is listed now and was not.
    pub fn blame(&mut self, host: &str, certain: bool, now: Duration) -> bool {
        let blames = self.blames.entry(host.to_owned()).or_default();
        blames.push_back(now);
        while blames.front().is_some_and(|&first| now.saturating_sub(first) > WINDOW) {
            blames.pop_front();
        }
        let suspect = certain || blames.len() >= FAILURES;
        if !suspect || self.has(host) || self.listed.len() >= self.cap {
            return false;
        }
        self.listed.push_back(host.to_owned());
        true
    }

    /// How many readers there are of those wanted. Gives whether the list was cleared for want of them.
    pub fn watch(&mut self, readers: u32, target: u32, now: Duration) -> bool {
        if self.listed.is_empty() || readers * 2 >= target {
            self.starved_since = None;
            return false;
        }
        let since = *self.starved_since.get_or_insert(now);
        let starved = now.saturating_sub(since) >= STARVED;
        if starved {
            *self = Blacklist { cap: self.cap, ..Blacklist::default() };
        }
        starved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_third_failure_within_the_window_lists_a_host() {
        let mut blacklist = Blacklist::default();
        blacklist.cluster(30);
        assert!(!blacklist.blame("a", false, SECOND));
        assert!(!blacklist.blame("a", false, SECOND * 2));
        assert!(!blacklist.blame("b", false, SECOND * 3), "another host's");
        assert!(!blacklist.blame("a", false, SECOND + WINDOW + SECOND), "the first is forgotten");
        assert!(blacklist.blame("a", false, SECOND * 2 + WINDOW));
        assert!(!blacklist.blame("a", false, SECOND * 2 + WINDOW), "it is listed already");
        assert!(blacklist.blame("c", true, SECOND), "its disks failed");
        assert_eq!(blacklist.listed(), ["a", "c"].map(str::to_owned).into());
    }

    #[test]
    fn a_third_of_the_cluster_at_most() {
        for (nodes, listed) in [(0, 0), (1, 0), (2, 0), (3, 1), (5, 1), (6, 2), (100, 4)] {
            let mut blacklist = Blacklist::default();
            blacklist.cluster(nodes);
            for host in ["a", "b", "c", "d"] {
                blacklist.blame(host, true, SECOND);
            }
            assert_eq!(blacklist.listed().len(), listed, "of {nodes} nodes");
        }
        let mut blacklist = Blacklist::default();
        blacklist.cluster(6);
        blacklist.blame("a", true, SECOND);
        blacklist.blame("b", true, SECOND);
        blacklist.cluster(4);
        assert_eq!(blacklist.listed(), ["b".to_owned()].into(), "the cluster shrank");
    }

    #[test]
    fn it_is_cleared_when_too_few_readers_run_for_long() {
        let mut blacklist = Blacklist::default();
        blacklist.cluster(9);
        blacklist.blame("a", true, SECOND);
        assert!(!blacklist.watch(4, 10, SECOND));
        assert!(!blacklist.watch(5, 10, STARVED), "half will do");
        assert!(!blacklist.watch(4, 10, STARVED + SECOND));
        assert!(blacklist.watch(4, 10, STARVED * 2 + SECOND));
        assert!(!blacklist.has("a"));
        assert!(!blacklist.blame("a", false, STARVED * 2 + SECOND), "and begins anew");
    }
}
