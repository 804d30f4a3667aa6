//! Session keys out of a master key (RFC 3711 §4.3, RFC 6188 §3 for 256 bits, RFC 7714 §11 for GCM), with a derivation
//! rate of zero: once, when the key comes.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroize as _;

use crate::sdp::MasterKey;

/// Octets of the key that HMAC-SHA1 authenticates with.
pub(super) const AUTH_OCTETS: usize = 20;

/// What a session key is for. RTP and RTCP have keys of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
}

/// The keys of one kind. Wiped when dropped.
pub(super) struct SessionKeys {
    key: [u8; 32],
    key_octets: usize,
    pub(super) auth: [u8; AUTH_OCTETS],
    /// As long as the master salt; the rest is zero.
    pub(super) salt: [u8; 14],
}

impl SessionKeys {
    pub(super) fn of(master: &MasterKey, kind: Kind) -> SessionKeys {
        let first = match kind {
            Kind::Rtp => 0,
            Kind::Rtcp => 3,
        };
        let mut keys = SessionKeys {
            key: [0; 32],
            key_octets: master.key().len(),
            auth: [0; AUTH_OCTETS],
            salt: [0; 14],
        };
        let key_octets = keys.key_octets;
        derive(master, first, &mut keys.key[..key_octets]);
        derive(master, first + 1, &mut keys.auth);
        derive(master, first + 2, &mut keys.salt[..master.salt().len()]);
        keys
    }

    /// Key and salt as they are given, for the vectors that begin here.
    #[cfg(test)]
    pub(super) fn given(master: &MasterKey) -> SessionKeys {
        let mut keys = SessionKeys::of(master, Kind::Rtp);
        keys.key[..master.key().len()].copy_from_slice(master.key());
        keys.salt[..master.salt().len()].copy_from_slice(master.salt());
        keys
    }

    /// The key of the cipher.
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.key_octets]
    }
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        self.key.zeroize();
        self.auth.zeroize();
        self.salt.zeroize();
    }
}

/// A cipher in counter mode under this key.
pub(super) fn counter_mode(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .expect("a key is as long as its suite says")
}

/// XORs the key stream that begins at `block` over `octets`.
pub(super) fn counter_mode_over(key: &EncryptingKey, block: [u8; 16], octets: &mut [u8]) {
    if octets.is_empty() {
        return;
    }
    key.less_safe_encrypt(octets, EncryptionContext::Iv128(FixedLength::from(block)))
        .expect("counter mode takes any length");
}

/// The pseudo-random function of RFC 3711 §4.3.3. A salt of 96 bits is filled up with zeros at its end.
fn derive(master: &MasterKey, label: u8, out: &mut [u8]) {
    let mut block = [0; 16];
    block[..master.salt().len()].copy_from_slice(master.salt());
    // The label is the octet before a packet index of 48 bits, and that is zero.
    block[7] ^= label;
    out.fill(0);
    counter_mode_over(&counter_mode(master.key()), block, out);
}

#[cfg(test)]
mod tests {
    use super::super::vectors_tests::hex;
    use super::*;
    use crate::sdp::Suite;

    fn derived(suite: Suite, key: &str, label: u8, octets: usize) -> Vec<u8> {
        let master = MasterKey::new(suite, &hex(key)).unwrap();
        let mut out = vec![0xff; octets];
        derive(&master, label, &mut out);
        out
    }

    #[test]
    fn keys_are_derived_as_in_rfc_3711_b3() {
        let key = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";
        let suite = Suite::AesCm128HmacSha1_80;
        assert_eq!(
            derived(suite, key, 0, 16),
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(derived(suite, key, 2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let auth = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE
            E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25
            6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(derived(suite, key, 1, 94), hex(auth));
        let keys = SessionKeys::of(&MasterKey::new(suite, &hex(key)).unwrap(), Kind::Rtp);
        assert_eq!(keys.key(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(keys.auth.as_slice(), &hex(auth)[..20]);
    }

    /// No RFC has vectors of this: the values are libsrtp's.
    #[test]
    fn a_salt_of_96_bits_is_filled_up_at_its_end() {
        let salt = "a0a1a2a3a4a5a6a7a8a9aaab";
        let short = format!("000102030405060708090a0b0c0d0e0f{salt}");
        let suite = Suite::AeadAes128Gcm;
        assert_eq!(
            derived(suite, &short, 0, 16),
            hex("077c6143cb221bc355ff23d5f984a16e")
        );
        assert_eq!(derived(suite, &short, 2, 12), hex("9af3e95364ebac9c99c5a7c4"));
        assert_eq!(
            derived(suite, &short, 3, 16),
            hex("615dcd9042600666f6fd4d9e4fe4519f")
        );
        assert_eq!(derived(suite, &short, 5, 12), hex("fcca937b9112a500dac72269"));
        let long = format!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f{salt}");
        let suite = Suite::AeadAes256Gcm;
        let key = "b7a435ce454463b760dc82c838468a115c699625af4b93a0f8220a2a6119c5d0";
        assert_eq!(derived(suite, &long, 0, 32), hex(key));
        assert_eq!(derived(suite, &long, 5, 12), hex("258c540cf38ddd40848ceaed"));
    }
}
