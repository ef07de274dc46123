//! A rig that dials `wss://`: what it takes for its controller, and what it never says to anyone else.

use std::path::Path;
use std::sync::Arc;

use crate::common::{Manager, beside, controller, offers, rig, run};
use async_tungstenite::accept_hdr_async;
use futures_rustls::{TlsAcceptor, server};
use miner_agent::clock::Clock;
use miner_agent::logger;
use miner_agent::node::Serving;
use miner_agent::tls::{self, Duplex, SpkiPin, TlsError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{self, SingleCertAndKey};
use rustls::{CertificateError, Error, ServerConfig};
use smol::future;
use smol::io::AsyncReadExt;
use smol::net::{TcpListener, TcpStream};

/// A certificate and the key that is proven with it.
struct Shown {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Shown {
    fn new() -> Self {
        let made = generate_simple_self_signed(["another.example".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("made");
        Self {
            certificate: cert.der().clone(),
            key: PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()),
        }
    }

    fn pin(&self) -> SpkiPin {
        SpkiPin::of(&self.certificate).expect("a certificate")
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = ring::sign::any_supported_type(&self.key).expect("a key");
        // Whether both belong together is not asked here.
        let shown = sign::CertifiedKey::new(vec![self.certificate.clone()], key);
        let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(shown));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("1.3 is known")
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A rig that dials this listener.
fn dialling(root: &Path, listener: &TcpListener, pin: Option<SpkiPin>) -> Serving {
    let here = listener.local_addr().expect("bound");
    let (serving, _) = rig(root, |config| {
        config.listen = None;
        config.controller = Some(format!("wss://{here}").parse().expect("valid"));
        config.tls_pin = pin;
        config.fingerprint = Some(controller(1, 1).fingerprint());
    });
    serving
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// The rig's next connection, as far as TLS gets.
async fn secured(
    listener: &TcpListener,
    shown: &Shown,
) -> std::io::Result<server::TlsStream<TcpStream>> {
    let (stream, _) = listener.accept().await.expect("accepts");
    shown.acceptor().accept(stream).await
}

#[test]
fn a_rig_links_through_tls_with_a_pin_and_without_one() {
    let shown = Shown::new();
    for pin in [Some(shown.pin()), None] {
        let root = tempfile::tempdir().expect("temporary folder");
        run(async {
            let listener = listen().await;
            let serving = dialling(root.path(), &listener, pin);
            beside(serving, async {
                let stream = secured(&listener, &shown).await.expect("TLS");
                let stream: Box<dyn Duplex> = Box::new(stream);
                let ws = accept_hdr_async(stream, offers).await.expect("opens");
                let mut manager = Manager::over(&controller(1, 1), ws);
                assert!(manager.comes_up().await, "{pin:?}");
            })
            .await;
        });
    }
}

#[test]
fn a_wrong_pin_ends_it_before_anything_of_smsg_is_said() {
    let (shown, pinned) = (Shown::new(), Shown::new().pin());
    let root = tempfile::tempdir().expect("temporary folder");
    run(async {
        let listener = listen().await;
        let serving = dialling(root.path(), &listener, Some(pinned));
        beside(serving, async {
            let ended = secured(&listener, &shown).await;
            let alert = ended.expect_err("the rig has ended it").to_string();
            assert!(alert.contains("alert"), "{alert}");
            let why = format!("its TLS key is not the pinned one but {}", shown.pin());
            logged("controller refused", &why).await;
        })
        .await;
    });
}

/// Waits until the log has a line that begins and goes on like this.
async fn logged(begins: &str, with: &str) {
    let log = logger::start(log::LevelFilter::Info, Clock::start());
    let mut cursor = 0;
    loop {
        let page = log.page(Some(cursor), 15, None);
        cursor = page.next;
        let mut lines = page.lines.iter().map(|line| line.text.as_str());
        if lines.any(|line| line.starts_with(begins) && line.contains(with)) {
            return;
        }
        future::yield_now().await;
    }
}

#[test]
fn a_plain_rig_at_a_port_with_tls_is_told_what_to_dial() {
    let root = tempfile::tempdir().expect("temporary folder");
    run(async {
        let listener = listen().await;
        let here = listener.local_addr().expect("bound");
        let (serving, _) = rig(root.path(), |config| {
            config.listen = None;
            config.controller = Some(here.to_string().parse().expect("valid"));
            config.fingerprint = Some(controller(1, 1).fingerprint());
        });
        beside(serving, async {
            let (stream, _) = listener.accept().await.expect("accepts");
            let alert = Shown::new().acceptor().accept(stream).await;
            alert.expect_err("it says GET");
            let begins = format!("controller away controller=ws://{here}");
            logged(&begins, "dial wss://").await;
        })
        .await;
    });
}

#[test]
fn a_rig_told_wss_says_nothing_without_tls() {
    let root = tempfile::tempdir().expect("temporary folder");
    run(async {
        let listener = listen().await;
        let serving = dialling(root.path(), &listener, None);
        beside(serving, async {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.expect("accepts");
                let mut hello = [0; 6];
                stream.read_exact(&mut hello).await.expect("says hello");
                assert_eq!((hello[0], hello[5]), (0x16, 1), "a ClientHello");
            }
        })
        .await;
    });
}

/// What the dialler makes of a listener that shows this.
async fn dialled(shown: Shown, pin: Option<SpkiPin>) -> TlsError {
    let listener = listen().await;
    let here = listener.local_addr().expect("bound");
    let dialler = async {
        let stream = TcpStream::connect(here).await.expect("connects");
        tls::connect(stream, "localhost", pin).await
    };
    let (_, ended) = future::zip(secured(&listener, &shown), dialler).await;
    ended.expect_err("refused")
}

#[test]
fn a_certificate_shown_without_its_key_is_refused_with_a_pin_and_without_one() {
    for with_pin in [true, false] {
        let (owner, thief) = (Shown::new(), Shown::new());
        let pin = with_pin.then(|| owner.pin());
        let stolen = Shown {
            certificate: owner.certificate,
            key: thief.key,
        };
        let why = run(dialled(stolen, pin));
        let bad = Error::InvalidCertificate(CertificateError::BadSignature);
        assert!(matches!(&why, TlsError::Handshake(e) if *e == bad), "{why}");
    }
}

#[test]
fn what_answers_in_plain_is_said_to_speak_no_tls() {
    run(async {
        let listener = listen().await;
        let here = listener.local_addr().expect("bound");
        let plain = async {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            smol::io::AsyncWriteExt::write_all(&mut stream, answer)
                .await
                .expect("sent");
        };
        let dialler = async {
            let stream = TcpStream::connect(here).await.expect("connects");
            tls::connect(stream, "localhost", None).await
        };
        let (_, ended) = future::zip(plain, dialler).await;
        assert!(matches!(ended, Err(TlsError::NotTls)), "{ended:?}");
    });
}

#[test]
fn a_listener_that_closes_is_said_to_have_done_so() {
    run(async {
        let listener = listen().await;
        let here = listener.local_addr().expect("bound");
        let closing = async {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut hello = [0; 1024];
            let _read = stream.read(&mut hello).await;
        };
        let dialler = async {
            let stream = TcpStream::connect(here).await.expect("connects");
            tls::connect(stream, "::1%eth0", None).await
        };
        let (_, ended) = future::zip(closing, dialler).await;
        assert!(matches!(ended, Err(TlsError::Closed)), "{ended:?}");
    });
}
