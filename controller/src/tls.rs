//! TLS as this controller speaks it on its ports: version 1.3, one certificate for all of them.
//!
//! | asked for by | key and certificate |
//! |---|---|
//! | `--tls` | made once, then `tls.key` (0600) and `tls.crt` in the data directory |
//! | `--tls-cert FILE --tls-key FILE` | the owner's own, PEM; read once at the start |
//!
//! Rigs look at the key alone ([`miner_agent::tls`]), so what is made here has no date to end on, and a
//! pin outlives a certificate that is renewed with the same key.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_rustls::{TlsAcceptor, server};
use miner_agent::store::StoreError;
use miner_agent::store::file::{self, Access};
use miner_agent::tls::SpkiPin;
use miner_shared::limits::{MAX_PEM, MAX_TLS_UNSENT};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{Error, ServerConfig};
use sha2::{Digest as _, Sha256};
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;
use zeroize::Zeroizing;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsPlan {
    pub(crate) source: Source,
    /// Rigs that dial in without TLS are refused.
    pub(crate) only: bool,
}

/// Where certificate and key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Made by us, kept in the data directory.
    SelfSigned,
    /// The owner's.
    Files { cert: PathBuf, key: PathBuf },
}

/// What a port speaks.
#[derive(Clone, Debug)]
pub(crate) enum Speaks {
    /// No TLS.
    Plain,
    /// TLS to those who begin with it, plain to the others.
    Both(Tls),
    /// TLS alone.
    Only(Tls),
}

impl Speaks {
    /// As the owner wants it; a pair of our own is kept in `folder`.
    pub(crate) fn open(plan: Option<&TlsPlan>, folder: &Path) -> Result<Self, TlsFileError> {
        let Some(TlsPlan { source, only }) = plan else {
            return Ok(Self::Plain);
        };
        let tls = Tls::open(source, folder)?;
        Ok(if *only {
            Self::Only(tls)
        } else {
            Self::Both(tls)
        })
    }

    /// What it takes, if TLS is spoken.
    pub(crate) const fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Plain => None,
            Self::Both(tls) | Self::Only(tls) => Some(tls),
        }
    }
}

/// What it takes to speak TLS, and what others may know of it. A clone is the same.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    pin: SpkiPin,
    fingerprint: [u8; 32],
}

/// Why certificate and key cannot be used: one line that names the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFileError {
    #[error("{}: {why}", path.display())]
    Io { path: PathBuf, why: io::Error },
    #[error("{} is longer than {MAX_PEM} bytes", path.display())]
    TooLong { path: PathBuf },
    #[error(
        "{0} has mode {mode:04o}, so every user may read the key; run: chmod o-rwx {0}",
        path.display()
    )]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("{} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate { path: PathBuf },
    #[error(
        "{} holds no private key in PEM (-----BEGIN PRIVATE KEY-----); one under a password \
         cannot be read",
        path.display()
    )]
    NoKey { path: PathBuf },
    #[error("{} is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{} is not the key of {}", key.display(), cert.display())]
    OtherKey { key: PathBuf, cert: PathBuf },
    #[error(
        "{} is missing though {} is there; restore it, or remove the latter for a new pair (rigs with \
         --tls-pin then need the new pin)",
        key.display(),
        cert.display()
    )]
    KeyMissing { key: PathBuf, cert: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no certificate made: {0}")]
    NotMade(#[from] rcgen::Error),
}

impl Tls {
    /// Reads what `source` says; a pair of our own is in `folder`, and is made if it is not there.
    fn open(source: &Source, folder: &Path) -> Result<Self, TlsFileError> {
        match source {
            Source::SelfSigned => {
                let [key, cert] = own_files(folder);
                make_missing(&cert, &key)?;
                Self::read(&cert, &key)
            }
            Source::Files { cert, key } => Self::read(cert, key),
        }
    }

    fn read(cert: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let damaged = |path: &Path, why: String| TlsFileError::Damaged {
            path: path.to_owned(),
            why,
        };
        let chain = chain(cert)?;
        let shown = chain.first();
        let (pin, fingerprint) = shown
            .and_then(|shown| Some((SpkiPin::of(shown)?, Sha256::digest(shown).into())))
            .ok_or_else(|| damaged(cert, "it is no X.509 certificate".to_owned()))?;
        let provider = Arc::new(ring::default_provider());
        let secret = private_key(key)?;
        let loaded = provider.key_provider.load_private_key(secret.clone_key());
        loaded.map_err(|why| damaged(key, why.to_string()))?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map(|builder| builder.with_no_client_auth());
        let config = config.and_then(|builder| builder.with_single_cert(chain, secret));
        let mut config = config.map_err(|why| match why {
            Error::InconsistentKeys(_) => TlsFileError::OtherKey {
                key: key.to_owned(),
                cert: cert.to_owned(),
            },
            why => damaged(cert, why.to_string()),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Nobody resumes: nothing is kept of a connection that is over.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pin,
            fingerprint,
        })
    }

    /// Opens TLS over a connection that somebody dialled. Deadlines are the caller's.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<server::TlsStream<S>> {
        let opened = self.acceptor.accept_with(stream, |connection| {
            connection.set_buffer_limit(Some(MAX_TLS_UNSENT));
        });
        opened.await
    }

    /// The pin of the key.
    pub(crate) const fn pin(&self) -> SpkiPin {
        self.pin
    }

    /// SHA-256 of the certificate, as browsers and openssl show it.
    pub(crate) fn fingerprint(&self) -> String {
        let pairs: Vec<String> = self
            .fingerprint
            .iter()
            .map(|b| format!("{b:02X}"))
            .collect();
        pairs.join(":")
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({})", self.pin)
    }
}

