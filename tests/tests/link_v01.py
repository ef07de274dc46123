#!/usr/bin/env python3
"""SMSG/1 from docs/SMSG.md alone, in another language, over another crypto library.

Prints link_v01.txt, which link_v01.rs holds frozen. It shares no code with the project:
    pip install cryptography
    python3 tests/tests/link_v01.py | diff - tests/tests/link_v01.txt
"""

import hashlib
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def sha256(data):
    return hashlib.sha256(data).digest()


def hkdf(salt, ikm, info, length=32):
    return HKDF(hashes.SHA256(), length, salt, info).derive(ikm)


def nonce(counter):
    return bytes(4) + struct.pack("<Q", counter)


def base32(label, data):
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    bits += "".join(f"{byte:08b}" for byte in sha256(b"SMSG/1 check\0" + label + data))[:10]
    text = "".join(ALPHABET[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


class Node:
    """Seed and boot are one byte, repeated."""

    def __init__(self, fill, role):
        seed = bytes([fill]) * 32
        self.role, self.boot = role, bytes([fill]) * 16
        self.x = X25519PrivateKey.from_private_bytes(hkdf(b"SMSG/1 keys", seed, b"x25519"))
        self.ed = Ed25519PrivateKey.from_private_bytes(hkdf(b"SMSG/1 keys", seed, b"ed25519"))
        self.x_public = self.x.public_key().public_bytes_raw()
        self.ed_public = self.ed.public_key().public_bytes_raw()
        self.fingerprint = sha256(b"SMSG/1 node\0" + self.x_public + self.ed_public)

    def payload(self):
        cert = self.ed.sign(b"SMSG/1 link-key\0" + bytes([self.role]) + self.x_public)
        return bytes([1, 1, self.role, 0]) + bytes(4) + self.boot + self.ed_public + cert


class Symmetric:
    """SymmetricState of the Noise framework, revision 34, section 5.2."""

    def __init__(self, protocol):
        self.h = sha256(protocol) if len(protocol) > 32 else protocol.ljust(32, b"\0")
        self.ck, self.key, self.counter = self.h, None, 0

    def mix_hash(self, data):
        self.h = sha256(self.h + data)

    def mix_key(self, data):
        out = hkdf(self.ck, data, b"", 64)
        self.ck, self.key, self.counter = out[:32], out[32:], 0

    def mix_key_and_hash(self, data):
        out = hkdf(self.ck, data, b"", 96)
        self.ck = out[:32]
        self.mix_hash(out[32:64])
        self.key, self.counter = out[64:], 0

    def seal(self, text):
        if self.key is not None:
            text = ChaCha20Poly1305(self.key).encrypt(nonce(self.counter), text, self.h)
            self.counter += 1
        self.mix_hash(text)
        return text


def frame(kind, body):
    return b"SMSG" + bytes([1, kind]) + struct.pack("<H", len(body)) + body


def statement(old, new, counter, signer, sign):
    """A key takes another's place, as a listener shows it."""
    before = old.x_public + old.ed_public if old else bytes(64)
    signed = b"SMSG/1 succ\0" + before + new.x_public + new.ed_public
    signed += struct.pack("<QB", counter, signer)
    return frame(4, signed + new.ed.sign(signed) + sign(signed))


def message(key, counter, author, recipient, seq, body):
    content = struct.pack("<Q", seq) + body
    ends = author.fingerprint + author.boot + recipient.fingerprint + recipient.boot
    plain = content + author.ed.sign(b"SMSG/1 msg\0" + ends + content)
    header = b"SMSG" + bytes([1, 0x10]) + struct.pack("<H", len(plain) + 16)
    return header + ChaCha20Poly1305(key).encrypt(nonce(counter), plain, header)


CARD = b"\x04node\x0bminer 0.1.0\x0clinux x86_64"
OP_ID = b"\xaa" * 16
# One message of each kind, as postcard writes it; docs/SMSG.md has the numbers.
HELLO = b"\x00" + CARD
WELCOME = b"\x01\x00" + CARD
QUERY = b"\x05\x01\x00"  # 1, info
BY_CONTROLLER = [
    ("query", QUERY),
    ("command", b"\x07" + OP_ID + b"\x00\x04\x00"),  # state of generation 4: stopped
    ("ping", b"\x02\x01"),
]
BY_WORKER = [
    ("heartbeat", b"\x04" + bytes(6)),  # idle since just now
    ("answer", b"\x06\x01\x03\x00"),  # to 1: refused, not allowed
    ("receipt", b"\x08" + OP_ID + b"\x00"),  # applied
    ("pong", b"\x03\x01"),
]


def link(worker, controller, dial, token_id=None, secret=None):
    """The frames of a link with their names, and the handshake's hash. dial: 1 the worker, 2 the controller."""
    psk = token_id is not None
    head = bytes([2 if psk else 1, dial]) + (token_id or bytes(8))
    pattern = b"XXpsk0" if psk else b"XX"
    state = Symmetric(b"Noise_" + pattern + b"_25519_ChaChaPoly_SHA256")
    state.mix_hash(b"SMSG/1\0" + head)
    if psk:
        state.mix_key_and_hash(hkdf(b"SMSG/1 enrol", secret, token_id))

    def mix_ephemeral(public):
        state.mix_hash(public)
        if psk:
            state.mix_key(public)

    def mix_dh(private, public):
        state.mix_key(private.exchange(X25519PublicKey.from_public_bytes(public)))

    dialler, listener = (worker, controller) if dial == 1 else (controller, worker)
    ours = X25519PrivateKey.from_private_bytes(b"\x11" * 32)
    theirs = X25519PrivateKey.from_private_bytes(b"\x22" * 32)
    ours_public = ours.public_key().public_bytes_raw()
    theirs_public = theirs.public_key().public_bytes_raw()

    mix_ephemeral(ours_public)
    first = frame(1, head + ours_public + state.seal(b""))
    mix_ephemeral(theirs_public)
    mix_dh(theirs, ours_public)
    static = state.seal(listener.x_public)
    mix_dh(listener.x, ours_public)
    second = frame(2, theirs_public + static + state.seal(listener.payload()))
    static = state.seal(dialler.x_public)
    mix_dh(dialler.x, theirs_public)
    third = frame(3, static + state.seal(dialler.payload()))
    frames = [("first", first), ("second", second), ("third", third)]

    keys = hkdf(state.ck, b"", b"", 64)
    up, down = keys[:32], keys[32:]
    frames.append(("hello", message(up, 0, dialler, listener, 1, HELLO)))
    frames.append(("welcome", message(down, 0, listener, dialler, 1, WELCOME)))
    to_worker, to_controller = (down, up) if dial == 1 else (up, down)
    # A greeting was frame 0 of each direction; the number inside is one more than the frame's.
    for n, (name, body) in enumerate(BY_CONTROLLER, 1):
        frames.append((name, message(to_worker, n, controller, worker, n + 1, body)))
    for n, (name, body) in enumerate(BY_WORKER, 1):
        frames.append((name, message(to_controller, n, worker, controller, n + 1, body)))
    # REKEY (section 4.2), after frame 1,023 of the direction.
    rekeyed = ChaCha20Poly1305(to_worker).encrypt(nonce(2**64 - 1), bytes(32), b"")[:32]
    frames.append(("last", message(to_worker, 1_023, controller, worker, 1_024, QUERY)))
    frames.append(("rekeyed", message(rekeyed, 1_024, controller, worker, 1_025, QUERY)))
    return frames, state.h


def main():
    worker, controller = Node(1, 2), Node(2, 1)
    print("x25519", worker.x_public.hex())
    print("ed25519", worker.ed_public.hex())
    print("fingerprint", base32(b"F", worker.fingerprint))
    print("node-id", worker.fingerprint[:8].hex())
    print("key-file", (b"SMSGKEY1" + b"\1" * 32 + sha256(b"SMSGKEY1" + b"\1" * 32)[:8]).hex())
    code = b"\7" * 16
    token_id = sha256(b"SMSG/1 code\0" + code)[:8]
    print("code", base32(b"PAIR", code))
    print("code-name", token_id.hex())
    token = b"\5" * 8 + b"\6" * 16 + controller.fingerprint[:16]
    print("token", "ENR1-" + base32(b"ENR1", token).replace("-", ""))
    recovery = Ed25519PrivateKey.from_private_bytes(
        hkdf(b"SMSG/1 recovery", b"\x08" * 32, b"ed25519")
    )
    successor = Node(3, 1)
    print("recovery", "REC1-" + base32(b"REC1", b"\x08" * 32).replace("-", ""))
    print("recovery-public", recovery.public_key().public_bytes_raw().hex())
    print("succession", statement(controller, successor, 0, 1, controller.ed.sign).hex())
    print("recovered", statement(None, successor, 7, 2, recovery.sign).hex())
    for suite, secret in ((1, ()), (2, (token_id, code))):
        for dial in (1, 2):
            frames, handshake_hash = link(worker, controller, dial, *secret)
            print("link suite", suite, "dial", dial)
            for name, sent in frames:
                print(name, sent.hex())
            print("hash", handshake_hash.hex())


if __name__ == "__main__":
    main()
