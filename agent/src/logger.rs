//! The log: lines on stderr, and the last 32 KiB of them in a ring that `remote logs` reads.
//!
//! ```text
//!   log::info!(..) ──▶ level? ──▶ control characters out ──┬─▶ stderr
//!                                                          └─▶ LogRing (oldest out, counted)
//! ```
//! A pool's or a peer's words may be in a line, so nothing that could move a cursor gets through.
//! stderr is written by our own hand: simple_logger prints by `eprintln!`, which panics once nobody
//! reads stderr any more, and a rig must not die of that (docs/decisions/0008).

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};
use miner_shared::limits::LOG_RING;
use miner_shared::ring::LogRing;
use miner_shared::wire::{Level, LogPage};

use crate::clock::Clock;

/// The process's log.
pub struct Logger {
    ring: Mutex<LogRing<LOG_RING>>,
    clock: Clock,
    /// Least serious level that is logged, as [`number`] says.
    least: AtomicU8,
}

/// The log of this process; the `log` crate wants it to live for ever.
static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts the log, whose time counts from `clock`'s start. A second call changes nothing and gives
/// the first one's log.
pub fn start(level: LevelFilter, clock: Clock) -> &'static Logger {
    let logger = LOGGER.get_or_init(|| Logger::new(level, clock));
    // Refused only if there is a log already, which then stays: ours, or a test's.
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
    logger
}

impl Logger {
    fn new(level: LevelFilter, clock: Clock) -> Self {
        Self {
            ring: Mutex::new(LogRing::new()),
            clock,
            least: AtomicU8::new(number(level)),
        }
    }

    /// A page of the ring, of records that are at least this serious if a level is given; see
    /// [`LogRing::page`] and [`LogRing::page_of`].
    pub fn page(&self, cursor: Option<u64>, lines: u16, least: Option<Level>) -> LogPage {
        let now = self.clock.now().0;
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        match least {
            None => ring.page(cursor, lines, now),
            Some(least) => ring.page_of(cursor, lines, least, now),
        }
    }

    /// Logs from now on what is at least this serious.
    pub fn set_level(&self, least: Level) {
        let filter = match least {
            Level::Error => LevelFilter::Error,
            Level::Warn => LevelFilter::Warn,
            Level::Info => LevelFilter::Info,
            Level::Debug => LevelFilter::Debug,
            Level::Trace => LevelFilter::Trace,
        };
        self.least.store(number(filter), Ordering::Relaxed);
        log::set_max_level(filter);
    }

    /// Records that fell out of the ring.
    pub fn lost(&self) -> u64 {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.lost()
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Dependencies say nothing that an operator needs; tungstenite logs each frame.
        metadata.level() as usize <= self.least.load(Ordering::Relaxed).into()
            && metadata.target().starts_with("miner")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text: String = record
            .args()
            .to_string()
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        let (severity, target) = (record.level(), record.target());
        let _ = writeln!(io::stderr(), "{severity:<5} [{target}] {text}");
        let at = self.clock.now().0;
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.push(at, level(record.level()), &text);
    }

    fn flush(&self) {}
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logger({})", self.least.load(Ordering::Relaxed))
    }
}

/// 0 for nothing, 1 for errors, to 5 for all: the numbers of the `log` crate.
const fn number(level: LevelFilter) -> u8 {
    match level {
        LevelFilter::Off => 0,
        LevelFilter::Error => 1,
        LevelFilter::Warn => 2,
        LevelFilter::Info => 3,
        LevelFilter::Debug => 4,
        LevelFilter::Trace => 5,
    }
}

const fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(logger: &Logger, target: &str, level: log::Level, text: &str) {
        let metadata = Metadata::builder().level(level).target(target).build();
        logger.log(
            &Record::builder()
                .metadata(metadata)
                .args(format_args!("{text}"))
                .build(),
        );
    }

    #[test]
    fn the_ring_holds_what_was_logged_without_control_characters() {
        let logger = Logger::new(LevelFilter::Info, Clock::start());
        log(
            &logger,
            "miner_agent::pool",
            log::Level::Warn,
            "pool says \u{1b}[2Jhi\r\n",
        );
        log(
            &logger,
            "miner_agent::pool",
            log::Level::Debug,
            "too detailed",
        );
        log(&logger, "tungstenite", log::Level::Warn, "not ours");
        let page = logger.page(None, 10, None);
        assert_eq!(page.lines.len(), 1);
        assert_eq!(page.lines[0].text.as_str(), "pool says ?[2Jhi??");
        assert_eq!(page.lines[0].level, Level::Warn);
    }

    #[test]
    fn the_level_changes_while_it_runs_and_old_records_stay() {
        let logger = Logger::new(LevelFilter::Info, Clock::start());
        let debug = || log(&logger, "miner_agent", log::Level::Debug, "detail");
        debug();
        assert_eq!(logger.page(None, 10, None).lines.len(), 0);
        logger.set_level(Level::Debug);
        debug();
        logger.set_level(Level::Error);
        log(&logger, "miner_agent", log::Level::Warn, "unheard");
        log(&logger, "miner_agent", log::Level::Error, "bad");
        let texts = |least| {
            let page = logger.page(None, 10, least);
            page.lines
                .iter()
                .map(|line| line.text.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(None), ["detail", "bad"]);
        assert_eq!(texts(Some(Level::Warn)), ["bad"]);
    }
}