/// Key and certificate of `--tls` in the data directory.
pub(crate) fn own_files(folder: &Path) -> [PathBuf; 2] {
    ["tls.key", "tls.crt"].map(|name| folder.join(name))
}

/// Whether the dialler begins with TLS. Nothing is taken out of the stream.
pub(crate) async fn begins_with_tls(stream: &TcpStream) -> io::Result<bool> {
    /// Type of a record of the handshake, in front of every ClientHello and of no HTTP request.
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first == [HANDSHAKE]),
    }
}

/// Makes key and certificate, or the certificate alone. The key is stored first: a certificate can be
/// made again.
fn make_missing(cert: &Path, key: &Path) -> Result<(), TlsFileError> {
    let max = MAX_PEM as u64;
    let have_cert = file::read(cert, Access::Public, max)?.is_some();
    let pair = match file::read(key, Access::Private, max)?.map(Zeroizing::new) {
        Some(_) if have_cert => return Ok(()),
        Some(pem) => {
            let text = String::from_utf8_lossy(&pem);
            KeyPair::from_pem(&text).map_err(|why| TlsFileError::Damaged {
                path: key.to_owned(),
                why: why.to_string(),
            })?
        }
        None if have_cert => {
            return Err(TlsFileError::KeyMissing {
                key: key.to_owned(),
                cert: cert.to_owned(),
            });
        }
        None => {
            // P-256, because browsers take no Ed25519.
            let pair = KeyPair::generate()?;
            let pem = Zeroizing::new(pair.serialize_pem());
            file::create(key, pem.as_bytes(), Access::Private)?;
            pair
        }
    };
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "miner-ctrl");
    let made = params.self_signed(&pair)?;
    file::create(cert, made.pem().as_bytes(), Access::Public)?;
    Ok(())
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let pem = whole(path, |_| Ok(()))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|why| damaged_pem(path, &why))?;
    if chain.is_empty() {
        return Err(TlsFileError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let pem = whole(path, |mode| {
        // A group may: that is how machines share a key among their services.
        if mode & 0o007 != 0 {
            let path = path.to_owned();
            return Err(TlsFileError::TooOpen { path, mode });
        }
        Ok(())
    })?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|why| match why {
        pem::Error::NoItemsFound => TlsFileError::NoKey {
            path: path.to_owned(),
        },
        why => damaged_pem(path, &why),
    })
}

