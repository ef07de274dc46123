//! A stream of events that is followed over broken connections and restarts of the controller.
//!
//! ```text
//!   find ─▶ GET /events/stream, Last-Event-ID: last ─▶ events ─▶ … ─▶ broken
//!     ▲                                                                 │ said once
//!     └──────── a pause, longer each time, to 30 s at most ◀────────────┘
//! ```
//! The number of the last event that was read is all that is remembered. Where there is none, the log has
//! had nothing that fits: it is looked at again once the stream is open, so that nothing is missed between.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use http_body_util::Full;
use miner_agent::cli::Failure;
use miner_agent::store::system_rng;
use miner_shared::limits::REDIAL_MS;
use miner_shared::pause::full_jitter;
use serde::Deserialize;
use serde_json::Value;
use smol::Timer;
use smol::future::FutureExt as _;

use super::answers;
use super::client::Client;
use super::instance::Announced;
use super::transport::{self, Streamed, unanswered};
use crate::api::{KEEP_ALIVE, Problem};

/// Bytes of one piece of a stream; an event has some hundreds.
const MAX_PIECE: usize = 256 * 1024;
/// A stream that says nothing for so long, not even that it lives, is broken.
const SILENCE: Duration = KEEP_ALIVE.saturating_mul(3);

/// What is to be shown.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// An event.
    Event(&'a Value),
    /// So many events had fallen out of the log before they were read.
    Lost(u64),
    /// A word about the connection.
    Note(String),
}

/// Somebody who follows.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    /// The stream's path, with what filters it.
    stream: &'a str,
    /// Path of all events that the stream would have told from the beginning of the log.
    log: &'a str,
    /// Number of the last event that was shown.
    last: Option<u64>,
}

impl<'a> Follow<'a> {
    pub(super) const fn new(stream: &'a str, log: &'a str, last: Option<u64>) -> Self {
        Self { stream, log, last }
    }

    /// Follows until the controller will not have it. `find` finds the controller that serves now, `pause`
    /// waits, `say` shows.
    pub(super) async fn run(
        mut self,
        mut find: impl AsyncFnMut() -> Result<Announced, Problem>,
        mut pause: impl AsyncFnMut(Duration),
        mut say: impl FnMut(Said<'_>),
    ) -> Result<(), Failure> {
        let mut failures: Option<u32> = None;
        loop {
            let broken = match find().await {
                Err(why) => why,
                Ok(api) => match self.connect(&api).await {
                    Err(why) => why,
                    Ok(stream) => {
                        if failures.take().is_some() {
                            say(Said::Note(self.goes_on()));
                        }
                        self.read(&api, stream, &mut say).await
                    }
                },
            };
            if !is_passing(broken.status) {
                return Err(broken.into());
            }
            if failures.is_none() {
                let why = &broken.message;
                say(Said::Note(format!(
                    "{why}; it is asked again until it does"
                )));
            }
            let before = failures.unwrap_or(0);
            failures = Some(before.saturating_add(1));
            let ms = full_jitter(REDIAL_MS, before, &mut system_rng());
            pause(Duration::from_millis(ms)).await;
        }
    }

    fn goes_on(&self) -> String {
        match self.last {
            Some(last) => format!("connected again; it goes on behind event {last}"),
            None => "connected again".to_owned(),
        }
    }

    async fn connect(&self, api: &Announced) -> Result<Pieces, Problem> {
        let mut request = transport::request(Method::GET, self.stream, api.at.address, &api.token)?;
        if let Some(last) = self.last {
            request = request.header("Last-Event-ID", last);
        }
        let request = request
            .body(Full::new(Bytes::new()))
            .map_err(|error| unanswered(&error))?;
        let late = async {
            Timer::after(SILENCE).await;
            Err(unanswered(&"no answer in time"))
        };
        let streamed = transport::open(api.at, request).or(late).await?;
        if !streamed.response.status().is_success() {
            let (status, body) = streamed.whole().await?;
            return Err(transport::problem(status, &body));
        }
        Ok(Pieces {
            streamed,
            text: Vec::new(),
        })
    }

    /// Shows what comes until it breaks; why it did.
    async fn read(
        &mut self,
        api: &Announced,
        mut stream: Pieces,
        say: &mut impl FnMut(Said<'_>),
    ) -> Problem {
        if self.last.is_none()
            && let Err(why) = self.look(api, say).await
        {
            return why;
        }
        loop {
            match stream.next().await {
                Err(why) => return why,
                Ok(Piece::Lost(events)) => say(Said::Lost(events)),
                Ok(Piece::Event(seq, event)) if self.last.is_none_or(|last| seq > last) => {
                    say(Said::Event(&event));
                    self.last = Some(seq);
                }
                Ok(Piece::Event(..) | Piece::Other) => {}
            }
        }
    }

    /// Shows what the log has now.
    async fn look(
        &mut self,
        api: &Announced,
        say: &mut impl FnMut(Said<'_>),
    ) -> Result<(), Problem> {
        /// See [`crate::farm::EventsView`].
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Page {
            events: Vec<Value>,
            next: Option<u64>,
        }
        let answer = Client::Serving(api.clone()).get(self.log).await?;
        let page: Page = answers::read(answer).map_err(|failure| unanswered(&failure.line))?;
        for event in &page.events {
            say(Said::Event(event));
        }
        self.last = page.next;
        Ok(())
    }
}

/// Whether it may be another answer in a while: from a controller that starts, say, and has not yet written
/// down where it is.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::MISDIRECTED_REQUEST
        )
}

/// One piece of a stream, by the standard of server-sent events.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Event(u64, Value),
    Lost(u64),
    /// A comment, or something that is not known here.
    Other,
}

