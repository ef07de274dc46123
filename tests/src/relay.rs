//! A stretch of the wire between two programs on which every byte is recorded.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Passes connections on to one address, both ways, until the test ends.
#[derive(Debug)]
pub struct Relay {
    address: String,
    recorded: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// A relay in front of `target`, on a free port.
    ///
    /// # Errors
    /// There is no free port.
    pub fn to(target: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let (target, record) = (target.to_owned(), Arc::clone(&recorded));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Who cannot be reached is shown by a connection that ends.
                let _unreached = pass_on(near, &target, &record);
            }
        });
        Ok(Self { address, recorded })
    }

    /// Where to connect.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What has passed so far, of all connections and both directions.
    pub fn recorded(&self) -> Vec<u8> {
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.clone()
    }
}

fn pass_on(near: TcpStream, target: &str, record: &Arc<Mutex<Vec<u8>>>) -> io::Result<()> {
    let far = TcpStream::connect(target)?;
    for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        let record = Arc::clone(record);
        thread::spawn(move || copy(from, to, &record));
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, record: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4_096];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..len).unwrap_or_default();
        let mut recorded = record.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.extend_from_slice(bytes);
        drop(recorded);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    // The end of one direction is passed on; the socket may be closed already.
    let _closed = to.shutdown(Shutdown::Write);
}
