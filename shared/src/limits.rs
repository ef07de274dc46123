//! Every bound of the system, by name, with its reason.
//!
//! A buffer anywhere in the workspace takes its size from here, so that "how much memory can a
//! hostile peer make us hold" is answered by reading one file. Derived bounds are computed from
//! their parts; assertions at the end tie them together.

use crate::gate::Rate;

/// Longest human-readable name of a node or profile, in bytes (the original's rule: 1 to 64).
pub const MAX_NAME: usize = 64;
/// Longest `host:port` of a pool or peer, in bytes: a 253-byte DNS name, a colon, five digits.
pub const MAX_ADDRESS: usize = 259;
/// Longest pool login (wallet, worker suffix, difficulty), in bytes.
pub const MAX_POOL_USER: usize = 256;
/// Longest pool password, in bytes.
pub const MAX_POOL_PASS: usize = 64;
/// Pools in one profile, in order of preference.
pub const MAX_POOLS: usize = 3;
/// Hash threads on one rig.
pub const MAX_THREADS: usize = 256;
/// Backends (miners) that one rig reports in a heartbeat.
pub const MAX_MINERS: usize = 4;
/// Longest name of a miner on a rig, such as `miner-rx0`, in bytes.
pub const MAX_MINER_NAME: usize = 24;
/// Longest host description or version text of a node, in bytes.
pub const MAX_LABEL: usize = 64;
/// Longest text of one log record, in bytes; longer lines are cut at a character boundary.
pub const MAX_LOG_LINE: usize = 240;
/// Bytes of log records that a rig keeps: about 300 lines.
pub const LOG_RING: usize = 32 * 1024;
/// Log lines that one answer carries at most; a reader asks again with the cursor it got.
pub const MAX_LOG_LINES: usize = 15;

/// Longest wallet or account in `owner.toml`, in bytes: the longest integrated addresses have about 110.
pub const MAX_WALLET: usize = 128;
/// Largest `owner.toml`, in bytes: every list full, each in a line with its comment.
pub const MAX_OWNER_FILE: usize = 16 * 1024;
/// Controllers that an owner lists.
pub const MAX_OWNER_CONTROLLERS: usize = 8;
/// Wallets that an owner lists.
pub const MAX_OWNER_WALLETS: usize = 8;
/// Pools that an owner lists.
pub const MAX_OWNER_POOLS: usize = 8;

/// Found shares of one batch, 30 bytes each: 32 * 30 = 960 bytes.
pub const MAX_FOUND_SHARES: usize = 32;
/// Found shares that a rig keeps for managers that have not heard of them, 40 bytes each: at one share in
/// 30 s, half an hour without a link.
pub const FOUND_RING: usize = 64;
/// Longest name of a check, such as `huge-pages`, in bytes.
pub const MAX_CHECK_NAME: usize = 24;
/// Longest text of a finding, and of what to do about it, in bytes.
pub const MAX_FINDING: usize = 96;
/// Findings of one answer.
pub const MAX_FINDINGS: usize = 16;
/// Longest name of a network interface, in bytes (the kernel's IFNAMSIZ, less its NUL).
pub const MAX_INTERFACE_NAME: usize = 15;
/// Network interfaces that a rig tells of; further ones are left out.
pub const MAX_INTERFACES: usize = 8;
/// Longest time that a machine shows which one it is, in seconds: ten minutes, for a large hall.
pub const MAX_LOCATE_SECS: u16 = 600;
/// Most that hash threads may give way, on the system's scale of 0 to 19.
pub const MAX_NICE: u8 = 19;

