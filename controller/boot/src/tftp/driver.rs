//! The sockets of TFTP: one for requests, one for each transfer.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use smol::future::FutureExt as _;
use smol::{Async, Executor, Timer};

use super::packet::{MAX_PACKET, Refusal, Request};
use super::{End, Transfer};
use crate::door::Door;
use crate::files::FileName;
use crate::limits::{MAX_TFTP_REQUEST, MAX_TRANSFERS, MAX_TRANSFERS_OF_ADDRESS};
use crate::progress::{Failure, Step};
use crate::server::{PAUSE, State};

/// Takes requests until the task is dropped; transfers live on the same executor.
pub(crate) async fn serve(
    socket: Async<UdpSocket>,
    state: Arc<State>,
    executor: Arc<Executor<'static>>,
) {
    let door = Door::new(MAX_TRANSFERS, MAX_TRANSFERS_OF_ADDRESS);
    // One byte more than a request has: a longer one shows.
    let mut packet = [0; MAX_TFTP_REQUEST + 1];
    loop {
        let (length, from) = match socket.recv_from(&mut packet).await {
            Ok(received) => received,
            Err(error) => {
                log::debug!("tftp receive failed error={error}");
                Timer::after(PAUSE).await;
                continue;
            }
        };
        let packet = packet.get(..length).unwrap_or_default();
        if !state.lan.contains(from.ip()) {
            log::debug!("tftp request from elsewhere passed over from={from}");
            continue;
        }
        // Whoever asks twice because our first packet was lost gets it again from the first transfer.
        let Some(guest) = door.enter(from) else {
            log::debug!("tftp request passed over: enough transfers from={from}");
            continue;
        };
        match begin(packet, from, &state) {
            Ok(job) => {
                let state = Arc::clone(&state);
                let task = async move {
                    job.run(&state).await;
                    drop(guest);
                };
                executor.spawn(task).detach();
            }
            Err(refusal) => {
                log::debug!("tftp request refused from={from} why={refusal:?}");
                let _ = socket.send_to(&refusal.packet(), from).await;
            }
        }
    }
}

/// A transfer with its own port.
struct Job {
    name: FileName,
    transfer: Transfer,
    socket: Async<UdpSocket>,
}

fn begin(packet: &[u8], from: SocketAddr, state: &State) -> Result<Job, Refusal> {
    let request = Request::parse(packet)?;
    let name = FileName::parse(request.name).ok_or(Refusal::NotFound)?;
    let content = state.open(name).ok_or(Refusal::NotFound)?;
    let socket = state.lan.udp(state.lan.address, 0).and_then(|socket| {
        // From here on the kernel takes packets of this client only.
        socket.get_ref().connect(from)?;
        Ok(socket)
    });
    let socket = socket.map_err(|error| {
        log::warn!("tftp transfer has no socket error={error}");
        Refusal::Unreadable
    })?;
    Ok(Job {
        name,
        transfer: Transfer::new(content, request.options, state.clock.now()),
        socket,
    })
}

impl Job {
    async fn run(mut self, state: &State) {
        let FileName { mac, file } = self.name;
        let started = state.clock.now();
        state.record(mac, Step::Started(file));
        let end = self.drive(state).await;
        let bytes = self.transfer.bytes();
        let why = match end {
            Ok(End::Complete) => {
                let took_ms = state.clock.now().since(started);
                return state.record(
                    mac,
                    Step::Finished {
                        file,
                        bytes,
                        took_ms,
                    },
                );
            }
            Ok(End::Probed) => return,
            Ok(End::Refused(code)) => Failure::Refused(code),
            Ok(End::Lost) => Failure::Lost,
            Err(error) => {
                log::warn!("tftp transfer failed rig={mac} file={file} error={error}");
                Failure::Unreadable
            }
        };
        state.record(mac, Step::Failed { file, bytes, why });
    }

    /// Until the end, or until the file cannot be read.
    async fn drive(&mut self, state: &State) -> io::Result<End> {
        let mut packet = vec![0; MAX_PACKET];
        loop {
            while let Some(length) = self.transfer.poll_transmit(&mut packet)? {
                // What cannot be sent counts as lost on the way, and is sent again.
                let _ = self
                    .socket
                    .send(packet.get(..length).unwrap_or_default())
                    .await;
            }
            if let Some(end) = self.transfer.end() {
                return Ok(end);
            }
            let wait = self.transfer.poll_timeout().since(state.clock.now());
            let received = async { Some(self.socket.recv(&mut packet).await) };
            let late = async {
                Timer::after(Duration::from_millis(wait)).await;
                None
            };
            let now = || state.clock.now();
            match received.or(late).await {
                None => self.transfer.handle_timeout(now()),
                Some(Ok(length)) => {
                    let reply = packet.get(..length).unwrap_or_default();
                    self.transfer.handle_packet(now(), reply);
                    state.sent(self.name.mac, self.transfer.bytes());
                }
                // The client closed its port.
                Some(Err(_)) => return Ok(End::Lost),
            }
        }
    }
}
