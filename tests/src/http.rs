//! One plain HTTP/1.1 request to a program of the test, and its answer.

use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Longest wait for an answer: the farm's own deadlines end before it.
const LIMIT: Duration = Duration::from_secs(45);

/// A controller's API, and by what it hears us.
#[derive(Clone)]
pub struct Api {
    /// Where it is.
    pub at: SocketAddr,
    /// API token.
    pub token: String,
}

/// The token is not shown.
impl core::fmt::Debug for Api {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Api({}, …)", self.at)
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Everything behind the head.
    pub body: String,
}

/// Sends a request with a JSON body, and reads the whole answer.
///
/// # Errors
/// Nobody answers there in time, or what answers is not HTTP.
pub fn ask(api: &Api, method: &str, path: &str, body: &str) -> Result<Answer, String> {
    let Api { at, token } = api;
    let failed = |error: io::Error| format!("{method} http://{at}{path}: {error}");
    let mut socket = TcpStream::connect(at).map_err(failed)?;
    socket.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).map_err(failed)?;
    let mut text = String::new();
    socket.read_to_string(&mut text).map_err(failed)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let in_chunks = head
        .to_ascii_lowercase()
        .contains("\r\ntransfer-encoding: chunked");
    let body = match in_chunks.then(|| joined(body)) {
        None => body.to_owned(),
        Some(Some(body)) => body,
        Some(None) => return Err(format!("{method} http://{at}{path}: cut off")),
    };
    Ok(Answer {
        status: status.ok_or_else(|| format!("{method} http://{at}{path}: no HTTP: {head}"))?,
        body,
    })
}

/// The body that came in these chunks; `None` if it has no end.
fn joined(mut chunks: &str) -> Option<String> {
    let mut body = String::with_capacity(chunks.len());
    loop {
        let (length, rest) = chunks.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..length)?);
        chunks = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_chunks_is_put_together_and_one_without_its_end_is_none() {
        let sent = "4\r\nab\u{e9}\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(joined(sent).as_deref(), Some("ab\u{e9}0123456789"));
        assert_eq!(joined("4\r\nab"), None);
        assert_eq!(joined(""), None);
    }
}
