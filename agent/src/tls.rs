//! TLS as a dialler speaks it: version 1.3, and a pin in place of names and dates.
//!
//! SMSG proves by itself who is at the other end and hides what is said, so TLS below it proves nothing
//! to it. It is there for networks that let nothing else through, and for owners who want both.
//!
//! | of the other end's certificate | looked at |
//! |---|---|
//! | its key has signed this handshake | always |
//! | its key is the pinned one | if there is a pin |
//! | name, dates, issuer | never: a rig that has just booted has no clock, and no root is shipped |

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use futures_rustls::{TlsConnector, client};
use miner_shared::limits::MAX_TLS_UNSENT;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, OtherError,
    PeerIncompatible, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use smol::io::{AsyncRead, AsyncWrite};

/// A connection, with TLS in it or not.
pub trait Duplex: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Duplex for S {}

/// Which key the other end must have: SHA-256 of its certificate's SubjectPublicKeyInfo (RFC 7469).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpkiPin([u8; 32]);

impl SpkiPin {
    /// The pin of a certificate's key; `None` if it is no certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let key = parsed.subject_public_key_info();
        Some(Self(Sha256::digest(key.as_ref()).into()))
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(&self.0))
    }
}

/// In front of the base64 form.
const PREFIX: &str = "sha256/";
/// Characters of 32 bytes in base64, padding included.
const BASE64_LEN: usize = 44;

impl FromStr for SpkiPin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let bytes = match text.strip_prefix(PREFIX) {
            Some(rest) => {
                // curl writes a second slash, and base64 may begin with one.
                let second = rest.strip_prefix('/');
                let base64 = second.filter(|rest| rest.len() == BASE64_LEN);
                BASE64.decode(base64.unwrap_or(rest).as_bytes())
            }
            None => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
        };
        let bytes = bytes.map_err(|_| NotAPin)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAPin)?))
    }
}

/// A text that is no [`SpkiPin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPin;

impl fmt::Display for NotAPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is neither sha256/ and 44 characters of base64, nor 64 hexadecimal digits")
    }
}

impl std::error::Error for NotAPin {}

/// Why TLS did not come up. `Display` is one line.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The other end shows another key than the pinned one.
    OtherKey(SpkiPin),
    /// What answered speaks something else.
    NotTls,
    /// The other end closed the connection.
    Closed,
    /// The socket failed.
    Io(io::Error),
    /// The handshake failed.
    Handshake(Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKey(found) => write!(f, "its TLS key is not the pinned one but {found}"),
            Self::NotTls => f.write_str("it does not speak TLS; is `--tls` on there?"),
            Self::Closed => {
                f.write_str("it closed the connection before TLS was up; is `--tls` on there?")
            }
            Self::Io(error) => error.fmt(f),
            Self::Handshake(error) => write!(f, "TLS failed: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        let Some(inner) = error.get_ref().and_then(|e| e.downcast_ref::<Error>()) else {
            return match kind {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Self::Closed,
                _ => Self::Io(error),
            };
        };
        match inner {
            Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
                match why.downcast_ref::<OtherKey>() {
                    Some(OtherKey(found)) => Self::OtherKey(*found),
                    None => Self::Handshake(inner.clone()),
                }
            }
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            other => Self::Handshake(other.clone()),
        }
    }
}

/// Opens TLS over `stream` as its dialler. `host` only tells a proxy in between which one is meant.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    pin: Option<SpkiPin>,
) -> Result<client::TlsStream<S>, TlsError> {
    let connector = TlsConnector::from(Arc::new(config(pin).map_err(TlsError::Handshake)?));
    // An address is not sent, and a name that is none cannot be.
    let host = ServerName::try_from(host.to_owned())
        .unwrap_or_else(|_| ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()));
    let opened = connector.connect_with(host, stream, |connection| {
        connection.set_buffer_limit(Some(MAX_TLS_UNSENT));
    });
    Ok(opened.await?)
}

fn config(pin: Option<SpkiPin>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let key_alone = Arc::new(KeyAlone {
        pin,
        provider: Arc::clone(&provider),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(key_alone)
        .with_no_client_auth();
    // A session resumed would skip the proof of the key.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Looks at a certificate's key and nothing else of it.
#[derive(Debug)]
struct KeyAlone {
    pin: Option<SpkiPin>,
    provider: Arc<CryptoProvider>,
}

/// The key found in place of the pinned one, on its way through rustls.
#[derive(Debug)]
struct OtherKey(SpkiPin);

impl fmt::Display for OtherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key is {}", self.0)
    }
}

impl std::error::Error for OtherKey {}

impl ServerCertVerifier for KeyAlone {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = SpkiPin::of(certificate)
            .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match self.pin {
            Some(pin) if pin != found => Err(Error::InvalidCertificate(CertificateError::Other(
                OtherError(Arc::new(OtherKey(found))),
            ))),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    /// Never asked: only 1.3 is spoken.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_in_the_three_forms_that_tools_write() {
        let pin = SpkiPin([0xff; 32]);
        let text = pin.to_string();
        assert!(text.starts_with("sha256//////"), "{text}");
        let hex = "fF".repeat(32);
        for form in [text.clone(), text.replacen('/', "//", 1), hex] {
            assert_eq!(form.parse(), Ok(pin), "{form}");
        }
        let pin = SpkiPin([0; 32]);
        for form in [pin.to_string(), pin.to_string().replacen('/', "//", 1)] {
            assert_eq!(form.parse(), Ok(pin), "{form}");
        }
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let pin = SpkiPin([7; 32]).to_string();
        for text in [
            "",
            "sha256/",
            "sha256//",
            "sha1/AAAA",
            &pin[..pin.len() - 1],
            &format!("{pin}A"),
            &format!("sha256///{}", &pin[7..]),
            &"0".repeat(63),
            &"0".repeat(66),
        ] {
            assert_eq!(text.parse::<SpkiPin>(), Err(NotAPin), "{text}");
        }
    }
}
