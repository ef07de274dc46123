//! A socket that is read no further and no faster than its peer has a right to.
//!
//! Below WebSocket, HTTP and TLS, so that it holds for whatever they make of the bytes: long headers,
//! pings, fragments and records without content.
//!
//! | the peer | may send |
//! |---|---|
//! | is unproven | [`MAX_UNPROVEN_BYTES`] in all, or [`MAX_UNPROVEN_TLS_BYTES`] if it speaks TLS; then the socket reads as broken |
//! | is registered | what it likes, with a pause of [`REST`] after every [`TURN`] reads without one of its own |

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use miner_shared::limits::{MAX_UNPROVEN_BYTES, MAX_UNPROVEN_TLS_BYTES};
use smol::Timer;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;

/// Reads in a row, of at most 1 KiB each (16 KiB below TLS), before other tasks get their turn.
const TURN: u32 = 16;
/// Pause after a turn.
const REST: Duration = Duration::from_millis(10);

/// What a socket's reader and its owner share.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    proven: AtomicBool,
}

impl Meter {
    /// The peer is registered: it may send as much as it likes, in time.
    pub(crate) fn lift(&self) {
        self.proven.store(true, Ordering::Relaxed);
    }
}

/// A TCP stream with a meter.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: TcpStream,
    meter: Arc<Meter>,
    allowance: usize,
    bytes: usize,
    turn: u32,
    rest: Option<Timer>,
}

impl Metered {
    /// A stream that somebody dialled: nothing of the peer is known.
    pub(crate) fn new(stream: TcpStream, meter: Arc<Meter>) -> Self {
        Self {
            stream,
            meter,
            allowance: MAX_UNPROVEN_BYTES,
            bytes: 0,
            turn: 0,
            rest: None,
        }
    }

    /// The same below TLS.
    pub(crate) fn for_tls(stream: TcpStream, meter: Arc<Meter>) -> Self {
        Self {
            allowance: MAX_UNPROVEN_TLS_BYTES,
            ..Self::new(stream, meter)
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.turn >= TURN {
            self.turn = 0;
            self.rest = Some(Timer::after(REST));
        }
        if let Some(rest) = &mut self.rest {
            ready!(Pin::new(rest).poll(context));
            self.rest = None;
        }
        let unproven = !self.meter.proven.load(Ordering::Relaxed);
        let left = self.allowance.saturating_sub(self.bytes);
        if unproven && left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let room = if unproven { left } else { buffer.len() };
        let len = buffer.len().min(room);
        let buffer = buffer.get_mut(..len).unwrap_or_default();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &read {
            Poll::Ready(Ok(len)) => {
                self.turn += 1;
                if unproven {
                    self.bytes += len;
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.turn = 0,
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}
