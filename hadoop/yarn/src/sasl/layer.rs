//! What DIGEST-MD5 puts around messages after authentication: a signature (`auth-int`), or a signature and a cipher
//! (`auth-conf`).
//!
//! A wrapped message is the message, ten bytes of HMAC-MD5 over its number and itself, the version `0001`, and its number.
//! With a cipher, the message and the HMAC are encrypted; the cipher goes on from message to message.

use super::SaslError;
use super::digest_md5::md5;
use super::rc4::Rc4;
use des::TdesEde2;
use des::cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use hmac::{Hmac, Mac as _};
use md5::Md5;

/// Bytes of the HMAC that are sent.
const MAC: usize = 10;
/// Bytes of version and number.
const TRAILER: usize = 6;
/// Bytes of a block of DES.
const BLOCK: usize = 8;

/// Which side of the connection a layer is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    /// Only the fake cluster has this side.
    #[cfg_attr(not(any(test, feature = "fake")), expect(dead_code, reason = "the side of a server"))]
    Server,
}

/// A cipher of `auth-conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    TripleDes,
    Rc4,
}

impl Cipher {
    /// Its name in directives.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Cipher::TripleDes => "3des",
            Cipher::Rc4 => "rc4",
        }
    }

    /// The strongest that is offered. Those with keys of 40 and 56 bits are not taken.
    pub(crate) fn choose(offered: &str) -> Result<Cipher, SaslError> {
        let mut found = [Cipher::TripleDes, Cipher::Rc4].into_iter();
        let is_offered = |cipher: &Cipher| offered.split(',').any(|name| name.trim() == cipher.name());
        found.find(is_offered).ok_or_else(|| SaslError::NoCipher { offered: offered.to_owned() })
    }
}

/// One direction of a layer.
struct Direction {
    signing: [u8; 16],
    sealing: Option<Sealing>,
    number: u32,
}

enum Sealing {
    TripleDes { cipher: Box<TdesEde2>, last: [u8; BLOCK] },
    Rc4(Box<Rc4>),
}

/// Signs and encrypts what is sent, and opens what comes.
pub(crate) struct DigestLayer {
    sending: Direction,
    receiving: Direction,
}

impl DigestLayer {
    pub(crate) fn new(h_a1: &[u8; 16], role: Role, cipher: Option<Cipher>) -> DigestLayer {
        let direction = |towards: &str| Direction::new(h_a1, towards, cipher);
        let (to_server, to_client) = (direction("client-to-server"), direction("server-to-client"));
        match role {
            Role::Client => DigestLayer { sending: to_server, receiving: to_client },
            Role::Server => DigestLayer { sending: to_client, receiving: to_server },
        }
    }

    /// Wraps a message that is to be sent.
    pub(crate) fn wrap(&mut self, message: &[u8]) -> Vec<u8> {
        let direction = &mut self.sending;
        let mac = direction.mac(message);
        let mut out = Vec::with_capacity(message.len() + BLOCK + MAC + TRAILER);
        out.extend_from_slice(message);
        if let Some(Sealing::TripleDes { .. }) = direction.sealing {
            let pad = BLOCK - (message.len() + MAC) % BLOCK;
            out.resize(message.len() + pad, pad as u8);
        }
        out.extend_from_slice(&mac);
        match &mut direction.sealing {
            Some(Sealing::TripleDes { cipher, last }) => encrypt(cipher, last, &mut out),
            Some(Sealing::Rc4(stream)) => stream.apply(&mut out),
            None => {}
        }
        out.extend_from_slice(&[0, 1]);
        out.extend_from_slice(&direction.number.to_be_bytes());
        direction.number = direction.number.wrapping_add(1);
        out
    }

    /// Opens a message that came.
    pub(crate) fn unwrap(&mut self, wrapped: &[u8]) -> Result<Vec<u8>, SaslError> {
        let direction = &mut self.receiving;
        let Some(at) = wrapped.len().checked_sub(TRAILER).filter(|&at| at >= MAC) else {
            return Err(SaslError::Malformed("a wrapped message that is too short"));
        };
        let (body, trailer) = wrapped.split_at(at);
        let expected = direction.number.to_be_bytes();
        if trailer[..2] != [0, 1] || trailer[2..] != expected {
            return Err(SaslError::Malformed("a wrapped message out of order"));
        }
        let mut body = body.to_vec();
        let mut pad = 0;
        match &mut direction.sealing {
            Some(Sealing::TripleDes { cipher, last }) => {
                if body.len() % BLOCK != 0 {
                    return Err(SaslError::Malformed(
                        "an encrypted message that is no whole number of blocks",
                    ));
                }
                decrypt(cipher, last, &mut body);
                pad = body.get(body.len() - MAC - 1).map_or(BLOCK + 1, |&pad| pad.into());
                if !(1..=BLOCK).contains(&pad) || body.len() < MAC + pad {
                    return Err(SaslError::Tampered);
                }
            }
            Some(Sealing::Rc4(stream)) => stream.apply(&mut body),
            None => {}
        }
        let mac = body.split_off(body.len() - MAC);
        body.truncate(body.len() - pad);
        // Any difference ends the connection, so that timing tells an attacker nothing he could use again.
        if mac != direction.mac(&body) {
            return Err(SaslError::Tampered);
        }
        direction.number = direction.number.wrapping_add(1);
        Ok(body)
    }
}

