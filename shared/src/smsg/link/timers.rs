//! What a link does by time: handshake deadline, signs of life, end of life.
//!
//! ```text
//! made ──────── deadline            made ──────────────────────────── + 25 h: expired
//! last received ── 20 s ── ping ── 20 s ── dead
//! ```

use super::LinkError;
use crate::limits::{CLOSE_MS, DEAD_MS, HANDSHAKE_MS, IDLE_PING_MS, RENEW_MS, WELCOME_MS};
use crate::time::Millis;

#[derive(Debug)]
pub(super) struct Timers {
    made: Millis,
    last_received: Millis,
    /// Of the handshake; `None` once the link is up.
    deadline: Option<Millis>,
    /// A ping was asked for since the last frame came.
    quiet_pinged: bool,
    /// When the last ping was asked for, until it is answered.
    asked: Option<Millis>,
    /// Whether that ping is still to be sent.
    ping_owed: bool,
    /// Number of the last ping sent.
    pings: u64,
    rtt_ms: Option<u64>,
}

impl Timers {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            made: now,
            last_received: now,
            deadline: Some(now + HANDSHAKE_MS),
            quiet_pinged: false,
            asked: None,
            ping_owed: false,
            pings: 0,
            rtt_ms: None,
        }
    }

    /// The next thing to come is the Welcome.
    pub(super) fn await_welcome(&mut self, now: Millis) {
        self.deadline = Some(now + WELCOME_MS);
    }

    pub(super) fn up(&mut self) {
        self.deadline = None;
    }

    /// An authentic frame came.
    pub(super) fn received(&mut self, now: Millis) {
        self.last_received = now;
        self.quiet_pinged = false;
    }

    pub(super) fn last_received(&self) -> Millis {
        self.last_received
    }

    pub(super) fn wants_renewal(&self, now: Millis) -> bool {
        now.since(self.made) >= RENEW_MS
    }

    /// Does what is due.
    pub(super) fn handle(&mut self, now: Millis) -> Result<(), LinkError> {
        if let Some(deadline) = self.deadline {
            return if now < deadline {
                Ok(())
            } else {
                Err(LinkError::HandshakeTimeout)
            };
        }
        if now >= self.last_received + DEAD_MS {
            return Err(LinkError::Dead);
        }
        if self.expired(now) {
            return Err(LinkError::Expired);
        }
        if now >= self.last_received + IDLE_PING_MS && !self.quiet_pinged {
            self.ping(now);
        }
        Ok(())
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Millis {
        if let Some(deadline) = self.deadline {
            return deadline;
        }
        let silence = if self.quiet_pinged {
            DEAD_MS
        } else {
            IDLE_PING_MS
        };
        (self.last_received + silence).min(self.made + CLOSE_MS)
    }

    pub(super) fn expired(&self, now: Millis) -> bool {
        now.since(self.made) >= CLOSE_MS
    }

    /// A ping is to be sent; one that is on its way is forgotten.
    pub(super) fn ping(&mut self, now: Millis) {
        self.asked = Some(now);
        self.ping_owed = true;
        self.quiet_pinged = true;
    }

    pub(super) fn ping_owed(&self) -> bool {
        self.ping_owed
    }

    /// The number of the ping that is sent now.
    pub(super) fn send_ping(&mut self) -> u64 {
        self.ping_owed = false;
        self.pings += 1;
        self.pings
    }

    /// The round trip, if this pong answers the last ping.
    pub(super) fn pong(&mut self, number: u64, now: Millis) -> Option<u64> {
        if number != self.pings || self.ping_owed {
            return None;
        }
        let rtt_ms = now.since(self.asked.take()?);
        self.rtt_ms = Some(rtt_ms);
        self.rtt_ms
    }

    pub(super) fn rtt_ms(&self) -> Option<u64> {
        self.rtt_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Timers {
        let mut timers = Timers::new(Millis(0));
        timers.up();
        timers
    }

    #[test]
    fn one_silence_brings_one_ping_however_often_the_timer_is_asked() {
        let mut timers = up();
        for ms in [IDLE_PING_MS, IDLE_PING_MS + 1, DEAD_MS - 1] {
            assert_eq!(timers.handle(Millis(ms)), Ok(()));
            assert_eq!(timers.ping_owed(), ms == IDLE_PING_MS);
            if timers.ping_owed() {
                timers.send_ping();
            }
        }
        timers.received(Millis(DEAD_MS));
        assert_eq!(timers.next(), Millis(DEAD_MS + IDLE_PING_MS));
        assert_eq!(timers.handle(timers.next()), Ok(()));
        assert!(timers.ping_owed(), "the next silence brings the next ping");
    }

    #[test]
    fn only_the_answer_to_the_last_ping_gives_a_round_trip() {
        let mut timers = up();
        timers.ping(Millis(0));
        let first = timers.send_ping();
        timers.ping(Millis(100));
        assert_eq!(
            timers.pong(first, Millis(105)),
            None,
            "the second is not sent yet"
        );
        let second = timers.send_ping();
        assert_eq!(timers.pong(first, Millis(110)), None);
        assert_eq!(timers.pong(second + 1, Millis(110)), None);
        assert_eq!(timers.pong(second, Millis(120)), Some(20));
        assert_eq!(timers.pong(second, Millis(130)), None, "it counts once");
        assert_eq!(timers.rtt_ms(), Some(20));
    }
}
