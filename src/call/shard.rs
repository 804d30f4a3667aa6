//! Which shard owns a message.
//!
//! Every message of one leg carries one Call-ID, so the Call-ID picks the shard: a caller's is hashed,
//! and the ones we make for leg B name their shard, so that both legs of a call live on one.

/// Our leg-B Call-IDs: `rw`, the shard as four hexadecimal digits, `-`, a token.
const MARK: &[u8] = b"rw";

/// The shard (0-based, below `shards`) that owns this Call-ID. `shards` 0 counts as 1.
///
/// A stranger's Call-ID that looks like one of ours only chooses its own shard; nothing is trusted on it.
pub fn shard_of(sip_call_id: &[u8], shards: u16) -> u16 {
    let shards = shards.max(1);
    match named(sip_call_id) {
        Some(shard) => shard % shards,
        None => (fnv1a(sip_call_id) % u64::from(shards)) as u16,
    }
}

/// A Call-ID for leg B that [`shard_of`] brings back to `shard`.
pub(crate) fn leg_b_call_id(shard: u16, token: &str) -> String {
    format!("rw{shard:04x}-{token}")
}

fn named(sip_call_id: &[u8]) -> Option<u16> {
    let rest = sip_call_id.strip_prefix(MARK)?;
    if rest.get(4) != Some(&b'-') {
        return None;
    }
    let digits = std::str::from_utf8(rest.get(..4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

/// FNV-1a, 64 bits, folded: the low bits alone of similar Call-IDs are too alike.
fn fnv1a(octets: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for octet in octets {
        hash ^= u64::from(*octet);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_call_ids_come_back_to_their_shard() {
        for shards in [1, 2, 3, 16] {
            for shard in 0..shards {
                assert_eq!(
                    shard_of(leg_b_call_id(shard, "0123456789abcdef").as_bytes(), shards),
                    shard
                );
            }
        }
    }

    #[test]
    fn others_are_spread_evenly() {
        let mut count = [0u32; 4];
        for n in 0..4000 {
            count[usize::from(shard_of(format!("{n}@203.0.113.7").as_bytes(), 4))] += 1;
        }
        assert!(count.iter().all(|calls| (800..1200).contains(calls)), "{count:?}");
    }

    #[test]
    fn a_short_or_odd_call_id_has_a_shard_too() {
        for call_id in ["", "rw", "rw12", "rw00zz-1", "rwffff-x"] {
            assert!(shard_of(call_id.as_bytes(), 3) < 3);
        }
        assert_eq!(shard_of(b"anything", 0), 0);
    }
}
