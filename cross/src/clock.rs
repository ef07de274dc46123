//! The one place of this program that reads a clock.

use std::time::Instant;

/// A running stop watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopWatch(Instant);

impl StopWatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program's one clock; build stages have no virtual time"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn secs(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
