//! Every bound of the boot server, by name, with its reason.

use miner_shared::gate::Rate;

/// Rigs, or kinds of rigs, with a recipe of their own: a large hall. With a patched UKI each holds 2 KiB: 8 MiB.
pub const MAX_RIG_RECIPES: usize = 4_096;
/// Rigs whose progress is kept; one more makes the one forgotten that was silent for longest.
pub const MAX_BOOTING: usize = 1_024;
/// Steps that wait for a listener; beyond, they are counted.
pub const MAX_STEPS: usize = 256;
/// Largest boot file, in bytes: the goal is 24 MiB, the raw kernel of arm64 makes it more.
pub const MAX_BOOT_FILE: u64 = 256 * 1024 * 1024;

/// Questions for an address or a boot file that are looked at: 500 in a second, which is more than a hall
/// that gets its power back asks; others are passed over, and firmware asks again after four seconds.
pub const QUESTION_RATE: Rate = Rate {
    every_ms: 2,
    burst: 500,
};

/// TFTP request that is read, in bytes (RFC 2347); a longer one is refused.
pub const MAX_TFTP_REQUEST: usize = 512;
/// Bytes of a block unless the client asks for another size, and the least and most that it gets: an Ethernet
/// frame less 20 of IPv4, 8 of UDP and 4 of TFTP.
pub const TFTP_BLOCK: usize = 512;
/// See [`TFTP_BLOCK`].
pub const MIN_TFTP_BLOCK: u16 = 8;
/// See [`TFTP_BLOCK`].
pub const MAX_TFTP_BLOCK: u16 = 1500 - 20 - 8 - 4;
/// Blocks that may be on the way at a time: 16 * 1,468 = 23 KiB, which the smallest network card takes.
pub const MAX_TFTP_WINDOW: u16 = 16;
/// Wait before something is sent again, in milliseconds, unless the client asks for another one.
pub const TFTP_RETRY_MS: u64 = 1_000;
/// Times that the same is sent again before a transfer is given up.
pub const TFTP_RETRIES: u8 = 5;
/// Longest transfer, in milliseconds; a slow ROM takes a second for each 1.5 MB.
pub const MAX_TRANSFER_MS: u64 = 600_000;
/// Transfers at a time. One holds a socket and a packet: 256 * 4 KiB = 1 MiB.
pub const MAX_TRANSFERS: usize = 256;
/// Transfers of one address at a time; firmware has one, and begins another before it ended the first.
pub const MAX_TRANSFERS_OF_ADDRESS: usize = 4;

/// HTTP connections at a time; one more is closed at once.
pub const MAX_CONNECTIONS: usize = 256;
/// HTTP connections of one address at a time; firmware has one.
pub const MAX_CONNECTIONS_OF_ADDRESS: usize = 8;
/// From accept, or from the last answer, to the end of a request's headers, in milliseconds.
pub const HEADER_MS: u64 = 10_000;
/// Longest connection, in milliseconds.
pub const MAX_CONNECTION_MS: u64 = MAX_TRANSFER_MS;
/// Bytes of one request's line and headers; hyper takes no less.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Headers of one request.
pub const MAX_HEADERS: usize = 32;
/// Bytes that are read from a file and handed to a connection at a time.
pub const HTTP_PIECE: usize = 64 * 1024;
