//! WebSocket, narrowed to what SMSG needs: binary messages of at most [`MAX_FRAME`] bytes.
//!
//! | what comes | what happens |
//! |---|---|
//! | path other than `/ws` | 404 |
//! | an `Origin` header: a browser | 403 |
//! | no sub-protocol `smsg.1` | 400 |
//! | a text message | closed with 1003 |
//! | a message above [`MAX_FRAME`] | closed with 1009 |
//! | this program ends | closed with 1001 |
//! | the session ends in any other way | closed with 1000 |

use std::fmt;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use async_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use async_tungstenite::tungstenite::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use async_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
pub(super) use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use async_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};
use miner_shared::limits::MAX_FRAME;
use smol::net::TcpStream;
use smol::stream::StreamExt;

use crate::tls::{self, Duplex, SpkiPin, TlsError};
use crate::url::ControllerUrl;

const PATH: &str = "/ws";
const SUB_PROTOCOL: HeaderValue = HeaderValue::from_static("smsg.1");

/// Why a socket is of no use any more. For the local log.
#[derive(Debug)]
pub(crate) enum SocketError {
    Closed,
    NotBinary,
    NotHttp,
    Tls(TlsError),
    Ws(Box<WsError>),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::NotBinary => f.write_str("the peer sent text"),
            Self::NotHttp => {
                f.write_str("it does not answer in HTTP; if `--tls` is on there, dial wss://")
            }
            Self::Tls(error) => error.fmt(f),
            Self::Ws(error) => error.fmt(f),
        }
    }
}

impl From<WsError> for SocketError {
    /// A peer that goes without a Close frame, or whose machine does, has gone: no more than that.
    fn from(error: WsError) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error {
            WsError::ConnectionClosed
            | WsError::AlreadyClosed
            | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Closed,
            WsError::Protocol(ProtocolError::HttparseError(_)) => Self::NotHttp,
            WsError::Io(e)
                if matches!(
                    e.kind(),
                    BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
                ) =>
            {
                Self::Closed
            }
            error => Self::Ws(Box::new(error)),
        }
    }
}

/// A WebSocket that carries SMSG frames.
pub(crate) struct Socket(WebSocketStream<Box<dyn Duplex>>);

impl Socket {
    /// The listener's half of the opening.
    pub(crate) async fn accept(stream: TcpStream) -> Result<Self, SocketError> {
        stream.set_nodelay(true).map_err(WsError::Io)?;
        let stream: Box<dyn Duplex> = Box::new(stream);
        let socket = accept_hdr_async_with_config(stream, admit, Some(config())).await?;
        Ok(Self(socket))
    }

    /// The dialler's half of the opening, with TLS below it if the URL says so; then the other end's
    /// key must be the pinned one, if one is pinned.
    pub(crate) async fn dial(
        stream: TcpStream,
        url: &ControllerUrl,
        pin: Option<SpkiPin>,
    ) -> Result<Self, SocketError> {
        stream.set_nodelay(true).map_err(WsError::Io)?;
        let stream: Box<dyn Duplex> = if url.tls {
            let (host, _) = url.address.host_port();
            let secured = tls::connect(stream, host, pin).await;
            Box::new(secured.map_err(SocketError::Tls)?)
        } else {
            Box::new(stream)
        };
        let mut request = format!("{url}{PATH}").into_client_request()?;
        request
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, SUB_PROTOCOL);
        let (socket, _) = client_async_with_config(request, stream, Some(config())).await?;
        Ok(Self(socket))
    }

    /// Sends a frame. Not to be dropped halfway.
    pub(crate) async fn send(&mut self, frame: &[u8]) -> Result<(), SocketError> {
        Ok(self.0.send(Message::binary(frame.to_vec())).await?)
    }

    /// The next frame, copied to the start of `buffer`; its length. May be dropped at any point.
    pub(crate) async fn receive(
        &mut self,
        buffer: &mut [u8; MAX_FRAME],
    ) -> Result<usize, SocketError> {
        loop {
            let message = self.0.next().await.ok_or(SocketError::Closed)??;
            match message {
                Message::Binary(frame) => {
                    let room = buffer.get_mut(..frame.len());
                    room.ok_or(SocketError::Closed)?.copy_from_slice(&frame);
                    return Ok(frame.len());
                }
                Message::Close(_) => return Err(SocketError::Closed),
                Message::Text(_) => return Err(SocketError::NotBinary),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Says that it ends, and reads on until the peer has closed as well: closing a TCP connection
    /// with unread bytes resets it, and the peer might never see the reason.
    pub(crate) async fn close(mut self, code: CloseCode) {
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        if self.0.close(Some(frame)).await.is_ok() {
            while let Some(Ok(_)) = self.0.next().await {}
        }
    }
}

impl SocketError {
    /// What of this a peer may know.
    pub(crate) fn close_code(&self) -> CloseCode {
        match self {
            Self::NotBinary => CloseCode::Unsupported,
            Self::Ws(error) if matches!(**error, WsError::Capacity(_)) => CloseCode::Size,
            _ => CloseCode::Normal,
        }
    }
}

/// Buffers as small as frames allow; the library's defaults are 128 KiB each and 64 MiB messages.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4_096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_FRAME)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
}

#[expect(clippy::result_large_err, reason = "the library's signature")]
fn admit(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status| {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        Err(refusal)
    };
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND);
    }
    if request.headers().contains_key(ORIGIN) {
        return refuse(StatusCode::FORBIDDEN);
    }
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let ours = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|name| SUB_PROTOCOL == name.trim())
    };
    if !offered.iter().any(ours) {
        return refuse(StatusCode::BAD_REQUEST);
    }
    response
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, SUB_PROTOCOL);
    Ok(response)
}