/// SMSG frame header: magic, version, kind, body length.
pub const FRAME_HEADER: usize = 4 + 1 + 1 + 2;
/// AEAD tag of ChaCha20-Poly1305.
pub const TAG: usize = 16;
/// Plaintext of one frame.
pub const MAX_PLAINTEXT: usize = 4096;
/// Largest frame, one WebSocket message.
pub const MAX_FRAME: usize = FRAME_HEADER + MAX_PLAINTEXT + TAG;
/// Ed25519 signature behind every MESSAGE.
pub const SIGNATURE: usize = 64;
/// A statement of succession: twelve bytes that say so, the keys of two nodes, a counter, who signs,
/// and two signatures.
pub const STATEMENT: usize = 12 + 2 * 64 + 8 + 1 + 2 * SIGNATURE;
/// Statements that a node shows: a peer that misses more changes of its key than this has to be
/// introduced again.
pub const MAX_STATEMENTS: usize = 4;
/// Largest frame before `Split`: a statement of succession is the longest that may come.
pub const MAX_HANDSHAKE_FRAME: usize = FRAME_HEADER + STATEMENT;
/// Sequence number in front of every MESSAGE.
pub const SEQ: usize = 8;
/// Encoded body of one MESSAGE.
pub const MAX_MESSAGE: usize = MAX_PLAINTEXT - SEQ - SIGNATURE;