fn damaged_pem(path: &Path, why: &pem::Error) -> TlsFileError {
    // The library's text shows bytes of the file, which may be a key.
    let why = match why {
        pem::Error::MissingSectionEnd { .. } => "it ends within a section",
        pem::Error::Base64Decode(_) => "it is no base64",
        _ => "it is no PEM",
    };
    TlsFileError::Damaged {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// A file that its owner has made; links are followed, as tools that renew certificates use them.
fn whole(
    path: &Path,
    may: impl FnOnce(u32) -> Result<(), TlsFileError>,
) -> Result<Zeroizing<Vec<u8>>, TlsFileError> {
    let failed = |why| TlsFileError::Io {
        path: path.to_owned(),
        why,
    };
    let file = File::open(path).map_err(failed)?;
    may(file.metadata().map_err(failed)?.permissions().mode() & 0o777)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let max = MAX_PEM as u64;
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_PEM {
        return Err(TlsFileError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;

    /// A pair of this test's own.
    pub(crate) fn made() -> Tls {
        let folder = tempfile::tempdir().expect("temporary folder");
        self_signed(folder.path()).expect("made")
    }

    fn mode(path: &Path) -> u32 {
        let meta = fs::metadata(path).expect("there");
        meta.permissions().mode() & 0o777
    }

    fn self_signed(folder: &Path) -> Result<Tls, TlsFileError> {
        Tls::open(&Source::SelfSigned, folder)
    }

    /// The line for these files, which must name the one at fault.
    fn fault(cert: &Path, key: &Path, named: &Path) -> String {
        let source = Source::Files {
            cert: cert.to_owned(),
            key: key.to_owned(),
        };
        let line = Tls::open(&source, Path::new("/nowhere"))
            .expect_err("refused")
            .to_string();
        assert!(line.contains(&named.display().to_string()), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        line
    }

    #[test]
    fn a_pair_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let first = self_signed(folder.path()).expect("made");
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        assert_eq!((mode(&key), mode(&cert)), (0o600, 0o644));
        let again = self_signed(folder.path()).expect("read");
        assert_eq!(again.pin(), first.pin());
        assert_eq!(again.fingerprint(), first.fingerprint());
        assert_eq!(first.fingerprint().len(), 32 * 3 - 1);

        fs::remove_file(&cert).expect("ours");
        let renewed = self_signed(folder.path()).expect("made again");
        assert_eq!(renewed.pin(), first.pin(), "the key is the same");
    }

    #[test]
    fn a_lost_or_open_key_is_never_replaced() {
        let folder = tempfile::tempdir().expect("temporary folder");
        self_signed(folder.path()).expect("made");
        let key = folder.path().join("tls.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("ours");
        let why = self_signed(folder.path()).expect_err("too open");
        assert!(why.to_string().contains("chmod 600"), "{why}");
        fs::remove_file(&key).expect("ours");
        let why = self_signed(folder.path()).expect_err("lost");
        assert!(matches!(why, TlsFileError::KeyMissing { .. }), "{why}");
        assert!(!key.exists());
    }

    #[test]
    fn files_that_cannot_be_used_are_named_in_one_line() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        self_signed(folder.path()).expect("made");
        let (cert, key) = (at("tls.crt"), at("tls.key"));
        let other = tempfile::tempdir().expect("temporary folder");
        self_signed(other.path()).expect("made");
        let other = other.path().join("tls.key");
        let written = |name: &str, text: &str| {
            let path = at(name);
            file::write(&path, text.as_bytes(), Access::Private).expect("written");
            path
        };
        let text = fs::read_to_string(&key).expect("PEM");
        let cut = written("cut.key", &text[..text.len() / 2]);
        let garbled = written("garbled.key", &text.replace('\n', "\n!"));
        let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let hollow = written("hollow.crt", hollow);
        let empty_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let empty_key = written("empty.key", empty_key);
        let nothing = written("nothing", "hello\n");
        let long = written("long", &"x".repeat(MAX_PEM + 1));
        let open = written("open.key", &text);
        fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).expect("ours");

        fault(&cert, &other, &other);
        fault(&cert, &cut, &cut);
        fault(&cert, &garbled, &garbled);
        fault(&cert, &empty_key, &empty_key);
        fault(&hollow, &key, &hollow);
        fault(&at("absent"), &key, &at("absent"));
        fault(&long, &key, &long);
        let line = fault(&nothing, &key, &nothing);
        assert!(line.contains("BEGIN CERTIFICATE"), "{line}");
        let line = fault(&cert, &nothing, &nothing);
        assert!(line.contains("BEGIN PRIVATE KEY"), "{line}");
        let line = fault(&cert, &open, &open);
        assert!(line.contains("chmod o-rwx"), "{line}");
    }
}
