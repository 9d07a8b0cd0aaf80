//! What is said to the ResourceManager, and in which order.
//!
//! One request is under way at a time. Heartbeats are numbered: the ResourceManager answers one that it has answered
//! before with the same answer, **without reading it again**. So a heartbeat whose answer was lost is sent again as it
//! was, and what is new waits for the next one. After a registration the numbers begin at 0, and all that still holds
//! is said anew.

use super::action::{AllocateRequest, Ask};
use super::event::RmFault;
use super::settings::Settings;
use crate::ContainerId;
use std::collections::BTreeSet;
use std::time::Duration;

/// An ask that brought nothing for so long is said again. It is harmless, and mends what the ResourceManager may have lost.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// What is missing is asked after eagerly for so long. A full queue may take hours.
const EAGER: Duration = Duration::from_secs(10);
/// The first pause after a request that failed; each one in a row doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The state of the conversation.
#[derive(Debug, Default)]
pub struct Conversation {
    registered: bool,
    outstanding: bool,
    /// The heartbeat that was sent and has no answer.
    unanswered: Option<AllocateRequest>,
    response_id: i32,
    /// When the last answer came, or the last failure.
    heard: Option<Duration>,
    /// Requests that failed in a row.
    failures: u32,
    /// Since when they do.
    failing_since: Option<Duration>,
    /// What came in place of the last answer, if anything did.
    strange: Option<String>,
    /// Containers that the ResourceManager believes to be asked for, once it has answered.
    asked: Option<u32>,
    asked_at: Duration,
    blacklist_told: BTreeSet<String>,
    releases: BTreeSet<ContainerId>,
}

impl Conversation {
    /// Whether the ResourceManager knows this attempt.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Whether a request has no answer yet.
    pub fn is_waiting(&self) -> bool {
        self.outstanding
    }

    /// Containers that the ResourceManager is believed to be looking for.
    pub fn asked(&self) -> u32 {
        self.asked.unwrap_or(0)
    }

    /// A container is given back, with the next heartbeat.
    pub fn release(&mut self, id: ContainerId) {
        self.releases.insert(id);
    }

    /// Since when the ResourceManager has not answered.
    pub fn failing_since(&self) -> Option<Duration> {
        self.failing_since
    }

    /// What came in place of the last answer that should have come.
    pub fn strange(&self) -> Option<&str> {
        self.strange.as_deref()
    }

    /// Whether something may be said now, `pause` after the last answer. If so, it must be.
    pub fn may_speak(&mut self, now: Duration, pause: Duration) -> bool {
        let pause = match self.failures {
            0 => pause,
            n => (PAUSE * (1 << (n - 1).min(5))).min(LONGEST_PAUSE),
        };
        let may = !self.outstanding && self.heard.is_none_or(|heard| now.saturating_sub(heard) >= pause);
        self.outstanding |= may;
        may
    }

    /// Whether there is something to say that should not wait for the next heartbeat.
    pub fn is_eager(&self, now: Duration, want: u32) -> bool {
        let waits = want > 0 && now.saturating_sub(self.asked_at) < EAGER;
        waits || self.asked != Some(want) || !self.releases.is_empty()
    }

    /// The next heartbeat, which asks for `want` containers.
    pub fn heartbeat(
        &mut self,
        now: Duration,
        want: u32,
        blacklist: BTreeSet<String>,
        progress: f32,
        settings: &Settings,
    ) -> AllocateRequest {
        if let Some(request) = &self.unanswered {
            return request.clone();
        }
        let stale = want > 0 && now.saturating_sub(self.asked_at) >= ASK_AGAIN;
        let mut asks = Vec::new();
        if self.asked != Some(want) || stale {
            (self.asked, self.asked_at) = (Some(want), now);
            asks.push(Ask {
                priority: settings.priority,
                resource: settings.reader,
                node_label: settings.node_label.clone(),
                count: want,
            });
        }
        let request = AllocateRequest {
            response_id: self.response_id,
            asks,
            releases: std::mem::take(&mut self.releases).into_iter().collect(),
            blacklist_additions: blacklist.difference(&self.blacklist_told).cloned().collect(),
            blacklist_removals: self.blacklist_told.difference(&blacklist).cloned().collect(),
            progress,
        };
        self.blacklist_told = blacklist;
        self.unanswered = Some(request.clone());
        request
    }

    /// A heartbeat was answered: with the number of the next, and so many new containers. False if nothing had been asked.
    pub fn answered(&mut self, now: Duration, response_id: i32, allocated: usize) -> bool {
        if self.unanswered.take().is_none() {
            return false;
        }
        self.heard(now);
        self.response_id = response_id;
        if allocated > 0 {
            self.asked = self.asked.map(|asked| asked.saturating_sub(allocated as u32));
            self.asked_at = now;
        }
        true
    }

    /// The attempt is registered: the numbers begin anew, and the ResourceManager knows of no asks, and of no
    /// blacklist. `releases` are containers of which it may have forgotten that they were given back. What it answers
    /// only now counts as an answer, so that one that takes registrations and no heartbeats is not borne for ever.
    pub fn registered(&mut self, now: Duration, releases: impl IntoIterator<Item = ContainerId>) {
        self.registered = true;
        self.outstanding = false;
        self.heard = Some(now);
        self.failures = self.failures.min(1);
        self.unanswered = None;
        self.response_id = 0;
        self.asked = None;
        self.blacklist_told.clear();
        self.releases.extend(releases);
    }

    /// The ResourceManager answered.
    pub fn heard(&mut self, now: Duration) {
        self.outstanding = false;
        self.heard = Some(now);
        self.failures = 0;
        self.failing_since = None;
    }

    /// It refuses what it will take later: it is not silent.
    pub fn refused_for_now(&mut self) {
        self.failing_since = None;
    }

    /// A request failed.
    pub fn failed(&mut self, now: Duration, fault: &RmFault) {
        self.outstanding = false;
        self.heard = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        self.strange = match fault {
            RmFault::Strange { message } => Some(message.clone()),
            _ => None,
        };
        match fault {
            RmFault::NotRegistered => {
                // It is there again: it need not be spared.
                self.failures = 1;
                self.registered = false;
                self.unanswered = None;
            }
            // It was read, and nothing of it was done.
            RmFault::Refused { .. } => {
                if let Some(request) = self.unanswered.take() {
                    self.releases.extend(request.releases);
                    self.asked = None;
                    // To be said again with the next one: what is listed there and not here would never be.
                    request.blacklist_additions.iter().for_each(|host| {
                        self.blacklist_told.remove(host);
                    });
                    self.blacklist_told.extend(request.blacklist_removals);
                }
            }
            RmFault::AlreadyRegistered
            | RmFault::AttemptUnknown
            | RmFault::Retriable
            | RmFault::Connection
            | RmFault::Strange { .. } => {}
        }
    }
}