/// From TCP accept to the verified Hello, in milliseconds.
pub const HANDSHAKE_MS: u64 = 5_000;
/// From the third handshake message to the `Welcome`, in milliseconds: the listener may first ask an
/// older session of the same key whether it still lives.
pub const WELCOME_MS: u64 = 10_000;
/// A side that received nothing for this long sends a Ping, in milliseconds.
pub const IDLE_PING_MS: u64 = 20_000;
/// A side that received nothing for this long closes the session, in milliseconds.
pub const DEAD_MS: u64 = 40_000;
/// Heartbeat of a rig, in milliseconds.
pub const HEARTBEAT_MS: u64 = 10_000;
/// Places at which a rig dials its controller, one after the other.
pub const MAX_CONTROLLER_ADDRESSES: usize = 4;
/// First and last pause before a rig dials again, in milliseconds; full jitter between. 10,000 rigs that
/// a controller lets in at 500 a second are then back within 45 s; with a last pause of 60 s the unlucky
/// ones would need 70.
pub const REDIAL_MS: (u64, u64) = (1_000, 30_000);
/// Frames of one direction between two rekeys (a power of two).
pub const REKEY_FRAMES: u64 = 1024;
/// Frames of one direction after which the session must be replaced by a new handshake.
pub const RENEW_FRAMES: u64 = 1 << 20;
/// Frames of one direction after which either side closes whatever happens.
pub const CLOSE_FRAMES: u64 = (1 << 20) + (1 << 16);
/// Age of a session after which the dialler makes a new one, in milliseconds.
pub const RENEW_MS: u64 = 24 * 3_600_000;
/// Age of a session after which either side closes, in milliseconds.
pub const CLOSE_MS: u64 = 25 * 3_600_000;
/// Pairing code life, in milliseconds of the rig's monotonic clock.
pub const PAIRING_MS: u64 = 15 * 60_000;
/// Managers that one rig obeys or informs.
pub const MAX_MANAGERS: usize = 4;
/// Receipts that a rig remembers per manager, so that a resent command has no second effect.
pub const RECEIPTS: usize = 16;
/// Links that a listening rig serves or shakes hands with at the same time.
pub const MAX_RIG_LINKS: usize = 8;
/// Links that a controller serves or shakes hands with at the same time.
pub const MAX_CONTROLLER_LINKS: usize = 12_000;
/// Handshakes in progress at a controller.
pub const MAX_PENDING_HANDSHAKES: usize = 512;
/// Of these, what addresses may use from which no registered peer came lately. The rest is for those
/// that one did come from, so that strangers cannot fill the places by doing nothing in them.
pub const MAX_PENDING_STRANGERS: usize = MAX_PENDING_HANDSHAKES / 2;
/// Handshakes of one IPv4 address or IPv6 /64: 20 in a second, 40 at once.
pub const SOURCE_RATE: Rate = Rate {
    every_ms: 50,
    burst: 40,
};
/// Half of the 500 handshakes a second of a controller: strangers get one half, addresses from which
/// a registered peer came both.
pub const HALF_RATE: Rate = Rate {
    every_ms: 4,
    burst: 125,
};
/// New connections at a rig's own listener, five in a second: each may cost three X25519 operations
/// for nobody knows whom.
pub const RIG_RATE: Rate = Rate {
    every_ms: 200,
    burst: 10,
};
/// Handshakes in progress at a rig's own listener. A stranger can fill these places for 5 s at a time;
/// a manager that finds none free dials again.
pub const MAX_RIG_PENDING: usize = 4;
/// Sources whose bucket a controller keeps, 16 bytes each: 32 KiB. A bucket that is not full was taken
/// from within [`SOURCE_RATE`]'s 2 s, in which strangers get at most 2,000 / 4 + 125 = 625 handshakes,
/// so there is always room.
pub const MAX_SOURCES: usize = 1024;
/// Addresses that a controller remembers because a registered peer came from them, 16 bytes each:
/// 188 KiB. One for each link, as every rig of a local network has its own. The one longest unseen falls
/// out.
pub const MAX_KNOWN_SOURCES: usize = MAX_CONTROLLER_LINKS;
/// How long such an address is remembered, in milliseconds.
pub const KNOWN_SOURCE_MS: u64 = 24 * 3_600_000;
/// First messages of one token that are known again, 32 bytes each: 8 KiB.
pub const TOKEN_EPHEMERALS: usize = 256;
/// Tokens whose first messages a controller remembers: 64 * 8 KiB = 512 KiB at most.
pub const MAX_TOKEN_RINGS: usize = 64;
/// Bytes that a dialler may send before it has proven who it is: the HTTP request, HS1, HS3 and Hello
/// in WebSocket frames are below 1,500, and four statements of succession below 1,600 more.
pub const MAX_UNPROVEN_BYTES: usize = 4096;
/// The same below TLS, in bytes of TCP: before the request go at most two ClientHellos, of which one may
/// bring a key share of 1,216 bytes against quantum computers (together below 2,100), and the dialler's
/// Finished (below 100); each of at most 16 records costs 5 + 1 + 16 bytes besides what is in it.
pub const MAX_UNPROVEN_TLS_BYTES: usize = MAX_UNPROVEN_BYTES + 2_100 + 100 + 16 * 22;
/// Bytes that one TLS connection holds because its socket does not take them: one record and its
/// overhead. What it has read and not used is bounded by the library: one record (16 KiB), or until it is
/// up one message of the handshake (64 KiB, of which an unproven dialler may send no more than
/// [`MAX_UNPROVEN_TLS_BYTES`]).
pub const MAX_TLS_UNSENT: usize = 16 * 1024;
/// Bytes of a file with a certificate or a key in PEM.
pub const MAX_PEM: usize = 64 * 1024;
/// Frames of one peer that a controller reads: 50 in a second, 200 at once. A rig says something each
/// 10 s, on change, and in answer; faster ones are read later, not dropped.
pub const PEER_RATE: Rate = Rate {
    every_ms: 20,
    burst: 200,
};
/// Pieces of releases that a controller sends one rig: 250 in a second, 900 KB; each is asked for, and
/// counts here and not in [`PEER_RATE`].
pub const PIECE_RATE: Rate = Rate {
    every_ms: 4,
    burst: 32,
};
/// Rigs of an update rollout that fetch at once: 64 at [`PIECE_RATE`] take 58 MB in a second. The next are
/// told as places get free.
pub const MAX_FETCHING: usize = 64;
/// Questions and commands of one manager that a rig answers: 50 in a second, 200 at once, which reads a
/// whole log in one go. More are answered with `busy`.
pub const MANAGER_RATE: Rate = PEER_RATE;
/// Log lines about strangers: one in a second, 20 at once; the others are counted.
pub const STRANGER_LOG_RATE: Rate = Rate {
    every_ms: 1_000,
    burst: 20,
};
/// Events about strangers: one in a second, 20 at once, so that they cannot wash the farm's own out.
pub const STRANGER_EVENT_RATE: Rate = STRANGER_LOG_RATE;