impl Piece {
    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let data = field("data").and_then(|data| serde_json::from_str::<Value>(data).ok());
        match (field("event"), field("id"), data) {
            (Some("event"), Some(id), Some(event)) => {
                let id = id.parse();
                id.map_or(Self::Other, |id| Self::Event(id, event))
            }
            (Some("lost"), _, Some(data)) => {
                data["events"].as_u64().map_or(Self::Other, Self::Lost)
            }
            _ => Self::Other,
        }
    }
}

/// An open stream.
struct Pieces {
    streamed: Streamed,
    /// What came behind the last whole piece.
    text: Vec<u8>,
}

impl Pieces {
    /// The next piece; it is an error if there is none.
    async fn next(&mut self) -> Result<Piece, Problem> {
        loop {
            let end = self.text.windows(2).position(|two| two == b"\n\n");
            if let Some(end) = end {
                let piece: Vec<u8> = self.text.drain(..end + 2).collect();
                return Ok(Piece::parse(&String::from_utf8_lossy(&piece)));
            }
            if self.text.len() > MAX_PIECE {
                return Err(unanswered(&"what it streams has no end"));
            }
            let bytes = self.bytes().await?;
            self.text.extend_from_slice(&bytes);
        }
    }

    async fn bytes(&mut self) -> Result<Bytes, Problem> {
        let silence = async {
            Timer::after(SILENCE).await;
            Err(unanswered(&"its stream is silent"))
        };
        let piece = self.streamed.piece().or(silence).await?;
        piece.ok_or_else(|| unanswered(&"its stream has ended"))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::TcpListener;
    use std::path::Path;
    use std::sync::Arc;

    use miner_agent::cli::Exit;
    use miner_shared::identity::{NodeKeys, Role};
    use miner_shared::smsg::LocalNode;
    use miner_shared::text::{Label, Name};
    use miner_shared::wire::NodeCard;
    use smol::channel::{Receiver, Sender, unbounded};
    use smol::{Async, Executor, Task};

    use super::super::instance::ApiAt;
    use super::*;
    use crate::api::{Api, Guard, router, serve};
    use crate::clock::Clock;
    use crate::farm::Farm;
    use crate::registry::MemoryStore;

    /// A controller at a port of its own, with its events in this folder if there is one.
    struct Controller {
        farm: Arc<Farm>,
        announced: Announced,
        serving: Task<()>,
    }

    impl Controller {
        fn start(executor: &Arc<Executor<'static>>, folder: Option<&Path>) -> Self {
            let card = NodeCard {
                name: Name::parse("control-center").expect("valid"),
                software: Label::lossy("miner-ctrl test"),
                host: Label::lossy("test"),
            };
            let keys = NodeKeys::from_seed(&[1; 32]);
            let me = LocalNode::new(keys, Role::Controller, [2; 16], card);
            let store = Box::new(MemoryStore::default());
            let farm = Farm::open(store, me, Clock::start()).expect("opens");
            if let Some(folder) = folder {
                crate::up::remember(&farm, folder);
            }
            let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a port");
            let address = listener.get_ref().local_addr().expect("bound");
            let api = Api::new(Arc::clone(&farm), Guard::loopback(address.port(), false));
            let announced = Announced {
                at: ApiAt { address, tls: None },
                token: api.access.own_token().clone(),
            };
            let serving = serve(listener, None, router(api), Arc::clone(executor));
            Self {
                farm,
                announced,
                serving: executor.spawn(serving),
            }
        }

        async fn end(self) {
            self.farm.end().await;
            self.serving.cancel().await;
        }
    }

    /// Somebody who follows, and what is on the screen.
    struct Screen {
        executor: Arc<Executor<'static>>,
        /// Where the controller is that serves now.
        serves: RefCell<Option<Announced>>,
        lines: Receiver<String>,
        /// A word for each pause that is over.
        resume: Sender<()>,
    }

    impl Screen {
        /// The next line.
        async fn line(&self) -> String {
            self.lines.recv().await.expect("it follows")
        }

        fn start(&self, folder: Option<&Path>) -> Controller {
            let controller = Controller::start(&self.executor, folder);
            *self.serves.borrow_mut() = Some(controller.announced.clone());
            controller
        }

        async fn end(&self, controller: Controller) {
            *self.serves.borrow_mut() = None;
            controller.end().await;
        }
    }

    /// Follows behind this event while the test goes on; no pause lasts longer than the test says.
    fn follow(stream: &str, last: Option<u64>, test: impl AsyncFnOnce(&Screen)) -> Option<Failure> {
        let executor = Arc::new(Executor::new());
        let ((shown, lines), (resume, resumed)) = (unbounded(), unbounded());
        let screen = Screen {
            executor: Arc::clone(&executor),
            serves: RefCell::new(None),
            lines,
            resume,
        };
        let find = async || {
            let found = screen.serves.borrow().clone();
            found.ok_or_else(|| unanswered(&"none runs now"))
        };
        let pause = async |pause: Duration| {
            assert!(pause <= Duration::from_secs(30));
            resumed.recv().await.expect("the test goes on");
        };
        let say = |said: Said<'_>| {
            let line = match said {
                Said::Event(event) => event["token"].as_str().expect("a word").to_owned(),
                Said::Lost(events) => format!("lost {events}"),
                Said::Note(note) => note,
            };
            shown.try_send(line).expect("no bound");
        };
        let follow = Follow::new(stream, "/events?since=0", last).run(find, pause, say);
        let follow = async { follow.await.err() };
        let test = async {
            test(&screen).await;
            None
        };
        smol::block_on(executor.run(test.or(follow)))
    }