impl Direction {
    fn new(h_a1: &[u8; 16], towards: &str, cipher: Option<Cipher>) -> Direction {
        let key = |magic: &str| md5(&[h_a1, magic.as_bytes()]);
        let sealing = cipher.map(|cipher| {
            let key = key(&format!("Digest H(A1) to {towards} sealing key magic constant"));
            match cipher {
                Cipher::TripleDes => Sealing::TripleDes {
                    cipher: Box::new(TdesEde2::new(&spread(&key).into())),
                    last: key[8..].try_into().expect("8 of 16 bytes"),
                },
                Cipher::Rc4 => Sealing::Rc4(Box::new(Rc4::new(&key))),
            }
        });
        let signing = key(&format!("Digest session key to {towards} signing key magic constant"));
        Direction { signing, sealing, number: 0 }
    }

    fn mac(&self, message: &[u8]) -> [u8; MAC] {
        let mut mac = Hmac::<Md5>::new_from_slice(&self.signing).expect("HMAC takes keys of any length");
        mac.update(&self.number.to_be_bytes());
        mac.update(message);
        mac.finalize().into_bytes()[..MAC].try_into().expect("10 of 16 bytes")
    }
}

/// Two keys of DES: each from seven bytes, whose bits are spread over eight bytes that end in a bit of odd parity.
fn spread(key: &[u8; 16]) -> [u8; 16] {
    let mut spread = [0; 16];
    for (bytes, out) in key[..14].chunks(7).zip(spread.chunks_mut(8)) {
        let bits = bytes.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        for (index, out) in out.iter_mut().enumerate() {
            let seven = (bits >> (49 - 7 * index)) as u8 & 0x7f;
            *out = seven << 1 | (1 - seven.count_ones() as u8 % 2);
        }
    }
    spread
}

/// CBC, going on from the block that was encrypted last.
fn encrypt(cipher: &TdesEde2, last: &mut [u8; BLOCK], bytes: &mut [u8]) {
    for chunk in bytes.chunks_exact_mut(BLOCK) {
        let mut block: [u8; BLOCK] = std::array::from_fn(|at| chunk[at] ^ last[at]);
        let mut array = Array::from(block);
        cipher.encrypt_block(&mut array);
        block.copy_from_slice(&array);
        chunk.copy_from_slice(&block);
        *last = block;
    }
}

fn decrypt(cipher: &TdesEde2, last: &mut [u8; BLOCK], bytes: &mut [u8]) {
    for chunk in bytes.chunks_exact_mut(BLOCK) {
        let encrypted: [u8; BLOCK] = std::array::from_fn(|at| chunk[at]);
        let mut array = Array::from(encrypted);
        cipher.decrypt_block(&mut array);
        for (at, byte) in chunk.iter_mut().enumerate() {
            *byte = array[at] ^ last[at];
        }
        *last = encrypted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIPHERS: [Option<Cipher>; 3] = [None, Some(Cipher::TripleDes), Some(Cipher::Rc4)];

    fn pair(cipher: Option<Cipher>) -> (DigestLayer, DigestLayer) {
        (DigestLayer::new(&[7; 16], Role::Client, cipher), DigestLayer::new(&[7; 16], Role::Server, cipher))
    }

    #[test]
    fn what_is_wrapped_is_opened_in_both_directions() {
        for cipher in CIPHERS {
            let (mut client, mut server) = pair(cipher);
            for len in 0..40 {
                let message: Vec<u8> = (0..len).collect();
                assert_eq!(server.unwrap(&client.wrap(&message)), Ok(message.clone()), "{cipher:?} {len}");
                assert_eq!(client.unwrap(&server.wrap(&message)), Ok(message), "{cipher:?} {len}");
            }
        }
    }

    #[test]
    fn every_changed_bit_and_every_wrong_order_is_refused() {
        for cipher in CIPHERS {
            let wrapped = pair(cipher).0.wrap(b"a message of some length");
            for bit in 0..wrapped.len() * 8 {
                let mut changed = wrapped.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(pair(cipher).1.unwrap(&changed).is_err(), "{cipher:?} bit {bit}");
            }
            for len in 0..wrapped.len() {
                assert!(pair(cipher).1.unwrap(&wrapped[..len]).is_err(), "{cipher:?} cut to {len}");
            }
            let (mut client, mut server) = pair(cipher);
            let (first, second) = (client.wrap(b"one"), client.wrap(b"two"));
            assert!(server.unwrap(&second).is_err(), "{cipher:?}: the second before the first");
            let mut server = pair(cipher).1;
            assert!(server.unwrap(&first).is_ok());
            assert!(server.unwrap(&first).is_err(), "{cipher:?}: one twice");
        }
    }
}