/// Packet of multicast DNS that is read or sent, in bytes: what an Ethernet frame holds besides the
/// headers of IPv4 and UDP. A longer one is cut by the kernel and then refused.
pub const MAX_MDNS_PACKET: usize = 1500 - 20 - 8;
/// Shortest DHCP message that is sent, in bytes: what relays made for BOOTP let through (RFC 1542 section 2.1).
pub const MIN_DHCP_MESSAGE: usize = 300;
/// Longest DHCP message that is sent, in bytes: what every client takes (RFC 2131 section 2), 576 less the
/// headers of IPv4 and UDP.
pub const MAX_DHCP_MESSAGE: usize = 576 - 20 - 8;
/// Routes of a DHCP lease that a rig takes.
pub const MAX_LEASE_ROUTES: usize = 8;
/// Name servers of a DHCP lease that a rig takes; the C library asks no more.
pub const MAX_LEASE_DNS: usize = 3;
/// DHCP message that is read, in bytes: what an Ethernet frame holds besides the same headers. A longer one
/// is cut by the kernel and then refused.
pub const MAX_DHCP_READ: usize = 1500 - 20 - 8;
/// Packets of multicast DNS that a node reads: 100 in a second and at once. Others wait in the socket's
/// buffer, and are lost where it is full.
pub const MDNS_RATE: Rate = Rate {
    every_ms: 10,
    burst: 100,
};
/// Local networks on which a node announces itself; further ones do without.
pub const MAX_NETWORKS: usize = 8;
/// Nodes that one `peer discover` lists; further ones are counted. 1,024 * 200 bytes = 200 KiB.
pub const MAX_DISCOVERED: usize = 1024;

/// Longest stratum line read from a pool, newline included.
pub const MAX_POOL_LINE: usize = 16 * 1024;
/// Longest stratum line read from a miner, newline included.
pub const MAX_MINER_LINE: usize = 4 * 1024;
/// Longest stratum line that we send (p2pool bans above 1024).
pub const MAX_SENT_LINE: usize = 1000;
/// Hashing blob, in bytes (XMRig's buffer; Monero uses 76 to 78).
pub const MAX_BLOB: usize = 408;
/// Shortest hashing blob: the nonce at 39..43.
pub const MIN_BLOB: usize = 43;
/// Longest job id, in bytes.
pub const MAX_JOB_ID: usize = 128;
/// Longest session id of a pool, in bytes.
pub const MAX_SESSION_ID: usize = 64;
/// Longest error text kept from a pool, in bytes; an error value stays small with it.
pub const MAX_POOL_MESSAGE: usize = 96;
/// Submits without an answer at a time (p2pool bans bursts).
pub const MAX_UNANSWERED: usize = 4;
/// Longest stratum line that we send to a miner: a job with the longest blob in hexadecimal, three
/// hashes, ids and names.
pub const MAX_JOB_LINE: usize = 2 * MAX_BLOB + 3 * 64 + 512;
/// A pool's answer to a login, in milliseconds; the same for a miner's login at our server.
pub const LOGIN_MS: u64 = 10_000;
/// A pool's answer to a submit, in milliseconds; later it counts as lost.
pub const SUBMIT_MS: u64 = 20_000;
/// A client with nothing to say pings after this long, in milliseconds, if the pool takes pings.
pub const KEEPALIVE_MS: u64 = 60_000;
/// A pool's answer to a ping, in milliseconds.
pub const PING_MS: u64 = 15_000;
/// Silence after which our stratum server drops a miner, in milliseconds.
pub const MINER_IDLE_MS: u64 = 600_000;
/// A line that is still not complete after this long ends its connection, in milliseconds.
pub const LINE_MS: u64 = 10_000;
/// Jobs of one miner for which our server still takes shares.
pub const KEPT_JOBS: usize = 4;
/// Nonces per job that are remembered to tell duplicates.
pub const SEEN_NONCES: usize = 128;
/// Answers that one miner may be owed at a time: shares in verification and lines not sent yet.
pub const MAX_OWED: usize = 64;
/// Methods unknown or malformed that end a miner's connection.
pub const MAX_FAULTS: u8 = 10;
/// Jobs, or lines, in a row that cannot be used and so end the connection to a pool.
pub const MAX_BAD_IN_A_ROW: u8 = 3;
/// Found shares that wait for the pool connection.
pub const SHARE_QUEUE: usize = 64;
/// Jobs whose nonce position is remembered, also across reconnects.
pub const NONCE_MEMORY: usize = 8;
/// Nonces that a hash thread takes at a time.
pub const NONCE_CHUNK: u32 = 256;

/// Longest kernel command line, in bytes without its NUL (COMMAND_LINE_SIZE of x86 and arm64).
pub const MAX_CMDLINE: usize = 2047;
/// Longest value of a `miner.*` word on it, in bytes before percent-encoding.
pub const MAX_CMDLINE_VALUE: usize = 128;
/// What an image's recipe may put on it for the kernel itself, in bytes.
pub const MAX_CMDLINE_KERNEL: usize = 160;