    const STREAM: &str = "/events/stream";

    #[test]
    fn it_goes_on_where_it_was_with_the_next_controller_and_says_so_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let end = follow(STREAM, Some(0), async |screen| {
            let first = screen.start(Some(folder.path()));
            for word in ["shown already", "a", "b"] {
                first.farm.make_happen(word);
            }
            assert_eq!([screen.line().await, screen.line().await], ["a", "b"]);

            screen.end(first).await;
            let note = screen.line().await;
            assert!(note.contains("its stream has ended"), "{note}");
            for _ in 0..3 {
                screen.resume.try_send(()).expect("it waits");
            }
            while !screen.resume.is_empty() {
                smol::future::yield_now().await;
            }
            let second = screen.start(Some(folder.path()));
            second.farm.make_happen("meanwhile");
            screen.resume.try_send(()).expect("it waits");
            assert_eq!(
                screen.line().await,
                "connected again; it goes on behind event 2"
            );
            assert_eq!(screen.line().await, "meanwhile");
            second.farm.make_happen("live");
            assert_eq!(screen.line().await, "live");
            screen.end(second).await;
        });
        assert!(end.is_none(), "{end:?}");
    }

    #[test]
    fn what_fell_out_of_the_log_is_counted() {
        let end = follow(STREAM, Some(0), async |screen| {
            let controller = screen.start(None);
            for number in 0..1_030 {
                controller.farm.make_happen(&number.to_string());
            }
            assert_eq!([screen.line().await, screen.line().await], ["lost 5", "6"]);
            screen.end(controller).await;
        });
        assert!(end.is_none(), "{end:?}");
    }

    #[test]
    fn the_first_events_of_an_empty_log_are_shown_once() {
        let end = follow(STREAM, None, async |screen| {
            let controller = screen.start(None);
            controller.farm.make_happen("between");
            assert_eq!(screen.line().await, "between");
            controller.farm.make_happen("live");
            assert_eq!(screen.line().await, "live");
            screen.end(controller).await;
        });
        assert!(end.is_none(), "{end:?}");
    }

    #[test]
    fn what_no_controller_will_have_ends_it() {
        let end = follow("/events/stream?colour=red", Some(0), async |screen| {
            let controller = screen.start(None);
            smol::future::pending::<()>().await;
            drop(controller);
        });
        let end = end.expect("refused");
        assert!(
            end.exit == Exit::Usage && end.line.contains("colour"),
            "{}",
            end.line
        );
    }

    #[test]
    fn pieces_are_read_and_what_is_not_known_is_none() {
        let event = "id: 7\nevent: event\ndata: {\"seq\":7}\n\n";
        let seven = Piece::Event(7, serde_json::json!({ "seq": 7 }));
        assert_eq!(Piece::parse(event), seven);
        let lost = "event: lost\ndata: {\"events\":6}\n\n";
        assert_eq!(Piece::parse(lost), Piece::Lost(6));
        for other in [
            ": keep-alive\n\n",
            "event: stats\ndata: []\n\n",
            "id: x\nevent: event\ndata: {}\n\n",
            "id: 7\nevent: event\ndata: {\n\n",
            "event: lost\ndata: {}\n\n",
            "\n\n",
        ] {
            assert_eq!(Piece::parse(other), Piece::Other, "{other:?}");
        }
    }
}
