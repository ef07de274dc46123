//! The bytes of an answer, read piece by piece as the connection takes them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use miner_shared::time::Millis;

use crate::files::{Content, FileName};
use crate::limits::HTTP_PIECE;
use crate::progress::{Failure, Step};
use crate::server::State;

/// A part of a file on its way; or nothing.
pub(super) struct Body(Option<Part>);

struct Part {
    content: Content,
    at: u64,
    from: u64,
    to: u64,
    watch: Watch,
}

/// Tells the progress of a file. Dropped before the end, the file did not get through.
pub(super) struct Watch {
    name: FileName,
    state: Arc<State>,
    started: Millis,
    sent: u64,
    over: bool,
}

impl Body {
    pub(super) const fn empty() -> Self {
        Self(None)
    }

    /// The bytes from `from` to in front of `to`.
    pub(super) const fn new(content: Content, from: u64, to: u64, watch: Watch) -> Self {
        Self(Some(Part {
            content,
            at: from,
            from,
            to,
            watch,
        }))
    }
}

impl Part {
    fn piece(&mut self) -> io::Result<Bytes> {
        let left = usize::try_from(self.to - self.at).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(HTTP_PIECE)];
        let read = self.content.read_at(self.at, &mut piece)?;
        if read < piece.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += u64::try_from(read).map_err(io::Error::other)?;
        Ok(piece.into())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(part) = self.0.as_mut().filter(|part| part.at < part.to) else {
            return Poll::Ready(None);
        };
        let piece = match part.piece() {
            Ok(piece) => piece,
            Err(error) => {
                part.watch.fail(&error);
                return Poll::Ready(Some(Err(error)));
            }
        };
        // hyper asks for a piece when the connection has taken those before it, but for a buffer.
        part.watch.sent(part.at - part.from, part.at == part.to);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|part| part.at == part.to)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |part| part.to - part.at))
    }
}

impl Watch {
    pub(super) fn begin(name: FileName, state: Arc<State>) -> Self {
        state.record(name.mac, Step::Started(name.file));
        Self {
            started: state.clock.now(),
            name,
            state,
            sent: 0,
            over: false,
        }
    }

    fn sent(&mut self, bytes: u64, all: bool) {
        let FileName { mac, file } = self.name;
        self.sent = bytes;
        self.state.sent(mac, bytes);
        if all {
            self.over = true;
            let took_ms = self.state.clock.now().since(self.started);
            self.state.record(
                mac,
                Step::Finished {
                    file,
                    bytes,
                    took_ms,
                },
            );
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let FileName { mac, file } = self.name;
        log::warn!("boot file cannot be read rig={mac} file={file} error={error}");
        self.end(Failure::Unreadable);
    }

    fn end(&mut self, why: Failure) {
        if !std::mem::replace(&mut self.over, true) {
            let FileName { mac, file } = self.name;
            let bytes = self.sent;
            self.state.record(mac, Step::Failed { file, bytes, why });
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end(Failure::Lost);
    }
}