const _: () = assert!(MAX_FRAME == 4_120 && MAX_HANDSHAKE_FRAME == 285);
// A source whose bucket is not full was let in within the last burst of its rate.
const _: () = {
    let busy_ms = SOURCE_RATE.every_ms * SOURCE_RATE.burst;
    assert!(busy_ms / HALF_RATE.every_ms + HALF_RATE.burst <= MAX_SOURCES as u64);
};
const _: () = assert!(2 * 1_000 / HALF_RATE.every_ms == 500 && 1_000 / SOURCE_RATE.every_ms == 20);
const _: () = assert!(MAX_RIG_PENDING < MAX_RIG_LINKS);
// Pages of a full log of the shortest lines: time, level, length and one character each.
const _: () = assert!(MANAGER_RATE.burst >= (LOG_RING / (11 * MAX_LOG_LINES)) as u64);
// The longest login and the longest submit, every byte of text escaped, with the words around it.
const _: () =
    assert!(2 * (MAX_POOL_USER + MAX_POOL_PASS + MAX_LABEL) + MAX_NAME + 128 < MAX_SENT_LINE);
const _: () = assert!(2 * (MAX_SESSION_ID + MAX_JOB_ID) + 8 + 64 + 128 < MAX_SENT_LINE);
const _: () = assert!(REKEY_FRAMES.is_power_of_two());
const _: () = assert!(MAX_LOG_LINES * (MAX_LOG_LINE + 16) + 64 <= MAX_MESSAGE);
// Each text with its length; number of the answer, its kind and the count of findings.
const _: () = assert!(
    MAX_FINDINGS * (1 + MAX_CHECK_NAME + 1 + 2 * (1 + MAX_FINDING)) + 16 <= MAX_MESSAGE
        && MAX_FINDING < 128
);
// Height, nonce, thread, verdict and age; the number in front.
const _: () = assert!(MAX_FOUND_SHARES * (11 + 5 + 3 + 1 + 10) + 16 <= MAX_MESSAGE);
// A plan: three pools with their texts and lengths, a name, and below 32 bytes of numbers around them.
const _: () = assert!(
    MAX_POOLS * (MAX_ADDRESS + 2 + 1 + MAX_POOL_USER + 2 + MAX_POOL_PASS + 1) + MAX_NAME + 32
        <= MAX_MESSAGE
);
// A piece: number of the message, release, file, place, length.
const _: () = assert!(1 + 32 + 1 + 10 + 2 + MAX_PIECE <= MAX_MESSAGE);
// The owner's word: keys, texts and addresses with their lengths, a name, and a few numbers around them.
const _: () = assert!(
    MAX_OWNER_CONTROLLERS * 32
        + MAX_OWNER_WALLETS * (MAX_WALLET + 2)
        + MAX_OWNER_POOLS * (MAX_ADDRESS + 3)
        + MAX_LABEL
        + 16
        <= MAX_MESSAGE
);

/// Bytes of a release manifest, its signature included: what 64 files and 64 packages of long names take.
pub const MAX_MANIFEST: usize = 32 * 1024;
/// Bytes of a piece of a release's file on the link: seven sectors.
pub const MAX_PIECE: usize = 7 * 512;
/// Files of a release.
pub const MAX_RELEASE_FILES: usize = 64;
/// Packages that a release was made of.
pub const MAX_RELEASE_PACKAGES: usize = 64;
/// Name of a file of a release, or of a package, in bytes.
pub const MAX_RELEASE_NAME: usize = 128;
/// Bytes of a slot's kernel and initramfs: Debian's kernel for ARM64 is not compressed.
pub const MAX_SLOT_BYTES: u64 = 48 << 20;
/// Entries of a folder that an update looks at, on the boot volume and where a worker fetches to.
pub const MAX_SLOT_ENTRIES: usize = 64;
/// How long a version on trial must work without a break until it is confirmed, in milliseconds.
pub const TRIAL_GOOD_MS: u64 = 60_000;
/// After so long on trial without that the machine starts anew, in milliseconds; each start counts one try.
pub const TRIAL_MS: u64 = 600_000;
