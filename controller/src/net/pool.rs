//! A look at a pool: connect, log in as a rig would, see a job, leave. Nothing is mined, no redirect is
//! followed, and neither login nor password gets into a log.

use std::time::Duration;

use miner_agent::tls::{self, Duplex};
use miner_shared::limits::{MAX_POOL_LINE, MAX_SENT_LINE};
use miner_shared::mining::Job;
use miner_shared::stratum::{AGENT_PREFIX, Client, ClientEvent, LineSplitter, Login};
use miner_shared::text::Label;
use miner_shared::wire::Pool;
use smol::Timer;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

use crate::clock::Clock;

/// For name lookup, TCP, TLS and login together; whoever asks has an answer within 10 s.
const CHECK: Duration = Duration::from_millis(9_500);

/// How far a look has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolLook {
    /// Name lookup and TCP, in milliseconds; `None` if nobody took the connection.
    pub(crate) connect_ms: Option<u64>,
    /// Whether TLS came up.
    pub(crate) tls: bool,
    /// The first job: the pool let us in.
    pub(crate) job: Option<Job>,
    /// What kept it from a job.
    pub(crate) error: Option<String>,
}

/// Looks at a pool.
pub(crate) async fn look_at(pool: &Pool, clock: Clock) -> PoolLook {
    look_within(pool, clock, CHECK).await
}

async fn look_within(pool: &Pool, clock: Clock, within: Duration) -> PoolLook {
    let mut look = PoolLook::default();
    let late = async {
        Timer::after(within).await;
        Err(format!("no answer within {} s", within.as_secs_f32()))
    };
    let looked = log_in(pool, clock, &mut look).or(late).await;
    match looked {
        Ok(job) => look.job = Some(job),
        Err(error) => look.error = Some(error),
    }
    look
}

async fn log_in(pool: &Pool, clock: Clock, look: &mut PoolLook) -> Result<Job, String> {
    let (host, port) = pool.address.host_port();
    let from = clock.now().mono;
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|error| format!("it cannot be connected to: {error}"))?;
    look.connect_ms = Some(clock.now().mono.since(from));
    let stream: Box<dyn Duplex> = if pool.tls {
        let secured = tls::connect(stream, host, None).await;
        look.tls = secured.is_ok();
        Box::new(secured.map_err(|error| error.to_string())?)
    } else {
        Box::new(stream)
    };
    let login = Login {
        user: pool.user.clone(),
        pass: pool.pass.clone(),
        agent: Label::lossy(&format!("{AGENT_PREFIX}{}", env!("CARGO_PKG_VERSION"))),
        rig: None,
        nicehash: false,
    };
    first_job(stream, login, clock).await
}

async fn first_job(mut stream: Box<dyn Duplex>, login: Login, clock: Clock) -> Result<Job, String> {
    let failed = |error: std::io::Error| format!("the connection failed: {error}");
    let mut client = Client::new(clock.now().mono, login);
    let mut out = [0; MAX_SENT_LINE];
    while let Some(len) = client.poll_transmit(clock.now().mono, &mut out) {
        let line = out.get(..len).unwrap_or_default();
        stream.write_all(line).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
    }
    let mut lines = Box::new(LineSplitter::<MAX_POOL_LINE>::new());
    loop {
        let now = clock.now().mono;
        while let Some(line) = lines.next_line().map_err(|error| error.to_string())? {
            let event = client.handle_line(now, line);
            // A redirect is an event too, and nobody follows it.
            if let ClientEvent::LoggedIn(job) = event.map_err(|error| error.to_string())? {
                return Ok(job);
            }
        }
        match stream.read(lines.spare()).await.map_err(failed)? {
            0 => return Err("it closed the connection before it answered the login".to_owned()),
            count => lines.filled(clock.now().mono, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::text::{Address, PoolPass, PoolUser};
    use smol::net::TcpListener;

    use super::*;

    fn pool(address: &str, tls: bool) -> Pool {
        Pool {
            address: Address::parse(address).expect("valid"),
            tls,
            user: PoolUser::parse("wallet").expect("valid"),
            pass: PoolPass::parse("secret-pass").expect("valid"),
        }
    }

    /// Looks at a pool that says this to whoever connects, and then nothing.
    fn look_at_one_that_says(text: &'static str, tls: bool) -> PoolLook {
        smol::block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
            let address = listener.local_addr().expect("bound").to_string();
            let serve = async {
                let (mut stream, _) = listener.accept().await.expect("accepts");
                let _gone = stream.write_all(text.as_bytes()).await;
                let mut asked = Vec::new();
                let _gone = stream.read_to_end(&mut asked).await;
                smol::future::pending().await
            };
            let within = Duration::from_millis(300);
            let pool = pool(&address, tls);
            look_within(&pool, Clock::start(), within).or(serve).await
        })
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_not_reachable() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound").to_string();
        drop(socket);
        let look = smol::block_on(look_at(&pool(&address, false), Clock::start()));
        assert_eq!(
            (look.connect_ms, look.tls, look.job.is_some()),
            (None, false, false)
        );
        assert!(look.error.expect("why").contains("cannot be connected to"));
    }

    #[test]
    fn a_pool_that_refuses_the_login_is_reachable_and_its_words_are_told() {
        let line = "{\"id\":1,\"error\":{\"code\":-1,\"message\":\"Invalid address\"}}\n";
        let look = look_at_one_that_says(line, false);
        assert!(look.connect_ms.is_some() && look.job.is_none());
        let error = look.error.expect("why");
        assert!(error.contains("Invalid address"), "{error}");
        assert!(!error.contains("secret-pass"), "{error}");
    }

    #[test]
    fn silence_noise_and_a_redirect_end_in_time_and_are_followed_nowhere() {
        let redirect = "{\"method\":\"client.reconnect\",\"params\":[\"127.0.0.1\",1]}\n";
        for text in ["", "HTTP/1.1 400\n", "{}\n{}\n", redirect] {
            let look = look_at_one_that_says(text, false);
            assert!(look.connect_ms.is_some() && look.job.is_none(), "{text}");
            assert!(look.error.is_some(), "{text}");
        }
        let look = look_at_one_that_says("no TLS here\n", true);
        assert!(!look.tls && look.error.is_some());
    }
}
