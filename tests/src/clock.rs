//! The one place of this package that reads a clock: deadlines for real programs.
//!
//! Nothing waits a fixed time and hopes. [`eventually`] asks again until the answer is there, and fails
//! with what it waited for.

use core::time::Duration;
use std::thread;
use std::time::Instant;

/// Pause between two questions; a program's answer to each costs more than this.
const PACE: Duration = Duration::from_millis(50);

/// A moment after which waiting has failed.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    /// The moment `limit` from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the package's one clock: real programs run in real time"
    )]
    pub fn after(limit: Duration) -> Self {
        Self {
            start: Instant::now(),
            limit,
        }
    }

    /// What is left, zero when it has passed.
    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.elapsed())
    }

    /// How long ago the waiting began.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until it has passed.
    pub fn wait(&self) {
        while !self.left().is_zero() {
            thread::park_timeout(self.left());
        }
    }

    /// Gives the programs some time; false when the deadline has passed.
    pub fn pause(&self) -> bool {
        thread::park_timeout(PACE.min(self.left()));
        !self.left().is_zero()
    }
}

/// Asks until the answer is there, and returns it.
///
/// # Errors
/// The deadline passed; the text names `what` was waited for.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if !deadline.pause() {
            return Err(format!("not within {} s: {what}", limit.as_secs()));
        }
    }
}

/// Milliseconds since 1970, which the programs read too.
#[expect(
    clippy::disallowed_methods,
    reason = "the package's one clock: real programs run in real time"
)]
pub(crate) fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
