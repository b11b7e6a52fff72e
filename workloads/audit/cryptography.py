"""Text encrypted, hashed and signed with each thread's own key, and one key that all use."""

from _threads import compare

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash

SHARED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def work(share: int) -> object:
    own = AESGCM(bytes([share]) * 32)
    found = []
    for turn in range(600):
        text = own.encrypt(turn.to_bytes(12, "big"), b"text" * 500, None)
        digest = Hash(SHA256())
        digest.update(text)
        found.append((digest.finalize(), SHARED.sign(text)))
    return found


compare(work)
